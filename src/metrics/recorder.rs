//! The recorder's metrics, from one snapshot of published state.

use std::fmt;
use std::path::PathBuf;

use barograph_actors::message::account::{Outcome, RouteId, Tally};
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::route::Router;
use barograph_actors::message::routing::Routing;
use barograph_actors::message::write::{Place, WriteCause};
use barograph_actors::status::issue::Severity;
use barograph_actors::status::measures::Measured;
use barograph_actors::status::mode::Mode;
use barograph_actors::status::{
    BrokerState, Connection, HealthState, NewestRows, Published, Snapshot, StorageState,
};
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::page::{Family, Labels, MetricsPage};
use crate::os::process::beside;
use crate::probe::{disk_of, size_of};

/// The files whose sizes are told.
#[derive(Debug, Clone)]
pub struct MeasuredFiles {
    /// The database's file.
    pub database: PathBuf,
    /// The spool's file, whether or not it is there.
    pub spool: PathBuf,
}

/// Tells the recorder's metrics.
#[derive(Debug)]
pub(super) struct Recorder {
    published: Published,
    routing: Routing,
    places: MeasuredFiles,
    /// The most that was told of each outcome. A person may move messages out of quarantine, and a
    /// reopened database says so; but a counter that goes back means a restart to a scraper.
    highest: Mutex<Tally>,
}

impl Recorder {
    pub(super) fn new(published: Published, routing: Routing, places: MeasuredFiles) -> Self {
        Self { published, routing, places, highest: Mutex::default() }
    }
}

impl Collector for Recorder {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let state = self.published.snapshot();
        let tally = {
            let mut highest = self.highest.lock();
            highest.rise_to(&state.tally());
            highest.clone()
        };
        let router = self.routing.now();
        let measured = self.published.measures().snapshot();
        let mut page = MetricsPage(encoder);
        page.info(build(), [("version", env!("CARGO_PKG_VERSION"))])?;
        arrivals(&mut page, &state, &router)?;
        ends(&mut page, &tally, &router)?;
        waiting(&mut page, &state)?;
        writing(&mut page, &state.storage, &measured)?;
        ages(&mut page, &measured, &router)?;
        health(&mut page, &state.health, state.broker.paused.is_some())?;
        broker(&mut page, &state.broker)?;
        actors(&mut page, &state, &self.published)?;
        latest(&mut page, &self.published.rows.get(), &router)?;
        disks(&mut page, &self.places)
    }
}

fn build() -> Family {
    Family::new("build", "The version that runs.")
}

/// Each route by its table, and what no route's filter matches by the empty name.
fn routes(router: &Router) -> impl Iterator<Item = (RouteId, &str)> {
    let ids = (0..router.routes().len()).map(|index| RouteId(u16::try_from(index).ok()));
    ids.chain([RouteId(None)]).map(|id| (id, router.name(id)))
}

fn arrivals(page: &mut MetricsPage<'_>, state: &Snapshot, router: &Router) -> fmt::Result {
    let of = |id| state.arrivals.iter().find(|(known, _)| *known == id).map(|(_, count)| count);
    let arrived =
        || routes(router).map(|(id, name)| ([("route", name)], of(id).unwrap_or_default()));
    let received = "Messages taken from the broker; the route is the name of its table.";
    page.counters(
        Family::new("received", received),
        arrived().map(|(labels, count)| (labels, count.deliveries)),
    )?;
    let bytes = "MQTT packets of messages taken from the broker.";
    page.counters(
        Family::new("received", bytes).bytes(),
        arrived().map(|(labels, count)| (labels, count.bytes)),
    )?;
    let taken_over = "Messages that came without the broker: left in the spool by an earlier process, \
                      or copied out of a damaged database.";
    let from = [
        ([("source", "spool")], state.storage.spooled_before),
        ([("source", "salvage")], state.storage.salvaged),
    ];
    page.counters(Family::new("taken_over", taken_over), from)
}

