//! The built program, driven, killed and restarted. The table of contents of the proof.
//!
//! Each test has its own broker (a real Mosquitto), ports, folder and processes, so all of them run side by side; those
//! that can keep a core busy take turns (`support::heavy`). A random test prints its seed.

#![allow(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

/// Folders, processes, brokers, loads, networks that break.
mod support;

/// `account` says what became of every message, beside a recorder, a spool, a wrong count.
mod account;
/// An actor panics, stops or hangs: it is restarted, and nobody else notices.
mod actors;
/// The same in each mode other than normal.
mod actors_in_modes;
/// The broker keeps our state for others: `mqtt` among the alerts.
mod alert_state;
/// `alert test` says what the other side said.
mod alert_test;
/// A person is told of what is wrong, on every way, and no way costs the recording anything.
mod alerts;
/// A broker that stops, is killed, or forgets loses and doubles nothing, or is found out.
mod broker_outages;
/// What a person sees on the page, in a real browser.
mod browser;
/// `import-calibration` says what follows from a file that an older program wrote.
mod calibration;
/// Everything goes wrong at once: nothing is lost or stored twice, and every outage is a gap.
mod chaos;
/// `check` tells what is wrong, and writes nothing.
mod check;
/// The client id: made once, kept, and changed by a setting only.
mod client_id;
/// The file is found, overruled and judged as documented, every mistake at once.
mod configuration;
/// Routes that overlap, and subscriptions that change: each message is recorded once.
mod cover;
/// A network that breaks at random moments loses and doubles nothing.
mod cuts;
/// A database deleted, replaced, overwritten or cut short: the recording goes on, and what can be read is kept.
mod damage;
/// A database that cannot be written for a while holds up nobody.
mod degraded;
/// A recorder killed around the spool loses and doubles nothing.
mod degraded_kills;
/// The demo and the simulated station do what they show.
mod demo;
/// The documents: their commands can be given, their settings are accepted, their links lead somewhere.
mod documents;
/// What is acknowledged is on the disk.
mod durability;
/// What restarting cannot heal ends the process, and the next one loses nothing.
mod escalation;
/// Any one write or sync fails, once or for good: nothing is lost, nothing is twice.
mod fault_sweep;
/// `gaps` says when something may be missing, for each cause.
mod gaps;
/// Each check is made true by its real cause, and false again.
mod health;
/// A deaf connection is found out by an echo, and wrong readings by themselves.
mod hearing;
/// Without a place to write to, the broker keeps what it can, and the rest is counted.
mod holding;
/// Clients of the page that mean harm cost the recording nothing.
mod hostile;
/// What devices send becomes the right rows, or is kept with the reason.
mod intake;
/// The tables are those of the design, and existing ones are taken as they are.
mod journal;
/// A recorder killed at random moments loses and doubles nothing.
mod kills;
/// The database of the earlier daemon is taken over in place.
mod legacy;
/// There is one instance for one database.
mod locks;
/// A log that is rotated, by whomever, loses no line; one that cannot be written holds up nobody.
mod log_file;
/// A database deleted or moved on a full disk, or that left its -wal behind, lacks nothing that was acknowledged.
mod lost_files;
/// Memory is bounded, whatever comes.
mod memory;
/// What a scraper reads is true, and costs the recording nothing.
mod metrics;
/// The operator's socket, and `status` through it.
mod operator;
/// A recorder is stopped, replaced, killed; what is no recorder is not.
mod operator_stop;
/// Events and rows are shown once, and a running recorder does as it is told.
mod operator_watch;
/// The page by itself, against a mock.
mod page_alone;
/// What scripts ask the page is answered truly, and costs the recording nothing.
mod page_api;
/// What is ordered on the page is carried out, answered and told of; nobody else gives orders.
mod page_commands;
/// The door of the page: names, origins, tokens, certificates, and where it can be.
mod page_door;
/// What is recorded is seen live, every end of the line has its reason, and viewers cost nothing.
mod page_live;
/// Commands of a user without permission end with exit code 77.
mod permissions;
/// The power fails at random moments: what was acknowledged is on the disk.
mod power_cut;
/// Messages of our own arrive, last words stay, and a last will is published for the dead.
mod publishing;
/// What cannot become a row is kept, with the reason.
mod quarantine;
/// SIGHUP changes what is to change, and loses nothing.
mod reload;
/// The quarantine is replayed, dropped and exported, killed or beside a recorder, and floods are borne.
mod replay;
/// History is summed up beside the recording, exactly.
mod rollups;
/// Passwords stay secret.
mod secrets;
/// Subscriptions, retained messages, qualities of service, credentials and rivals.
mod session;
/// Readers never wait for us, and we wait for whoever locks.
mod sharing;
/// A stop ends in time, whatever broker and disk do.
mod shutdown;
/// The rules of the house.
mod tidy;
/// TLS with a private authority and client certificates.
mod tls;
/// The systemd unit is tight, and a recorder lives within it.
mod unit_file;
/// `verify` finds every bit that changed in what was recorded.
mod verify;
/// systemd's watchdog is fed by those it watches, and by nobody else.
mod watchdog;
/// Statistics, events, systemd.
mod watching;
