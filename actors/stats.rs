//! `StatsActor`: counts. Every `stats_interval` it says in one line how long, how much, how fast.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use tokio::time::Instant;
use tracing::info;

use crate::account::{Account, RouteId, Sums};
use crate::db_writer::{WriteFailed, WriteSucceeded};
use crate::event;
use crate::published::Published;
use crate::rates::Recent;
use crate::route::Router;
use crate::supervise::{Fault, Lifeline, Stop};

/// Period of the sign of life.
const TICK: Duration = Duration::from_millis(500);

/// What the counting needs.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The routes, for their names.
    pub router: Arc<Router>,
    /// What everyone may see.
    pub published: Published,
    /// Period of the line.
    pub interval: Duration,
    /// When the process began.
    pub began: Instant,
}

/// Counts, and says so.
#[derive(Debug)]
pub struct StatsActor {
    setup: Setup,
    /// Of the period since the last line.
    period: Period,
    recent: Recent,
    commits: u64,
    lifeline: Lifeline,
}

/// What is counted from line to line.
#[derive(Debug)]
struct Period {
    began: Instant,
    received_before: u64,
    commits: u64,
    failures: u64,
    slowest: Duration,
}

impl Period {
    fn begin(received_before: u64) -> Self {
        Self {
            began: Instant::now(),
            received_before,
            commits: 0,
            failures: 0,
            slowest: Duration::ZERO,
        }
    }
}

impl StatsActor {
    /// A new life. The totals are in published state; only the current period begins anew.
    pub fn new(setup: Setup, lifeline: Lifeline) -> Self {
        let received = setup.published.snapshot().received;
        Self {
            setup,
            period: Period::begin(received),
            recent: Recent::default(),
            commits: 0,
            lifeline,
        }
    }

    /// The rates of late, for whoever looks.
    fn look(&mut self) {
        let published = &self.setup.published;
        let rates = self.recent.look(Instant::now(), published.received(), self.commits);
        if let Some(rates) = rates {
            published.update(|state| state.rates = rates);
        }
    }

    fn say(&mut self) {
        let state = self.setup.published.snapshot();
        let account = state.account();
        let Account { received, sums, spooled, held } = account;
        let Sums { stored, duplicate, quarantined, dropped } = sums;
        let uptime =
            humantime::format_duration(Duration::from_secs(self.setup.began.elapsed().as_secs()));
        let seconds = self.period.began.elapsed().as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = (state.received.saturating_sub(self.period.received_before)) as f64 / seconds;
        let restarts: u32 = state.children.values().map(|child| child.restarts).sum();
        let last_commit =
            state.last_commit.map_or_else(|| "never".to_owned(), |at| format!("{at} UTC"));
        let routes = self.routes(&state.tally);
        info!(
            event = event::STATS,
            uptime = %uptime,
            received,
            stored,
            duplicate,
            quarantined,
            spooled,
            held,
            dropped,
            mode = state.mode.word(),
            broker_dropped = state.broker_dropped,
            rate = format!("{rate:.1}/s"),
            last_commit,
            restarts,
            commits = self.period.commits,
            failed_writes = self.period.failures,
            slowest_commit_ms = u64::try_from(self.period.slowest.as_millis()).unwrap_or(u64::MAX),
            routes,
            "up {uptime}, {account}",
        );
        self.period = Period::begin(state.received);
    }

    /// `weather_data 1200, magnetic_flux_data 1199`: rows stored by route.
    fn routes(&self, tally: &crate::account::Tally) -> String {
        let of = |(index, route): (usize, &barograph_config::Route)| {
            let id = RouteId(u16::try_from(index).ok());
            format!("{} {}", route.table, tally.sums_of(id).stored)
        };
        self.setup.router.routes().iter().enumerate().map(of).collect::<Vec<_>>().join(", ")
    }
}

impl Actor for StatsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |stats, _| {
            stats.lifeline.pulse().beat();
            stats.look();
        });
        ctx.run_interval(self.setup.interval, |stats, _| stats.say());
        self.lifeline.ready();
    }
}

impl Handler<WriteSucceeded> for StatsActor {
    type Result = ();

    fn handle(&mut self, written: WriteSucceeded, _: &mut Context<Self>) {
        self.commits += 1;
        self.period.commits += 1;
        self.period.slowest = self.period.slowest.max(written.took);
    }
}

impl Handler<WriteFailed> for StatsActor {
    type Result = ();

    fn handle(&mut self, _: WriteFailed, _: &mut Context<Self>) {
        self.period.failures += 1;
    }
}

impl Handler<Stop> for StatsActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<Fault> for StatsActor {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}
