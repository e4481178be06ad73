//! Reloads the settings: the file is read anew with the flags and the environment of the start. One that
//! is wrong changes nothing; of one that is right only what is different takes effect.
//!
//! What changes how:
//!
//! - in place: the log, the supervisor's limits, `database.commit_interval`;
//! - by another life of the actor concerned, which begins with the settings of its time ([`InForce`]);
//! - derived values at once, where nothing else of the routes changes: the data path does not know them;
//! - routes by [`Routing`], on the connection that there is, as soon as nothing of the old ones is under way;
//! - at the next start only: which files are the database, the spool and the lock.
//!
//! One thread does it all, one reload after the other.

mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use actix::Addr;
use barograph_actors::message::children::{HEALTH, STATS};
use barograph_actors::message::event;
use barograph_actors::message::route::derive;
use barograph_actors::message::routing::{Rerouted, Routing};
use barograph_actors::status::Published;
use barograph_actors::status::settings::InForce;
use barograph_actors::supervisor::{Adjust, Policy, Renew, Supervisor};
use barograph_config::{Difference, Overrides, Part, Route, Settings, World, differences, load};
use tracing::{error, info, warn};

use crate::client_id;
use crate::os::paths::real_path;
use crate::os::{logging, systemd, world};
use plan::{ReloadPlan, keep_what_cannot_change};

/// Requests that may wait; a reload that is asked for again while it waits is one.
const ORDERS_MAX: usize = 64;

/// Routes that take longer than this to change are said to wait.
const ROUTES_WITHIN: Duration = Duration::from_secs(10);

/// Where the settings come from.
#[derive(Debug, Clone)]
pub struct SettingsSource {
    /// The process's environment at its start.
    pub world: World,
    /// Its flags.
    pub overrides: Overrides,
}

/// A part outside the tree that uses the settings, and is told of changes.
pub type ReloadListener = Box<dyn FnMut(&[Part], &Arc<Settings>) + Send>;

/// What a reload works on.
pub struct ReloadParts {
    /// Where the settings come from.
    pub source: SettingsSource,
    /// The settings in force.
    pub in_force: InForce,
    /// The routes in force.
    pub routing: Routing,
    /// What everyone may see.
    pub published: Published,
    /// Renews actors.
    pub supervisor: Addr<Supervisor>,
    /// Told after each reload what has changed, also that nothing has: a file that is named may be another.
    pub listeners: Vec<ReloadListener>,
}

enum ReloadOrder {
    /// Reload.
    Reload,
    /// What became of the routes of the reload of this number.
    Rerouted(u64, Rerouted),
}

/// Where a reload is asked for. Clones share it.
#[derive(Debug, Clone)]
pub struct Reload {
    orders: SyncSender<ReloadOrder>,
    /// One asked for by a signal waits: it reads the file as it is then, so one is enough.
    waits: Arc<AtomicBool>,
}

impl Reload {
    /// Asks for a reload, and waits for nothing.
    pub fn ask(&self) {
        if !self.waits.swap(true, Ordering::AcqRel)
            && self.orders.try_send(ReloadOrder::Reload).is_err()
        {
            self.waits.store(false, Ordering::Release);
        }
    }
}

/// Starts the thread that reloads.
///
/// # Errors
/// No thread can be started.
pub fn start(parts: ReloadParts) -> std::io::Result<Reload> {
    let (orders, queue) = sync_channel(ORDERS_MAX);
    let reload = Reload { orders, waits: Arc::new(AtomicBool::new(false)) };
    let reloader = Reloader { parts, reload: reload.clone(), number: 0, routes: None };
    thread::Builder::new().name("reload".to_owned()).spawn(move || reloader.run(&queue))?;
    Ok(reload)
}

struct Reloader {
    parts: ReloadParts,
    reload: Reload,
    /// Counts the changes of routes.
    number: u64,
    routes: Option<Pending>,
}

/// Routes that are to change.
struct Pending {
    wanted: Vec<Route>,
    lines: Vec<String>,
    /// When to say that they wait; `None`: it was said.
    say_at: Option<Instant>,
}

impl Reloader {
    fn run(mut self, queue: &Receiver<ReloadOrder>) {
        loop {
            let say_at = self.routes.as_ref().and_then(|pending| pending.say_at);
            let order = match say_at {
                Some(at) => queue.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(ReloadOrder::Reload) => {
                    self.reload.waits.store(false, Ordering::Release);
                    self.reload();
                }
                Ok(ReloadOrder::Rerouted(number, outcome)) if number == self.number => {
                    self.on_rerouted(outcome);
                }
                Ok(ReloadOrder::Rerouted(..)) => {}
                Err(RecvTimeoutError::Timeout) => self.say_that_routes_wait(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.routes.as_ref().is_none_or(|pending| pending.say_at.is_none()) {
                systemd::reloaded();
            }
        }
    }

    fn reload(&mut self) {
        systemd::reloading();
        let SettingsSource { world, overrides } = &self.parts.source;
        match load(world, overrides) {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    warn!("{warning}");
                }
                self.parts.published.unsettled.update(|unsettled| unsettled.invalid = None);
                self.apply(loaded.settings, loaded.client_id_is_set)
            }
            Err(problems) => {
                let problems = problems.to_string();
                error!(
                    event = event::RELOAD_FAILED,
                    "the settings cannot be used, and nothing has changed: {problems}"
                );
                let now = world::now();
                self.parts.published.note(event::RELOAD_FAILED, now, problems.clone());
                self.parts.published.unsettled.update(|unsettled| {
                    let since = unsettled.invalid.take().map_or(now, |(since, _)| since);
                    unsettled.invalid = Some((since, problems));
                });
            }
        }
    }

