//! A run on its way: the broker, the network, the recorder, the disks, and the strikes that hit them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::broker::Broker;
use super::lives::{Change, Lives};
use super::lock::Lock;
use super::outages::{Outages, Until};
use super::plan::Plan;
use super::schedule::Schedule;
use super::strike::{ACTORS, Strike, Taking, Trouble};
use super::taken::TakenFiles;
use crate::support::database::Database;
use crate::support::disk::Disk;
use crate::support::folder::Folder;
use crate::support::needs::{Need, are_met};
use crate::support::packet_log::PacketLog;
use crate::support::proxy::Proxy;
use crate::support::settings::{LOAD, MAGNETIC, Settings};
use crate::support::wait;
use crate::support::wire::Wire;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(3);
/// What the proxy looks into: messages of the load.
const TOPICS: [&str; 2] = ["load/", "backacres/"];
/// Room of the database's disk besides what a minute of messages takes, in MiB.
const DISK_MIB: u64 = 64;
const DISK_MIB_A_MINUTE: u64 = 32;
const SPOOL_MIB: u64 = 192;

/// What the run did and saw, with the time in milliseconds since 1970.
pub(super) type Journal = Vec<(i64, String)>;

/// When a rival was let in, in milliseconds since 1970.
type RivalCame = i64;

/// Everything that a run consists of. Fields are dropped in order: processes before their disks.
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) broker: Broker,
    proxy: Proxy,
    pub(super) log: Arc<PacketLog>,
    pub(super) lives: Lives,
    pub(super) taken: TakenFiles,
    pub(super) database: Database,
    pub(super) outages: Outages,
    pub(super) journal: Journal,
    /// The strikes that have begun and not ended, with the place of the outage that ends with each.
    active: Vec<(Strike, Option<usize>)>,
    locks: BTreeMap<Duration, Lock>,
    /// The outage that each recorder's death began, until the next one starts.
    dead: Option<usize>,
    /// Outages that end with the first connection to the broker's next process.
    broker_away: Vec<usize>,
    rivals: (Sender<RivalCame>, Receiver<RivalCame>),
    /// Outages of processes that are frozen.
    frozen_recorder: Vec<usize>,
    frozen_broker: Vec<usize>,
    pub(super) disks: Option<[Disk; 2]>,
    pub(super) folder: Folder,
}

impl Stage {
    /// Starts a broker and a recorder that has subscribed.
    pub(super) fn set(plan: &Plan) -> Self {
        let folder = Folder::new();
        let minutes = plan.length.as_secs().div_ceil(60);
        let disks = are_met(&[Need::Mounts]).then(|| {
            let size = DISK_MIB + DISK_MIB_A_MINUTE * minutes;
            [Disk::tmpfs(&folder, "disk", size), Disk::tmpfs(&folder, "spare", SPOOL_MIB)]
        });
        let path =
            disks.as_ref().map_or_else(|| folder.path("data.db"), |it| it[0].path("data.db"));
        let spool = disks.as_ref().map_or_else(|| folder.path("spool"), |it| it[1].path("spool"));
        let broker = Broker::start(&folder, plan);
        let log = Arc::new(PacketLog::new(&TOPICS, plan.is_five));
        let proxy = Proxy::logging(broker.port(), Arc::clone(&log));
        let settings = Settings::new(&folder, proxy.port())
            .quick_to_heal()
            .path("database", "path", &path)
            .path("spool", "dir", &spool)
            .text("spool", "min_free", "1 MiB")
            .text("mqtt", "keep_alive", "5s")
            .text("mqtt", "protocol", if plan.is_five { "5" } else { "3.1.1" })
            // a schedule has more faults than bad luck has
            .set("supervisor", "intensity", "60")
            // `load/#` would overlap with the other route
            .routes(&format!("{}{MAGNETIC}", LOAD.replace("load/#", "load/+")));
        let mut stage = Self {
            plan: plan.clone(),
            broker,
            proxy,
            log,
            lives: Lives::new(plan.build.clone(), settings, &folder),
            taken: TakenFiles::new(path.clone()),
            database: Database::at(path),
            outages: Outages::default(),
            journal: Journal::new(),
            active: Vec::new(),
            locks: BTreeMap::new(),
            dead: None,
            broker_away: Vec::new(),
            rivals: channel(),
            frozen_recorder: Vec::new(),
            frozen_broker: Vec::new(),
            disks,
            folder,
        };
        let first = stage.lives.start(false);
        stage.note(format!("recorder {first} started"));
        stage.lives.all[first].recorder.event("broker_connected");
        stage.broker.has_subscriber("magneticfluxsensor/#");
        stage
    }

