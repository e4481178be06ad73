//! The sections before the routes, each read over its default.

use crate::broker_url::{Address, address};
use crate::credentials::{self, UrlCredentials};
use crate::defaults;
use crate::keys;
use crate::problems::Complaint;
use crate::reader::Reader;
use crate::section::{Answer, Section, Seen};
use crate::settings::{ClientAuth, Mqtt, Protocol, Settings, Synchronous};
use crate::values;
use crate::watchtower_section;
use crate::world::World;

/// Reads the sections over the defaults in `settings`.
pub(crate) fn read(reader: &mut Reader<'_>, world: &World, settings: &mut Settings) {
    mqtt(reader, world, &mut settings.mqtt);
    supervisor(reader, settings);
    let busy_timeout = database(reader, settings);
    spool(reader, settings);
    health(reader, settings);
    quarantine(reader, settings);
    metrics(reader, settings);
    watchtower_section::read(reader, world, &mut settings.watchtower);
    let log_file = log(reader, settings);
    let lock_file = instance(reader, settings);
    keep_apart(reader, settings, &log_file, &lock_file);
    if let Some(spot) = busy_timeout.spot()
        && settings.database.busy_timeout >= settings.supervisor.stuck_after
    {
        let text = "a writer that waits this long will be taken for stuck; \
                    keep it below supervisor.stuck_after";
        reader.warn(spot, text);
    }
}

fn mqtt(reader: &mut Reader<'_>, world: &World, mqtt: &mut Mqtt) {
    let defaults = mqtt.clone();
    let mut section = reader.section(&keys::MQTT);
    let url = section.take("url", address);
    let url_known = !url.is_bad();
    let from_url = url.good().map(|(address, spot)| {
        let Address { broker, username, password } = address;
        mqtt.url = broker;
        UrlCredentials { username, password, spot }
    });
    section.word("protocol", &mut mqtt.protocol);
    let client_id = section.text("client_id").store(&mut mqtt.client_id);
    section.whole("receive_maximum", &mut mqtt.receive_maximum);
    section.duration("keep_alive", &mut mqtt.keep_alive);
    section.duration("session_expiry", &mut mqtt.session_expiry);
    section.size("max_packet_size", &mut mqtt.max_packet_size);
    section.size("max_unacked", &mut mqtt.max_unacked);
    let low = section.duration("reconnect_min", &mut mqtt.reconnect_min);
    let high = section.duration("reconnect_max", &mut mqtt.reconnect_max);
    section.keep_order(
        ("reconnect_min", &low, mqtt.reconnect_min),
        ("reconnect_max", &high, mqtt.reconnect_max),
    );
    credentials::read(&mut section, from_url, &world.cwd, mqtt);
    certificates(&mut section, url_known, mqtt);
    section.flag("watch_drops", &mut mqtt.watch_drops);
    section.flag("echo", &mut mqtt.echo);
    section.duration("echo_interval", &mut mqtt.echo_interval);
    warn_of_unused(&mut section, &defaults, mqtt);
    if matches!(client_id, Seen::Unset) && world.hostname == "localhost" {
        let text = "mqtt.client_id: this host is named `localhost`, as others may be; \
                    two recorders with one client id throw each other out: write one of your own";
        section.reader.warn_of_default(text.to_owned());
    }
}

fn certificates(section: &mut Section<'_, '_>, url_known: bool, mqtt: &mut Mqtt) {
    let ca = section.path("ca_file").map(Some).store(&mut mqtt.ca_file);
    let (cert, key) = (section.path("client_cert"), section.path("client_key"));
    if url_known && !mqtt.url.tls {
        let spots = [ca.spot(), cert.spot(), key.spot()];
        for spot in spots.into_iter().flatten() {
            let why = "certificates are used only by a URL that begins with mqtts://";
            let advice = "write: url = \"mqtts://...\", or remove this line";
            section.reader.refuse(spot, Complaint::advise(why, advice));
        }
    }
    mqtt.client_auth = match (cert, key) {
        (Answer::Good(cert_file, _), Answer::Good(key_file, _)) => {
            Some(ClientAuth { cert_file, key_file })
        }
        (Answer::Good(_, spot), Answer::Unset) if section.reader.is_whole() => {
            let advice = "add: client_key = \"...\", the file with its private key";
            section.reader.refuse(&spot, Complaint::advise("a certificate needs its key", advice));
            None
        }
        (Answer::Unset, Answer::Good(_, spot)) if section.reader.is_whole() => {
            let advice = "add: client_cert = \"...\", the file with its certificate";
            section.reader.refuse(&spot, Complaint::advise("a key needs its certificate", advice));
            None
        }
        (Answer::Good(..) | Answer::Unset | Answer::Bad, _) => None,
    };
}

/// Settings that only MQTT 5 can say; the shipped file names them with their defaults, and is not warned about.
fn warn_of_unused(section: &mut Section<'_, '_>, defaults: &Mqtt, mqtt: &Mqtt) {
    if mqtt.protocol != Protocol::V311 {
        return;
    }
    let unused = [
        ("session_expiry", mqtt.session_expiry != defaults.session_expiry),
        ("receive_maximum", mqtt.receive_maximum != defaults.receive_maximum),
    ];
    for (name, _) in unused.into_iter().filter(|(_, changed)| *changed) {
        let text = format!("mqtt.{name}: has no effect with protocol = \"3.1.1\"");
        section.reader.warn_of_default(text);
    }
}

