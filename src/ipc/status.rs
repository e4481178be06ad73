//! How the recorder is: published state, and what a look at its files adds. A disk that does not answer
//! holds up the numbers of that disk, and nothing else.

use std::fs;
use std::path::Path;
use std::time::Duration;

use barograph_actors::message::account::{Account, RouteId, Tally};
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::route::Router;
use barograph_actors::status::measures::Rates;
use barograph_actors::status::mode::Mode;
use barograph_actors::status::summary::summary;
use barograph_actors::status::{
    BrokerState, Connection, HealthState, NewestRows, StorageState, TreeState,
};
use barograph_config::{Route, Settings};
use tokio::time::{Instant, timeout};

use super::Sources;
use super::flow::{flow, messages_per_second, rounded};
use crate::os::process::beside;
use crate::os::world;
use crate::probe::disk_of;
use crate::sqlite::spool_path;
use crate::time::UtcText;
use crate::wire::status::{
    AccountStatus, AcknowledgedBy, ActorStatus, BrokerStatus, ColumnReading, DatabaseStatus,
    IssueStatus, ModeStatus, NewestReading, RatesStatus, RouteStatus, SpoolStatus, Status,
    SummingUp,
};

/// How long the look at the files may take.
const FILES_WITHIN: Duration = Duration::from_millis(500);

/// What `status` answers. Its keys are stable.
pub(crate) async fn report(sources: &Sources) -> Status {
    let settings = &sources.in_force.now();
    let database = settings.database.path.clone();
    let spool = spool_path(&settings.spool.dir, &database);
    let look = tokio::task::spawn_blocking({
        let (database, spool) = (database.clone(), spool.clone());
        move || FileSizes::look(&database, &spool)
    });
    let files = timeout(FILES_WITHIN, look).await.ok().and_then(Result::ok).unwrap_or_default();
    let state = sources.published.snapshot();
    let measured = sources.published.measures().snapshot();
    let rates = measured.rates();
    let interval = settings.database.commit_interval;
    Status {
        now: world::now().into(),
        health: state.health.level().word().into(),
        summary: summary(&state),
        mode: mode(state.health.mode),
        paused_since: time(state.broker.paused),
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        started: time(state.tree.started),
        broker: broker(&state.broker, settings),
        database: DatabaseStatus {
            path: database.display().to_string(),
            bytes: files.database,
            wal_bytes: files.wal,
            free_bytes: files.database_free,
            last_commit: time(state.storage.last_commit),
            failures_in_a_row: state.health.consecutive_failures,
            last_failure: state.health.last_failure.clone(),
            full_in_seconds: full_in(sources, files.database_free).map(|left| left.as_secs()),
            summing_up: summing_up(&state.storage),
        },
        spool: SpoolStatus {
            path: spool.display().to_string(),
            messages: state.storage.spooled,
            bytes: files.spool,
            free_bytes: files.spool_free,
        },
        rates: RatesStatus {
            received_per_second: rounded(rates.received),
            stored_per_second: rounded(rates.stored),
            commits_per_second: rounded(rates.commits),
            over_seconds: rates.over.as_secs(),
        },
        flow: flow(&state, &sources.published, &measured, interval),
        routes: routes(&state.tally(), &sources.published.rows.get(), &sources.router()),
        actors: actors(sources, &state.tree, &rates),
        issues: issues(&state.health),
        account: account(&state.account(), state.received_before()),
    }
}

fn time(at: Option<UnixMillis>) -> Option<UtcText> {
    at.map(UtcText::from)
}

/// As it went over the last day; `None`: it does not fill, or too little has been seen.
fn full_in(sources: &Sources, free: Option<u64>) -> Option<Duration> {
    sources.memory.get()?.database_disk.full_in(Instant::now(), free?)
}

/// How far what was there before is summed up for the charts, in rows of all routes; `None`: all of it is.
fn summing_up(state: &StorageState) -> Option<SummingUp> {
    let under_way = state.rollups.values();
    let (done, of) = under_way.fold((0, 0), |(done, of), route| (done + route.done, of + route.of));
    (of > 0).then_some(SummingUp { done, of })
}