/// Every reason of every route from the beginning, with 0: of a counter that appears when something
/// goes wrong, Prometheus' `increase` would miss the first time.
fn ends(page: &mut MetricsPage<'_>, tally: &Tally, router: &Router) -> fmt::Result {
    let families = [
        ("stored", "Messages that are rows in the table of their route."),
        ("duplicate", "Messages that were there already, and are not stored again."),
        ("filtered", "Messages that the settings do not want, and that are only counted."),
        (
            "quarantined",
            "Messages that could not become rows, kept with their bytes and the reason.",
        ),
        ("dropped", "Messages that were not kept."),
    ];
    let count = |id, outcome| {
        let found = tally.iter().find(|(route, end, _)| (*route, *end) == (id, outcome));
        found.map_or(0, |(_, _, n)| n)
    };
    for (word, help) in families {
        let outcomes = || Outcome::all().iter().copied().filter(|end| end.words().0 == word);
        let samples = routes(router).flat_map(|(id, name)| {
            outcomes().map(move |outcome| {
                let labels: Labels<'_, 2> = [("route", name), ("reason", outcome.words().1)];
                (labels, (id, outcome))
            })
        });
        page.counters(
            Family::new(word, help),
            samples.map(|(labels, (id, outcome))| (labels, count(id, outcome))),
        )?;
    }
    let rows = "Rows of the stored messages: a message may have several.";
    let rows_of = routes(router).map(|(id, name)| ([("route", name)], tally.sums_of(id).rows));
    page.counters(Family::new("rows", rows), rows_of)
}

fn waiting(page: &mut MetricsPage<'_>, state: &Snapshot) -> fmt::Result {
    let held = "Messages in memory, without a place on a disk and unacknowledged.";
    page.gauge(Family::new("held_messages", held), Some(state.held))?;
    let spooled = "Messages in the spool, on their way to the database.";
    page.gauge(Family::new("spool_messages", spooled), Some(state.storage.spooled))
}

fn writing(page: &mut MetricsPage<'_>, state: &StorageState, measured: &Measured) -> fmt::Result {
    let places = [(Place::Database, &measured.database), (Place::Spool, &measured.spool)];
    let place = |place: Place| [("place", place.word())];
    page.histograms(
        Family::new("commit_duration", "How long it took to make a batch durable.").seconds(),
        places.map(|(at, commits)| (place(at), &commits.seconds)),
    )?;
    page.histograms(
        Family::new("batch_messages", "Messages in a batch that was made durable."),
        places.map(|(at, commits)| (place(at), &commits.rows)),
    )?;
    let failed = |at, cause| {
        let known = measured.failures.iter().find(|(p, c, _)| (*p, *c) == (at, cause));
        known.map_or(0, |(_, _, n)| *n)
    };
    let causes = [Place::Database, Place::Spool].into_iter().flat_map(|at| {
        WriteCause::ALL.into_iter().map(move |cause| {
            let labels: Labels<'_, 2> = [("place", at.word()), ("cause", cause.word())];
            (labels, (at, cause))
        })
    });
    page.counters(
        Family::new("write_failures", "Tries to make a batch durable that failed."),
        causes.map(|(labels, (at, cause))| (labels, failed(at, cause))),
    )?;
    let last = "When the database last took messages.";
    page.gauge(Family::new("last_commit_timestamp", last).seconds(), state.last_commit.map(seconds))
}

fn ages(page: &mut MetricsPage<'_>, measured: &Measured, router: &Router) -> fmt::Result {
    let of_route = |id| [("route", router.name(id))];
    let age = "Age of a measurement when the database took it, by the route's time_column.";
    page.histograms(
        Family::new("publish_to_commit", age).seconds(),
        measured.ages.iter().map(|(id, ages)| (of_route(*id), &ages.seconds)),
    )?;
    let unusable =
        "Measurements whose time tells no age: in the future, more than a year old, none.";
    page.counters(
        Family::new("publish_to_commit_unusable", unusable),
        measured.ages.iter().map(|(id, ages)| (of_route(*id), ages.unusable)),
    )
}