    /// Carries out a schedule, and returns when its last strike has ended.
    pub(super) fn play(&mut self, schedule: &Schedule) {
        let began = Instant::now();
        let mut coming = schedule.0.iter().peekable();
        while coming.peek().is_some() || !self.active.is_empty() {
            let now = began.elapsed();
            // Ends come first: what one strike needs another may have taken.
            while let Some(place) = self.active.iter().position(|(strike, _)| strike.end() <= now) {
                let (strike, outage) = self.active.remove(place);
                self.end(&strike, outage);
            }
            if let Some(strike) = coming.next_if(|strike| strike.at <= now) {
                let outage = self.begin(strike);
                self.active.push((*strike, outage));
                self.shape_network();
            }
            self.look();
        }
    }

    /// Goes on without strikes until this is true; whether it came true in time.
    pub(super) fn calm_until(&mut self, within: Duration, is_true: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + within;
        let mut asked = Instant::now();
        while Instant::now() < deadline {
            self.look();
            if asked.elapsed() > Duration::from_millis(200) {
                asked = Instant::now();
                if is_true(self) {
                    return true;
                }
            }
        }
        is_true(self)
    }

    /// A folder with copies of all files beside the database, made at the first call: to open one may change it.
    pub(super) fn copied_databases(&self) -> PathBuf {
        let copies = self.folder.path("copies");
        if !copies.exists() {
            let home = self.database.path().parent().expect("a file is in a folder");
            Folder::copy(home, &copies);
        }
        copies
    }

    pub(super) fn note(&mut self, what: impl Into<String>) {
        self.journal.push((wait::now_ms(), what.into()));
    }

    /// What goes on by itself: processes end and are started.
    fn look(&mut self) {
        if self.broker.is_started() {
            let after = self.proxy.connections();
            for place in self.broker_away.drain(..).chain(self.frozen_broker.drain(..)) {
                self.outages.ends(place, Until::Accepted { after });
            }
            self.note("broker started");
        }
        let connections = self.proxy.connections();
        for change in self.lives.look() {
            match change {
                Change::Ended(number) => self.recorder_ended(number),
                Change::Started(number) => self.recorder_started(number, connections),
            }
        }
        while let Ok(from) = self.rivals.1.try_recv() {
            let until = Until::AcceptedSince { from };
            self.outages.begins(from, until, "a rival has the client id");
        }
        thread::sleep(TICK); // between two looks
    }

    fn recorder_ended(&mut self, number: usize) {
        let (at, status) = self.lives.all[number].ended.expect("it has ended");
        self.note(format!("recorder {number} ended: {status}"));
        if let Some(successor) = self.lives.current() {
            // it was replaced: the other process runs already
            let after = self.lives.all[successor].connections_before;
            self.outages.begins(at, Until::Accepted { after }, "the recorder was replaced");
        } else if self.dead.is_none() {
            self.end_freezes(at);
            self.dead = Some(self.outages.begins(at, Until::Open, "no recorder runs"));
        }
    }

    /// `after`: the proxy's newest connection before that.
    fn recorder_started(&mut self, number: usize, after: u32) {
        self.lives.all[number].connections_before = after;
        self.end_freezes(wait::now_ms());
        if let Some(place) = self.dead.take() {
            self.outages.ends(place, Until::Accepted { after });
        }
        self.note(format!("recorder {number} started"));
    }

