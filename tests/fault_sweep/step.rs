//! One step of a sweep: a recorder is struck while it records, and the next one must find everything.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fmt, fs, iter};

use super::Sweep;
use crate::support::database::Database;
use crate::support::folder::Folder;
use crate::support::locker::Locker;
use crate::support::mosquitto::Mosquitto;
use crate::support::publisher::Published;
use crate::support::recorder::{Build, Recorder, STOP_MAX, program_with};
use crate::support::settings::{LOAD, Settings};
use crate::support::strace::{Strike, Trace};
use crate::support::wait;
use crate::support::wire::{Packet, Wire};

/// So many bursts of so many messages: each is a batch of its own.
const BURSTS: u16 = 3;
const BURST: u16 = 4;
/// How long a recorder may take for a burst that nothing holds up for good.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one is given that can probably write no more.
const LAST_CHANCE: Duration = Duration::from_millis(120);

/// What is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// A recorder of a database that is there.
    Recording,
    /// A recorder that must make its database first.
    Creation,
    /// A recorder whose database is locked while the messages come, and free while the spool is drained. Calls on the
    /// files of both count and fail.
    Spooling,
}

/// What a sweep found.
#[derive(Debug)]
pub(super) struct Violation {
    sweep: Sweep,
    strike: Strike,
    /// Messages that the recorder acknowledged and does not have.
    pub(super) lost: usize,
    what: String,
    /// What the struck recorder said.
    pub(super) log: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}: {}", self.sweep, self.strike, self.what)
    }
}

/// One fault at one place.
pub(super) struct Step<'a> {
    build: &'a Build,
    broker: &'a Mosquitto,
    sweep: Sweep,
    strike: Strike,
    name: String,
    folder: PathBuf,
    settings: Settings,
    database: Database,
}

impl<'a> Step<'a> {
    /// Everything of its own, below the sweep's folder.
    pub(super) fn new(
        build: &'a Build,
        folder: &Folder,
        broker: &'a Mosquitto,
        sweep: Sweep,
        strike: Strike,
    ) -> Self {
        let name = format!("{}-{}", strike.syscall, strike.nth);
        let home = folder.path(&name);
        fs::create_dir(&home).expect("our own folder");
        let settings = Settings::new(folder, broker.port())
            .text("mqtt", "client_id", &name)
            .path("database", "path", &home.join("data.db"))
            .routes(&LOAD.replace("load/#", &format!("{name}/#")))
            .file(home.join("barograph.toml"));
        let settings = match sweep.ground {
            Ground::Recording | Ground::Creation => settings,
            Ground::Spooling => settings.quick_to_heal().set("health", "max_write_failures", "1"),
        };
        let database = Database::at(home.join("data.db"));
        Self { build, broker, sweep, strike, name, folder: home, settings, database }
    }

    /// Whether the fault struck at all; or what it did that it must not.
    pub(super) fn run(self, wire: &mut Wire) -> Result<bool, Violation> {
        match self.sweep.ground {
            Ground::Recording | Ground::Spooling => self.start_and_stop(),
            Ground::Creation => self.open_session(),
        }
        let (struck, log) = self.record_while_struck(wire)?;
        self.judge(wire, log)?;
        fs::remove_dir_all(&self.folder).expect("our own folder");
        Ok(struck)
    }

    /// Makes database and session.
    fn start_and_stop(&self) {
        let from = self.broker.logged();
        let mut recorder = Recorder::spawn(program_with(self.build, "run", &self.settings));
        let granted = format!("Sending SUBACK to {}", self.name);
        wait::until_true("a subscription", PATIENCE, || {
            self.broker.count_lines(from, |line| line.ends_with(&granted)) > 0
        });
        recorder.stop();
    }

    /// Makes the session only: the broker keeps the messages for a recorder that may never come.
    fn open_session(&self) {
        let mut wire = Wire::connect_to_stay(self.broker.port(), &self.name).expect("it listens");
        wire.put_subscribe(&format!("{}/#", self.name), 2);
        wire.send().expect("the broker listens");
        assert_eq!(wire.receive(PATIENCE).expect("it answers"), Some(Packet::SubAck(vec![2])));
    }