fn health(page: &mut MetricsPage<'_>, state: &HealthState, is_paused: bool) -> fmt::Result {
    let mode = "1 for the mode that the recorder is in: where messages go.";
    let now = state.mode.word();
    page.gauges(
        Family::new("mode", mode),
        Mode::WORDS.map(|word| ([("mode", word)], u32::from(word == now))),
    )?;
    let count = |severity: Severity| {
        state.issues.iter().filter(|issue| issue.severity == severity).count() as u64
    };
    page.gauges(
        Family::new("issues", "What is wrong now."),
        [Severity::Warning, Severity::Critical]
            .map(|severity| ([("severity", severity.word())], count(severity))),
    )?;
    let paused = "1 while a person has paused the recorder.";
    page.gauge(Family::new("paused", paused), Some(u32::from(is_paused)))
}

fn broker(page: &mut MetricsPage<'_>, state: &BrokerState) -> fmt::Result {
    let connected = matches!(state.connection, Connection::Up(_));
    let up = "1 while there is a connection to the broker.";
    page.gauge(Family::new("broker_connected", up), Some(u32::from(connected)))?;
    let accepted = "Connections that the broker accepted.";
    page.counter(Family::new("broker_connections", accepted), state.connections)?;
    let dropped = "Messages that the broker reports as dropped, to us or to others.";
    page.counter(Family::new("broker_dropped", dropped), state.dropped)
}

fn actors(page: &mut MetricsPage<'_>, state: &Snapshot, published: &Published) -> fmt::Result {
    let named = |name: &'static str| [("actor", name)];
    let children = || state.tree.children.iter();
    page.gauges(
        Family::new("actor_running", "1 while the actor runs."),
        children().map(|(name, child)| (named(name), u32::from(child.state == "running"))),
    )?;
    page.counters(
        Family::new("actor_restarts", "Restarts of the actor."),
        children().map(|(name, child)| (named(name), u64::from(child.restarts))),
    )?;
    let pulse = "How long ago the actor last gave a sign of life.";
    page.gauges(
        Family::new("actor_pulse_age", pulse).seconds(),
        published
            .pulses()
            .iter()
            .map(|(name, pulse)| (named(name), pulse.since_last_beat().as_secs_f64())),
    )
}

fn latest(page: &mut MetricsPage<'_>, rows: &NewestRows, router: &Router) -> fmt::Result {
    let arrived = "When the newest row of the route arrived.";
    page.gauges(
        Family::new("last_row_timestamp", arrived).seconds(),
        rows.latest.iter().map(|(id, (at, _))| ([("route", router.name(*id))], seconds(*at))),
    )
}

/// Files that are not there take nothing.
fn disks(page: &mut MetricsPage<'_>, places: &MeasuredFiles) -> fmt::Result {
    let MeasuredFiles { database, spool } = places;
    let wal = size_of(&beside(database, "-wal"));
    page.gauge(
        Family::new("database_size", "Size of the database's file.").bytes(),
        Some(size_of(database)),
    )?;
    page.gauge(
        Family::new("wal_size", "Size of the database's write-ahead log.").bytes(),
        Some(wal),
    )?;
    let spooled = size_of(spool) + size_of(&beside(spool, "-wal"));
    page.gauge(Family::new("spool_size", "What the spool's files take.").bytes(), Some(spooled))?;
    let free = [("database", database), ("spool", spool)]
        .into_iter()
        .filter_map(|(name, file)| Some(([("disk", name)], disk_of(file)?.free)));
    page.gauges(
        Family::new("disk_free", "Room on the disk of the database or spool.").bytes(),
        free,
    )
}

/// Since 1970 UTC.
#[expect(clippy::cast_precision_loss, reason = "exact to the year 287,396")]
fn seconds(at: UnixMillis) -> f64 {
    at.0 as f64 / 1_000.0
}