fn database(reader: &mut Reader<'_>, settings: &mut Settings) -> Seen {
    let database = &mut settings.database;
    let mut section = reader.section(&keys::DATABASE);
    let path = section.take("path", |value, key| {
        let path = values::path(value, key)?;
        let text = path.to_string_lossy();
        if text == ":memory:" || text.starts_with("file:") {
            let why = "a database must be a file with a plain path, or nothing would be kept";
            return Err(Complaint::write(why, key.example));
        }
        Ok(path)
    });
    path.store(&mut database.path);
    section.duration("commit_interval", &mut database.commit_interval);
    let synchronous = section.word("synchronous", &mut database.synchronous);
    if let Some(spot) = synchronous.spot()
        && database.synchronous == Synchronous::Normal
    {
        let text = "a power cut may take the last messages, also those the broker has been told \
                    are safe";
        section.reader.warn(spot, text);
    }
    let busy_timeout = section.duration("busy_timeout", &mut database.busy_timeout);
    settings.instance.lock_file = defaults::lock_beside(&database.path);
    settings.spool.dir = defaults::spool_beside(&database.path);
    busy_timeout
}

/// After [`database`]: its path decides where the spool is by default.
fn spool(reader: &mut Reader<'_>, settings: &mut Settings) {
    let spool = &mut settings.spool;
    let mut section = reader.section(&keys::SPOOL);
    section.path("dir").store(&mut spool.dir);
    section.size("max_size", &mut spool.max_size);
    section.size("min_free", &mut spool.min_free);
}

fn health(reader: &mut Reader<'_>, settings: &mut Settings) {
    let health = &mut settings.health;
    let mut section = reader.section(&keys::HEALTH);
    section.whole("max_write_failures", &mut health.max_write_failures);
    section.duration("no_write_issue_after", &mut health.no_write_issue_after);
    let low = section.duration("probe_min", &mut health.probe_min);
    let high = section.duration("probe_max", &mut health.probe_max);
    section
        .keep_order(("probe_min", &low, health.probe_min), ("probe_max", &high, health.probe_max));
    section.duration("check_interval", &mut health.check_interval);
    section.flag("clock_sync", &mut health.clock_sync);
}

fn quarantine(reader: &mut Reader<'_>, settings: &mut Settings) {
    let quarantine = &mut settings.quarantine;
    let mut section = reader.section(&keys::QUARANTINE);
    section.whole("max_rows", &mut quarantine.max_rows);
    section.duration("max_age", &mut quarantine.max_age);
}

fn supervisor(reader: &mut Reader<'_>, settings: &mut Settings) {
    let supervisor = &mut settings.supervisor;
    let mut section = reader.section(&keys::SUPERVISOR);
    let low = section.duration("backoff_min", &mut supervisor.backoff_min);
    let high = section.duration("backoff_max", &mut supervisor.backoff_max);
    section.keep_order(
        ("backoff_min", &low, supervisor.backoff_min),
        ("backoff_max", &high, supervisor.backoff_max),
    );
    section.whole("intensity", &mut supervisor.intensity);
    section.duration("intensity_period", &mut supervisor.intensity_period);
    section.duration("stable_after", &mut supervisor.stable_after);
    section.duration("stuck_after", &mut supervisor.stuck_after);
}

fn log(reader: &mut Reader<'_>, settings: &mut Settings) -> Seen {
    let log = &mut settings.log;
    let mut section = reader.section(&keys::LOG);
    section.word("level", &mut log.level);
    section.word("format", &mut log.format);
    section.duration("stats_interval", &mut log.stats_interval);
    section.whole("rotate_keep", &mut log.rotate_keep);
    let rotate = section.take("rotate_size", values::size).map(Some).store(&mut log.rotate_size);
    let file = section.path("file").map(Some).store(&mut log.file);
    if let (Some(spot), Seen::Unset) = (rotate.spot(), &file) {
        section.reader.warn(spot, "has no effect without log.file");
    }
    file
}

fn metrics(reader: &mut Reader<'_>, settings: &mut Settings) {
    let mut section = reader.section(&keys::METRICS);
    let listen = section.take("listen", |value, key| {
        let text = values::text(value, key)?;
        text.parse().map_err(|_| {
            let why =
                "an address of this machine and a port are wanted (0.0.0.0: on all addresses)";
            Complaint::write(why, key.example)
        })
    });
    listen.map(Some).store(&mut settings.metrics.listen);
}

/// After [`database`]: its path decides where the lock file is by default.
fn instance(reader: &mut Reader<'_>, settings: &mut Settings) -> Seen {
    let mut section = reader.section(&keys::INSTANCE);
    section.path("lock_file").store(&mut settings.instance.lock_file)
}

/// The log would be written into the database, or the lock would truncate it.
fn keep_apart(reader: &mut Reader<'_>, settings: &Settings, log: &Seen, lock: &Seen) {
    let database = &settings.database.path;
    let advice = || "write another path".to_owned();
    if let Some(spot) = log.spot()
        && settings.log.file.as_ref() == Some(database)
    {
        let why = "this is the database's own file";
        reader.refuse(spot, Complaint::advise(why, advice()));
    }
    if let Some(spot) = lock.spot() {
        let lock = Some(&settings.instance.lock_file);
        if lock == Some(database) || lock == settings.log.file.as_ref() {
            let why = "this file is the database or the log already";
            reader.refuse(spot, Complaint::advise(why, advice()));
        }
    }
}