    /// The recorders that were frozen are dead, or there was none.
    fn end_freezes(&mut self, at: i64) {
        for place in self.frozen_recorder.drain(..) {
            self.outages.ends(place, Until::Time(at));
        }
    }

    /// Begins a strike; gives the outage that ends with it.
    fn begin(&mut self, strike: &Strike) -> Option<usize> {
        let now = wait::now_ms();
        let Strike { lasts, trouble, .. } = *strike;
        self.note(format!("begin {trouble} for {} ms", lasts.as_millis()));
        match trouble {
            Trouble::KillRecorder => self.lives.kill(),
            Trouble::StopRecorder => self.lives.stop(),
            Trouble::FreezeRecorder => {
                self.lives.freeze();
                let place = self.outages.begins(now, Until::Open, "the recorder is frozen");
                self.frozen_recorder.push(place);
                return Some(place);
            }
            Trouble::TakeOver => self.take_over(),
            Trouble::Rival => self.rival(lasts),
            Trouble::Reload(setting) => {
                let done = self.lives.reload(setting);
                self.skip_unless(done);
            }
            Trouble::Panic(actor) => {
                let done = self.lives.inject(format!("panic {}", ACTORS[actor]));
                self.skip_unless(done);
            }
            Trouble::Hang(actor) => {
                let command = format!("hang {} {}ms", ACTORS[actor], lasts.as_millis());
                let done = self.lives.inject(command);
                self.skip_unless(done);
            }
            Trouble::Lock => drop(self.locks.insert(strike.at, Lock::of(&self.database))),
            Trouble::StopBroker | Trouble::KillBroker => self.broker_goes(trouble),
            Trouble::FreezeBroker => {
                self.broker.freeze();
                let place = self.outages.begins(now, Until::Open, "the broker is frozen");
                self.frozen_broker.push(place);
                return Some(place);
            }
            Trouble::Cut | Trouble::Refuse => self.cut(),
            Trouble::HalfOpen { up, down } => self.half_open(up, down),
            Trouble::Stall => {
                return Some(self.outages.begins(now, Until::Open, "the network stands still"));
            }
            Trouble::Take(how) => self.take(how),
            Trouble::FullDisk => self.disks.iter().for_each(|disks| disks[0].fill()),
            Trouble::FullSpool => self.disks.iter().for_each(|disks| disks[1].fill()),
            Trouble::Delay(_) | Trouble::Slow(_) => {}
        }
        None
    }

    /// Ends a strike.
    fn end(&mut self, strike: &Strike, outage: Option<usize>) {
        let trouble = strike.trouble;
        let mut until = Until::Heard { from: wait::now_ms() };
        match trouble {
            Trouble::KillRecorder | Trouble::StopRecorder => self.lives.come_back(),
            Trouble::Take(Taking { while_dead: true, .. }) => self.lives.come_back(),
            Trouble::FreezeRecorder => {
                self.lives.thaw();
                until = Until::Time(wait::now_ms());
            }
            Trouble::Lock => drop(self.locks.remove(&strike.at)),
            Trouble::StopBroker | Trouble::KillBroker => self.broker.come_back(),
            Trouble::FreezeBroker => self.broker.thaw(),
            Trouble::FullDisk | Trouble::FullSpool => self.make_room(trouble),
            Trouble::Delay(_) | Trouble::Slow(_) | Trouble::Refuse | Trouble::Stall => {
                self.shape_network();
            }
            Trouble::TakeOver
            | Trouble::Rival
            | Trouble::Reload(_)
            | Trouble::Panic(_)
            | Trouble::Hang(_)
            | Trouble::Cut
            | Trouble::HalfOpen { .. }
            | Trouble::Take(_) => {}
        }
        if let Some(place) = outage.filter(|place| self.is_open(strike.trouble, *place)) {
            self.outages.ends(place, until);
        }
        if !strike.lasts.is_zero() {
            self.note(format!("end {trouble}"));
        }
    }