fn mode(mode: Mode) -> ModeStatus {
    let (since, cause) = mode.trouble().unzip();
    let cause = cause.map(|cause| cause.word().into());
    ModeStatus { mode: mode.word().into(), since: time(since), cause }
}

fn broker(state: &BrokerState, settings: &Settings) -> BrokerStatus {
    let (word, since, why) = match &state.connection {
        Connection::Starting => ("starting", None, None),
        Connection::Up(since) => ("connected", Some(*since), None),
        Connection::Down(since, why) => ("disconnected", Some(*since), Some(why)),
    };
    BrokerStatus {
        url: settings.mqtt.url.to_string(),
        client_id: settings.mqtt.client_id.clone(),
        connection: word.into(),
        since: time(since),
        why: why.cloned(),
        session_present: state.session_present,
    }
}

fn routes(tally: &Tally, rows: &NewestRows, router: &Router) -> Vec<RouteStatus> {
    let of = |(id, route): (RouteId, &Route)| {
        let latest = rows.latest.get(&id).map(|(at, values)| {
            let columns = route.columns.iter().zip(values);
            let values = columns.map(|(column, value)| ColumnReading {
                column: column.name.clone(),
                value: value.clone(),
                unit: column.unit.clone(),
            });
            NewestReading { received_at: (*at).into(), values: values.collect() }
        });
        let stored = tally.sums_of(id).rows;
        RouteStatus { route: route.table.clone(), topic: route.topic.clone(), stored, latest }
    };
    router.recording().map(of).collect()
}

fn actors(sources: &Sources, tree: &TreeState, rates: &Rates) -> Vec<ActorStatus> {
    let pulses = sources.published.pulses();
    let pulse =
        |name: &str| pulses.get(name).map(|pulse| pulse.since_last_beat().as_millis() as u64);
    let of_child = tree.children.iter().map(|(name, child)| ActorStatus {
        actor: (*name).into(),
        state: child.state.clone().into(),
        since: time(child.since),
        pulse_age_ms: pulse(name),
        restarts: child.restarts,
        last_exit: child.last_exit.clone(),
        messages_per_second: messages_per_second(name, rates),
    });
    let supervisor = ActorStatus {
        actor: "supervisor".into(),
        state: "running".into(),
        since: time(tree.started),
        pulse_age_ms: pulse("supervisor"),
        ..ActorStatus::default()
    };
    std::iter::once(supervisor).chain(of_child).collect()
}

/// What is wrong, the worst first.
pub(crate) fn issues(state: &HealthState) -> Vec<IssueStatus> {
    let issues = state.issues.iter().map(|issue| {
        let known = state.acknowledgement(issue);
        IssueStatus {
            id: issue.id.clone(),
            severity: issue.severity.word().into(),
            since: issue.since.into(),
            summary: issue.summary.clone(),
            hint: issue.hint.clone(),
            acknowledged: known
                .map(|known| AcknowledgedBy { at: known.at.into(), by: known.by.clone() }),
        }
    });
    issues.collect()
}

/// Where every delivery is.
pub(crate) fn account(account: &Account, received_before: u64) -> AccountStatus {
    AccountStatus {
        received: account.received,
        received_before,
        stored: account.sums.stored,
        rows: account.sums.rows,
        duplicate: account.sums.duplicate,
        filtered: account.sums.filtered,
        quarantined: account.sums.quarantined,
        dropped: account.sums.dropped,
        spooled: account.spooled,
        held: account.held,
        balanced: account.is_balanced(),
    }
}

/// Sizes, in bytes.
#[derive(Debug, Default)]
struct FileSizes {
    database: Option<u64>,
    wal: Option<u64>,
    database_free: Option<u64>,
    spool: Option<u64>,
    spool_free: Option<u64>,
}

impl FileSizes {
    fn look(database: &Path, spool: &Path) -> Self {
        let size = |path: &Path| fs::metadata(path).ok().map(|meta| meta.len());
        Self {
            database: size(database),
            wal: size(&beside(database, "-wal")),
            database_free: disk_of(database).map(|disk| disk.free),
            spool: size(spool),
            spool_free: disk_of(spool).map(|disk| disk.free),
        }
    }
}
