//! The hub: it watches the recorder's feeds for everyone, and makes each frame once. Without a viewer there is
//! no watching, no task, no cost.
//!
//! A viewer begins with a snapshot that is taken after the feeds are watched, so nothing falls between. When
//! the hub itself was too slow for a feed, everyone gets a snapshot again: what was missed is in it, or in the
//! history.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use barograph_actors::message::note::Event;
use barograph_actors::status::feed::Row;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, sleep_until};

use super::news::{self, News};
use super::rows::Gathering;
use crate::http::Tower;
use crate::http::api::latest;
use crate::http::socket::Outbox;
use crate::ipc::status;
use crate::os::world;
use crate::wire::page::Latest;
use crate::wire::status::Status;

/// Between two frames of rows: at most four a second.
pub(super) const ROWS_EVERY: Duration = Duration::from_millis(250);
/// Between two statuses.
pub(super) const STATUS_EVERY: Duration = Duration::from_secs(1);
/// The longest without one: it keeps pulses and rates true.
pub(super) const STATUS_WITHIN: Duration = Duration::from_secs(10);
/// The longest without any frame.
pub(super) const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// Between two looks whether there is something to tell.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Between two snapshots: viewers that connect together get the same.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);
/// Frames that are kept for viewers that wait for a snapshot.
const MEANWHILE_MAX: usize = 24;

/// The rows of a commit.
type Commit = Arc<[Row]>;

/// Where viewers come.
pub(super) struct Hub {
    tower: Tower,
    joining: Mutex<Joining>,
    came: Notify,
}

#[derive(Default)]
struct Joining {
    viewers: Vec<Arc<Outbox>>,
    /// The task that serves them runs.
    is_attended: bool,
}

impl Hub {
    pub(super) fn new(tower: Tower) -> Self {
        Self { tower, joining: Mutex::default(), came: Notify::new() }
    }

    /// Where it is.
    pub(super) fn tower(&self) -> &Tower {
        &self.tower
    }

    /// One more viewer.
    pub(super) fn join(self: &Arc<Self>, viewer: Arc<Outbox>) {
        let feeds = self.tower.sources.published.feeds();
        self.join_with(viewer, || (feeds.watch_rows(), feeds.watch_events()));
    }

    /// The same, with other feeds.
    pub(super) fn join_with(
        self: &Arc<Self>,
        viewer: Arc<Outbox>,
        watch: impl FnOnce() -> (broadcast::Receiver<Commit>, broadcast::Receiver<Event>),
    ) {
        let mut joining = self.joining.lock();
        joining.viewers.push(viewer);
        self.came.notify_one();
        if !joining.is_attended {
            joining.is_attended = true;
            let (rows, events) = watch();
            tokio::spawn(Arc::clone(self).attend(rows, events));
        }
    }

    /// Sends everything to every viewer, until none is left.
    async fn attend(
        self: Arc<Self>,
        mut rows: broadcast::Receiver<Commit>,
        mut events: broadcast::Receiver<Event>,
    ) {
        let attended = Attended(&self);
        let mut round = Round::new(&self.tower);
        loop {
            let next_look = round.next_look();
            let happened = tokio::select! {
                () = self.came.notified() => Happened::Came,
                report = wait_for(&mut round.report) => Happened::Reported(report),
                event = events.recv() => Happened::Event(event),
                commit = rows.recv() => Happened::Rows(commit),
                () = sleep_until(next_look) => Happened::Nothing,
            };
            match happened {
                Happened::Came => round.look(&self),
                Happened::Reported(report) => {
                    round.told(report, &self);
                    round.look(&self);
                }
                Happened::Event(Ok(event)) => round.event(&event, &self),
                Happened::Rows(Ok(commit)) => round.gathering.take(&commit),
                Happened::Event(Err(RecvError::Lagged(_)))
                | Happened::Rows(Err(RecvError::Lagged(_))) => round.has_missed = true,
                Happened::Event(Err(RecvError::Closed))
                | Happened::Rows(Err(RecvError::Closed)) => return,
                Happened::Nothing => {}
            }
            round.tell_rows();
            if Instant::now() >= round.looked_at + LOOK_EVERY {
                round.look(&self);
            }
            if round.viewers.is_empty() && self.joining.lock().viewers.is_empty() {
                return drop(attended);
            }
            // The woken connections take their frames before there are more.
            tokio::task::yield_now().await;
        }
    }
}

/// However it ends, the next viewer finds that no task runs.
struct Attended<'h>(&'h Hub);

impl Drop for Attended<'_> {
    fn drop(&mut self) {
        self.0.joining.lock().is_attended = false;
    }
}

/// Why the hub does something.
enum Happened {
    Came,
    Reported(Box<StatusReport>),
    Event(Result<Event, RecvError>),
    Rows(Result<Commit, RecvError>),
    Nothing,
}

/// What a status is made of; the newest rows, where it is for a snapshot.
struct StatusReport {
    status: Status,
    latest: Option<Latest>,
}

type Reporting = Pin<Box<dyn Future<Output = Box<StatusReport>> + Send>>;

async fn wait_for(report: &mut Option<Reporting>) -> Box<StatusReport> {
    match report {
        Some(reporting) => {
            let told = reporting.await;
            *report = None;
            told
        }
        None => std::future::pending().await,
    }
}

