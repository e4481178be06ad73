//! What the recorder promises, tested on the real tree with fake ports and paused time.

/// An issue is told, once, whoever dies; a channel that fails is told by another.
mod alerts;
/// The broker's proof that it took what we acknowledged is asked for rarely, and soon enough.
mod barriers;
/// How the line to the broker is made again, and how little is said about it.
mod connection;
/// A stretch in which nothing can be recorded is noted, and no sign of life is written before the note.
mod gaps;
/// Our own echo disturbs nothing, and a connection that delivers nothing is renewed.
mod hearing;
/// Database and spool fail, alone and together; the mode says so, and recovery comes by itself.
mod modes;
/// A pause loses nothing, and lasts until it is ended.
mod pausing;
/// What others publish through the session is told of, and last words are said again.
mod publishing;
/// Other routes take over without another connection, whoever dies over it.
mod rerouting;
/// One actor dies, the others live on; too many deaths end the process.
mod restarts;
/// Whatever dies and fails, in whatever order: nothing is lost and nothing is stored twice.
mod schedules;
/// Starts in order, stops in reverse, each within its time.
mod stopping;
/// What is in memory is bounded, and retained messages are recorded once.
mod window;
/// A database that cannot be written is waited for, and nothing is acknowledged meanwhile.
mod writing;