    /// Publishes to a recorder that is struck, and ends it; it may also have ended by itself.
    fn record_while_struck(&self, wire: &mut Wire) -> Result<(bool, String), Violation> {
        let trace = Trace(self.folder.join("trace"));
        let program = program_with(self.build, "run", &self.settings);
        let lock = (self.sweep.ground == Ground::Spooling).then(|| Locker::hold(&self.database));
        let mut recorder = Recorder::spawn(self.strike.on(&program, &self.files(), &trace));
        let from = self.broker.logged();
        for burst in 0..BURSTS {
            self.publish(wire, burst * BURST..(burst + 1) * BURST);
            if !self.is_acknowledged(from, (burst + 1) * BURST, &mut recorder, &trace) {
                let what = "what passed once is not got over".to_owned();
                return Err(self.violation(0, what, recorder.log()));
            }
        }
        if let Some(lock) = lock {
            lock.release();
            if !self.is_drained(&mut recorder, &trace) {
                let what = "what passed once keeps the spool from being drained".to_owned();
                return Err(self.violation(0, what, recorder.log()));
            }
        }
        recorder.terminate();
        let hopeless = self.strike.for_good && trace.has_struck();
        let patience = if hopeless { LAST_CHANCE } else { STOP_MAX };
        let ended = wait::comes_true(patience, || !recorder.process.is_running());
        let struck = trace.has_struck();
        assert!(ended || struck, "a stop that nothing disturbs is in time:\n{}", recorder.log());
        recorder.kill();
        Ok((struck, recorder.log()))
    }

    /// Everything that the recorder writes to, but its log.
    fn files(&self) -> Vec<PathBuf> {
        let files = |stem: &str| {
            ["", "-wal", "-shm", "-journal"].map(|end| self.folder.join(format!("{stem}{end}")))
        };
        let mut struck = files("data.db").to_vec();
        if self.sweep.ground == Ground::Spooling {
            struck.extend(files("spool/data.db.spool"));
        }
        struck
    }

    /// Waits until the spool is drained, as long as that can be hoped for; `false` when it should be.
    fn is_drained(&self, recorder: &mut Recorder, trace: &Trace) -> bool {
        let began = Instant::now();
        wait::comes_true(PATIENCE, || {
            !recorder.events("spool_drained").is_empty()
                || !recorder.process.is_running()
                || (self.strike.for_good && began.elapsed() > LAST_CHANCE * 3 && trace.has_struck())
        })
    }

    fn publish(&self, wire: &mut Wire, numbers: impl Iterator<Item = u16>) {
        let topic = format!("{}/n", self.name);
        let mut unanswered = BTreeSet::new();
        for n in numbers {
            let payload = format!(r#"{{"n":{n}}}"#);
            wire.put_publish(&topic, payload.as_bytes(), self.sweep.qos, false, n + 1);
            unanswered.insert(n + 1);
        }
        while !unanswered.is_empty() {
            wire.send().expect("the broker listens");
            match wire.receive(PATIENCE).expect("the broker answers").expect("in time") {
                Packet::PubAck(id) | Packet::PubComp(id) => drop(unanswered.remove(&id)),
                Packet::PubRec(id) => wire.put_pubrel(id),
                odd @ (Packet::ConnAck { .. }
                | Packet::Publish { .. }
                | Packet::SubAck(_)
                | Packet::Other) => panic!("an odd answer: {odd:?}"),
            }
        }
    }

    /// Waits until the broker was acknowledged so many messages, as long as that can be hoped for; `false` when it should
    /// have been.
    fn is_acknowledged(
        &self,
        from: usize,
        count: u16,
        recorder: &mut Recorder,
        trace: &Trace,
    ) -> bool {
        let word = if self.sweep.qos == 2 { "PUBREC" } else { "PUBACK" };
        let line = format!("Received {word} from {} (", self.name);
        let began = Instant::now();
        wait::comes_true(PATIENCE, || {
            let acknowledged = self.broker.count_lines(from, |said| said.contains(&line));
            acknowledged >= usize::from(count)
                || !recorder.process.is_running()
                || (self.strike.for_good && began.elapsed() > LAST_CHANCE && trace.has_struck())
        })
    }

    /// A recorder that nothing strikes takes over. The broker delivers in order: once the message that comes last is
    /// there, whatever is not there is lost.
    fn judge(&self, wire: &mut Wire, log: String) -> Result<(), Violation> {
        let last = BURSTS * BURST;
        self.publish(wire, iter::once(last));
        let mut recorder = Recorder::spawn(program_with(self.build, "run", &self.settings));
        let marker = format!("load WHERE n = {last}");
        if !wait::comes_true(STOP_MAX, || self.database.count(&marker) > 0) {
            let what = format!("the next one does not go on:\n{}", recorder.log());
            return Err(self.violation(0, what, log));
        }
        recorder.stop();
        let published = Published { first: 0, next: i64::from(last) + 1, ..Default::default() };
        let found = self.database.compare("load", &published);
        if !found.is_exact() {
            return Err(self.violation(found.lost.len(), found.to_string(), log));
        }
        match self.database.checked_account(&["load"]) {
            Ok(_) => Ok(()),
            Err(wrong) => Err(self.violation(0, wrong, log)),
        }
    }

    fn violation(&self, lost: usize, what: String, log: String) -> Violation {
        Violation { sweep: self.sweep, strike: self.strike.clone(), lost, what, log }
    }
}
