//! `StatsActor`: rates and periods of what data path and writer count. Every `stats_interval` it says in one line how long, how much, how fast, and
//! leaves the counts as a note, which becomes a row of `barograph_stats`.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use tokio::time::Instant;
use tracing::info;

use crate::message::account::{Account, RouteId, Sums, Tally};
use crate::message::event;
use crate::message::note::{Note, Stats};
use crate::message::route::Router;
use crate::ports::Environment;
use crate::status::measures::{LOOK_EVERY, Totals};
use crate::status::{Published, Snapshot};
use crate::supervisor::{Fault, Lifeline, Stop};

/// Period of the sign of life.
const TICK: Duration = Duration::from_millis(500);

/// What the counting needs.
#[derive(Debug, Clone)]
pub struct StatsSetup {
    /// The routes, for their names.
    pub router: Arc<Router>,
    /// What everyone may see.
    pub published: Published,
    /// The wall clock.
    pub world: Environment,
    /// Period of the line.
    pub interval: Duration,
    /// When the process began.
    pub began: Instant,
}

/// Counts, and says so. All counts are in published state: another life goes on with them.
#[derive(Debug)]
pub struct StatsActor {
    setup: StatsSetup,
    lifeline: Lifeline,
}

impl StatsActor {
    /// A new life.
    pub fn new(setup: StatsSetup, lifeline: Lifeline) -> Self {
        let stats = Self { setup, lifeline };
        stats.setup.published.measures().begin(stats.totals(&stats.setup.published.snapshot()));
        stats
    }

    fn totals(&self, state: &Snapshot) -> Totals {
        let measured = self.setup.published.measures().snapshot();
        let account = state.account();
        Totals {
            at: Instant::now(),
            received: account.received,
            sums: account.sums,
            commits: measured.commits(),
            failed_writes: measured.failed(),
            restarts: state.tree.children.values().map(|child| u64::from(child.restarts)).sum(),
        }
    }

    /// What was counted since this was last asked.
    fn period(&self, state: &Snapshot) -> Stats {
        let now = self.totals(state);
        let (before, slowest) = self.setup.published.measures().next_period(now);
        let Account { spooled, held, .. } = state.account();
        let mut stats = period(&before.unwrap_or(now), &now);
        stats.at = (self.setup.world.now)();
        (stats.spooled, stats.held) = (spooled, held);
        stats.slowest_commit_ms = whole_ms(slowest);
        state.health.mode.word().clone_into(&mut stats.mode);
        stats
    }

    fn say(&self) {
        let state = self.setup.published.snapshot();
        let period = self.period(&state);
        self.say_line(&state, &period);
        self.setup.published.remember(Note::Stats(Box::new(period)));
    }

    fn say_line(&self, state: &Snapshot, period: &Stats) {
        let account = state.account();
        let Account { received, sums, spooled, held } = account;
        let Sums { stored, rows, duplicate, filtered, quarantined, dropped } = sums;
        let up = self.setup.began.elapsed().as_secs();
        let uptime = humantime::format_duration(Duration::from_secs(up));
        let rates = self.setup.published.measures().snapshot().rates();
        let restarts: u32 = state.tree.children.values().map(|child| child.restarts).sum();
        let last_commit =
            state.storage.last_commit.map_or_else(|| "never".to_owned(), |at| format!("{at} UTC"));
        let routes = self.routes(&state.storage.tally);
        info!(
            event = event::STATS,
            uptime = %uptime,
            uptime_seconds = up,
            received,
            stored,
            rows,
            duplicate,
            filtered,
            quarantined,
            spooled,
            held,
            dropped,
            mode = state.health.mode.word(),
            broker_dropped = state.broker.dropped,
            received_per_second = tenths(rates.received),
            stored_per_second = tenths(rates.stored),
            last_commit,
            restarts,
            period_seconds = period.period_ms / 1_000,
            commits = period.commits,
            failed_writes = period.failed_writes,
            slowest_commit_ms = period.slowest_commit_ms,
            routes,
            "up {uptime}, {account}",
        );
    }

    /// `weather_data 1200, magnetic_flux_data 1199`: rows stored by route.
    fn routes(&self, tally: &Tally) -> String {
        let of = |(id, route): (RouteId, &barograph_config::Route)| {
            format!("{} {}", route.name(), tally.sums_of(id).rows)
        };
        self.setup.router.recording().map(of).collect::<Vec<_>>().join(", ")
    }

    fn look(&self) {
        let published = &self.setup.published;
        let stored = published.storage.read(|storage| storage.tally.sums().stored);
        published.measures().look(Instant::now(), published.received(), stored);
    }
}

/// The counts between two moments. (What a person moved out of quarantine meanwhile makes no count
/// negative.)
fn period(before: &Totals, now: &Totals) -> Stats {
    Stats {
        period_ms: whole_ms(now.at.saturating_duration_since(before.at)),
        received: now.received.saturating_sub(before.received),
        stored: now.sums.stored.saturating_sub(before.sums.stored),
        duplicate: now.sums.duplicate.saturating_sub(before.sums.duplicate),
        filtered: now.sums.filtered.saturating_sub(before.sums.filtered),
        quarantined: now.sums.quarantined.saturating_sub(before.sums.quarantined),
        dropped: now.sums.dropped.saturating_sub(before.sums.dropped),
        commits: now.commits.saturating_sub(before.commits),
        failed_writes: now.failed_writes.saturating_sub(before.failed_writes),
        restarts: now.restarts.saturating_sub(before.restarts),
        ..Stats::default()
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn tenths(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

impl Actor for StatsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(TICK, |stats, _| stats.lifeline.pulse().beat());
        self.look();
        ctx.run_interval(LOOK_EVERY, |stats, _| stats.look());
        ctx.run_interval(self.setup.interval, |stats, _| stats.say());
        self.lifeline.ready();
    }
}

impl Handler<Stop> for StatsActor {
    type Result = ();

    /// Leaves the counts of the period that the stop cuts short: the writer, which stops later, takes
    /// them along.
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        let period = self.period(&self.setup.published.snapshot());
        self.setup.published.remember(Note::Stats(Box::new(period)));
        ctx.stop();
    }
}

impl Handler<Fault> for StatsActor {
    type Result = ();

    fn handle(&mut self, fault: Fault, ctx: &mut Context<Self>) {
        fault.commit(|| ctx.stop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_is_a_difference_and_never_negative() {
        let began = Instant::now();
        let totals = |seconds, received, stored, quarantined| Totals {
            at: began + Duration::from_secs(seconds),
            received,
            sums: Sums { stored, quarantined, ..Sums::default() },
            commits: received / 10,
            failed_writes: 1,
            restarts: 2,
        };
        let stats = period(&totals(10, 100, 80, 20), &totals(310, 250, 245, 5));
        let expected = Stats {
            period_ms: 300_000,
            received: 150,
            stored: 165,
            commits: 15,
            ..Stats::default()
        };
        assert_eq!(stats, expected);
    }
}