    /// A freeze ends with the process that is frozen.
    fn is_open(&mut self, trouble: Trouble, place: usize) -> bool {
        let frozen = if trouble == Trouble::FreezeRecorder {
            &mut self.frozen_recorder
        } else if trouble == Trouble::FreezeBroker {
            &mut self.frozen_broker
        } else {
            return true;
        };
        let is_open = frozen.contains(&place);
        frozen.retain(|it| *it != place);
        is_open
    }

    /// The network is as bad as the worst of the strikes on it.
    fn shape_network(&mut self) {
        let (mut delay, mut rate, mut refuses, mut stalls) = (0, u32::MAX, false, false);
        for (Strike { trouble, .. }, _) in &self.active {
            if let Trouble::Delay(ms) = trouble {
                delay = delay.max(*ms);
            }
            if let Trouble::Slow(bytes) = trouble {
                rate = rate.min(*bytes);
            }
            refuses |= *trouble == Trouble::Refuse;
            stalls |= *trouble == Trouble::Stall;
        }
        self.proxy.delay(Duration::from_millis(delay.into()));
        self.proxy.slow_down(if rate == u32::MAX { 0 } else { rate as usize });
        self.proxy.refuse(refuses);
        self.proxy.stall(stalls);
    }

    fn skip_unless(&mut self, done: bool) {
        if !done {
            self.note("(no recorder to do it to)");
        }
    }

    fn take_over(&mut self) {
        let connections = self.proxy.connections();
        let started = self.lives.take_over();
        if let Some(number) = started {
            self.recorder_started(number, connections);
        }
        self.skip_unless(started.is_some());
    }

    /// A client that says nothing; the recorder's next connection throws it out. The session stays at the broker.
    fn rival(&self, lasts: Duration) {
        let (port, told) = (self.broker.port(), self.rivals.0.clone());
        thread::spawn(move || {
            if let Ok(mut wire) = Wire::connect_to_stay(port, "recorder") {
                let _ = told.send(wait::now_ms());
                let end = Instant::now() + lasts;
                while Instant::now() < end && wire.receive(Duration::from_millis(100)).is_ok() {}
            }
        });
    }

    fn broker_goes(&mut self, trouble: Trouble) {
        if trouble == Trouble::KillBroker {
            self.broker.kill()
        } else {
            self.broker.stop()
        }
        let place = self.outages.begins(wait::now_ms(), Until::Open, "the broker is away");
        self.broker_away.push(place);
    }

    fn cut(&mut self) {
        let (now, after) = (wait::now_ms(), self.proxy.connections());
        self.proxy.cut();
        self.outages.begins(now, Until::Accepted { after }, "the connection was cut");
    }

    fn half_open(&mut self, up: bool, down: bool) {
        let now = wait::now_ms();
        let affected = self.proxy.half_open(up, down);
        let latest = affected.into_iter().max().unwrap_or(0);
        let is_accepted = self.log.entries().iter().any(|entry| {
            entry.connection == latest && entry.is_acceptance() && entry.is_delivered()
        });
        if latest == self.proxy.connections() && is_accepted {
            let until = Until::Accepted { after: latest };
            let place = self.outages.begins(now, until, "the connection is half open");
            self.outages.0[place].last_on = (up && !down).then_some(latest);
        }
    }

    fn take(&mut self, how: Taking) {
        let life = self.lives.current();
        if how.while_dead {
            self.lives.kill();
        }
        let done = self.taken.take(how, life.filter(|_| !how.while_dead));
        if !done {
            self.note("(there is no database)");
        }
    }

    fn make_room(&mut self, trouble: Trouble) {
        let is_wanted = self.active.iter().any(|(strike, _)| strike.trouble == trouble);
        let place = usize::from(trouble == Trouble::FullSpool);
        if !is_wanted && let Some(disks) = &self.disks {
            disks[place].make_room();
        }
    }
}