/// What the hub knows while there are viewers.
struct Round<'h> {
    tower: &'h Tower,
    viewers: Vec<Arc<Outbox>>,
    gathering: Gathering,
    /// A look at the recorder that is under way.
    report: Option<Reporting>,
    /// It is for a snapshot.
    snapshot_begun: bool,
    /// What was sent since it began, and events since a viewer waits for it.
    meanwhile: Vec<Bytes>,
    /// A feed was faster than we.
    has_missed: bool,
    /// What was last worth a status.
    told: String,
    event_number: u64,
    looked_at: Instant,
    rows_at: Instant,
    status_at: Instant,
    snapshot_at: Option<Instant>,
    spoke_at: Instant,
}

impl<'h> Round<'h> {
    fn new(tower: &'h Tower) -> Self {
        let (published, now) = (&tower.sources.published, Instant::now());
        Self {
            tower,
            viewers: Vec::new(),
            told: news::worth_telling(&published.snapshot()),
            gathering: Gathering::after(published.rows.get().latest),
            report: None,
            snapshot_begun: false,
            meanwhile: Vec::new(),
            has_missed: false,
            // Above every number of the database's.
            event_number: u64::try_from(world::now().0).unwrap_or_default().saturating_mul(1_000),
            looked_at: now,
            rows_at: now.checked_sub(ROWS_EVERY).unwrap_or(now),
            status_at: now,
            snapshot_at: None,
            spoke_at: now,
        }
    }

    fn next_look(&self) -> Instant {
        let look = self.looked_at + LOOK_EVERY;
        if self.gathering.is_empty() { look } else { look.min(self.rows_at + ROWS_EVERY) }
    }

    fn tell(&mut self, frame: &Bytes) {
        self.viewers.iter().for_each(|viewer| viewer.tell(frame));
        self.spoke_at = Instant::now();
        if self.snapshot_begun {
            self.keep(frame);
        }
    }

    fn event(&mut self, event: &Event, hub: &Hub) {
        self.event_number += 1;
        let frame = News::event(event, self.event_number);
        self.tell(&frame);
        // Rows are in the snapshot; events are not.
        if !self.snapshot_begun && !hub.joining.lock().viewers.is_empty() {
            self.keep(&frame);
        }
    }

    /// For viewers that wait for a snapshot.
    fn keep(&mut self, frame: &Bytes) {
        self.meanwhile.push(frame.clone());
        self.meanwhile.truncate(MEANWHILE_MAX);
    }

    fn tell_rows(&mut self) {
        let now = Instant::now();
        if now.duration_since(self.rows_at) >= ROWS_EVERY
            && let Some(routes) = self.gathering.frame(&self.tower.sources.router())
        {
            self.rows_at = now;
            self.tell(&News::Rows { routes: &routes }.frame());
        }
    }

    /// Whatever else is due.
    fn look(&mut self, hub: &Hub) {
        let now = Instant::now();
        self.looked_at = now;
        self.viewers.retain(|viewer| viewer.is_open());
        hub.joining.lock().viewers.retain(|viewer| viewer.is_open());
        if self.report.is_none() {
            self.ask(now, hub);
        }
        if now.duration_since(self.spoke_at) >= ALIVE_EVERY {
            self.tell(&News::Alive { now_ms: world::now().0 }.frame());
        }
    }

    /// Looks at the recorder, if there is a reason.
    fn ask(&mut self, now: Instant, hub: &Hub) {
        let since = |at: Option<Instant>| at.map_or(Duration::MAX, |at| now.duration_since(at));
        let is_awaited = !hub.joining.lock().viewers.is_empty();
        let since_snapshot = since(self.snapshot_at);
        if (is_awaited && since_snapshot >= SNAPSHOT_EVERY)
            || (self.has_missed && since_snapshot >= STATUS_EVERY)
        {
            self.snapshot_at = Some(now);
            return self.begin(true);
        }
        let since_status = since(Some(self.status_at));
        if since_status >= STATUS_WITHIN
            || (since_status >= STATUS_EVERY && self.is_worth_telling())
        {
            self.begin(false);
        }
    }

    fn is_worth_telling(&mut self) -> bool {
        let worth = news::worth_telling(&self.tower.sources.published.snapshot());
        let is_new = worth != self.told;
        self.told = worth;
        is_new
    }

    fn begin(&mut self, is_snapshot: bool) {
        let tower = self.tower.clone();
        self.snapshot_begun = is_snapshot;
        self.report = Some(Box::pin(async move {
            let status = status::report(&tower.sources).await;
            let latest = if is_snapshot { Some(latest::report(&tower).await) } else { None };
            Box::new(StatusReport { status, latest })
        }));
    }

    fn told(&mut self, report: Box<StatusReport>, hub: &Hub) {
        let StatusReport { status, latest } = *report;
        let Some(latest) = latest else {
            self.status_at = Instant::now();
            return self.tell(&News::Status { status: &status }.frame());
        };
        let frame = News::Snapshot { status: &status, latest: &latest }.frame();
        self.snapshot_begun = false;
        let meanwhile = std::mem::take(&mut self.meanwhile);
        let joining = std::mem::take(&mut hub.joining.lock().viewers);
        let missed = if self.has_missed { self.viewers.as_slice() } else { &[] };
        for viewer in joining.iter().chain(missed) {
            viewer.tell(&frame);
            meanwhile.iter().for_each(|frame| viewer.tell(frame));
        }
        self.has_missed = meanwhile.len() >= MEANWHILE_MAX;
        self.viewers.extend(joining);
    }
}