    fn apply(&mut self, mut new: Settings, client_id_is_set: bool) {
        let old = self.parts.in_force.now();
        client_id::follow(&old, &mut new, client_id_is_set, &self.parts.published);
        if let Ok(path) = real_path(&new.database.path) {
            new.database.path = path;
        }
        let different = differences(&old, &new);
        let at_next_start = keep_what_cannot_change(&old, &mut new, &different);
        let (of_routes, others) = plan::apart(&different);
        let mut lines: Vec<String> = at_next_start.clone();
        let now_in_force = |d: &&Difference| !plan::is_for_next_start(d.part);
        lines.extend(others.iter().copied().filter(now_in_force).map(Difference::to_string));
        let mut refused = Vec::new();
        if let Err(error) = logging::change(&old.log, &new.log) {
            new.log = barograph_config::Log { level: new.log.level, ..old.log.clone() };
            refused.push(error.to_string());
        }
        let wanted = std::mem::replace(&mut new.routes, old.routes.clone());
        if of_routes.is_empty() {
            derive(&mut new.routes, &wanted);
        }
        self.parts.in_force.set(new);
        self.say(&lines, &refused, different.is_empty());
        self.parts.published.unsettled.update(|unsettled| {
            unsettled.at_next_start = at_next_start;
            unsettled.refused = refused;
        });
        self.put_in_force(&old, &others);
        self.reroute(wanted, &of_routes);
    }

    fn say(&self, lines: &[String], refused: &[String], nothing: bool) {
        for line in lines {
            info!(event = event::RELOADED, "{line}");
        }
        for message in refused {
            error!(event = event::RELOAD_FAILED, "{message}; all else is in force");
            self.parts.published.note(event::RELOAD_FAILED, world::now(), message.clone());
        }
        if nothing {
            info!(event = event::RELOADED, "the settings were read again: nothing has changed");
        }
        if !lines.is_empty() {
            self.parts.published.note(event::RELOADED, world::now(), lines.join("; "));
        }
    }

    /// Renews whom it concerns.
    fn put_in_force(&mut self, old: &Settings, different: &[&Difference]) {
        let settings = self.parts.in_force.now();
        let plan = ReloadPlan::of(old, &settings, different);
        if plan.supervisor {
            self.parts.supervisor.do_send(Adjust {
                policy: Policy::from(&settings.supervisor),
                stuck_after: settings.supervisor.stuck_after,
            });
        }
        for child in plan.renew {
            self.renew(child);
        }
        for listener in &mut self.parts.listeners {
            listener(&plan.parts, &settings);
        }
    }

    fn renew(&self, child: &str) {
        let why = "its settings have changed".to_owned();
        self.parts.supervisor.do_send(Renew { child: child.to_owned(), why });
    }

    /// Asks for other routes, or for none any more.
    fn reroute(&mut self, wanted: Vec<Route>, different: &[&Difference]) {
        if different.is_empty() {
            if self.routes.take().is_some() {
                self.parts.routing.want_no_change();
                self.parts.published.unsettled.update(|unsettled| unsettled.routes_wait = None);
            }
            return;
        }
        self.number += 1;
        let (number, orders) = (self.number, self.reload.orders.clone());
        let say_at = Some(Instant::now() + ROUTES_WITHIN);
        let lines = different.iter().map(|difference| difference.to_string()).collect();
        self.routes = Some(Pending { wanted: wanted.clone(), lines, say_at });
        self.parts.routing.want(&wanted, move |outcome| {
            // This must not block. What does not fit is found by the next reload.
            let _unheard = orders.try_send(ReloadOrder::Rerouted(number, outcome));
        });
    }

    fn on_rerouted(&mut self, outcome: Rerouted) {
        let Some(Pending { wanted, lines, .. }) = self.routes.take() else { return };
        self.parts.published.unsettled.update(|unsettled| unsettled.routes_wait = None);
        match outcome {
            Rerouted::Done => {
                let mut settings = Settings::clone(&self.parts.in_force.now());
                settings.routes = wanted;
                self.parts.in_force.set(settings);
                self.say(&lines, &[], false);
                for child in [HEALTH, STATS] {
                    self.renew(child);
                }
            }
            Rerouted::Refused(why) => {
                let message = format!("the old routes stay in force: {why}");
                self.say(&[], std::slice::from_ref(&message), false);
                self.parts.published.unsettled.update(|unsettled| unsettled.refused.push(message));
            }
            Rerouted::Superseded => {}
        }
    }

    fn say_that_routes_wait(&mut self) {
        let Some(pending) = &mut self.routes else { return };
        pending.say_at = None;
        let now = world::now();
        let message = "the new routes wait until all messages of the old ones are durable; until \
             then the old ones stay in force";
        warn!(event = event::RELOAD_WAITS, "{message}");
        self.parts.published.note(event::RELOAD_WAITS, now, message);
        self.parts.published.unsettled.update(|unsettled| unsettled.routes_wait = Some(now));
    }
}
