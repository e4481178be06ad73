use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use barograph_actors::message::account::RouteId;
use barograph_actors::message::batch::Value;
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::event;
use barograph_actors::message::note::Event;
use barograph_actors::message::routing::Routing;
use barograph_actors::status::Published;
use barograph_actors::status::feed::Row;
use barograph_actors::status::settings::InForce;
use barograph_config::Settings;
use serde_json::Value as Json;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout};

use super::hub::*;
use super::*;
use crate::http::Closing;
use crate::http::metrics::MetricsServer;
use crate::http::socket::Outbox;
use crate::ipc::Sources;
use crate::ipc::command_queue::command_queue;
use crate::metrics::MeasuredFiles;
use crate::sqlite::read::Pool;
use barograph_actors::health::checks::KeptMemory;

/// For a whole test, on a busy machine.
const ENOUGH: Duration = Duration::from_secs(60);

/// A hub whose feeds are ours.
struct Stage {
    hub: Arc<Hub>,
    published: Published,
    rows: broadcast::Sender<Arc<[Row]>>,
    events: broadcast::Sender<Event>,
    _closing: watch::Sender<Closing>,
}

impl Stage {
    fn new() -> Self {
        let (settings, published) = (Settings::default_with("here"), Published::default());
        let routing = Routing::new(settings.routes.clone());
        let places = MeasuredFiles { spool: "/nowhere".into(), database: "/nowhere".into() };
        let metrics = MetricsServer::new(published.clone(), routing.clone(), places);
        let sources = Sources {
            memory: KeptMemory::default(),
            routing,
            in_force: InForce::new(settings),
            published: published.clone(),
            exposition: metrics.exposition(),
        };
        let (closing, closes) = watch::channel(Closing::Not);
        let tower = Tower {
            sources,
            commands: command_queue(false).0,
            history: Pool::new("/nowhere".into()),
            memory: Arc::default(),
            closing: closes,
            sockets: Arc::new(AtomicUsize::new(0)),
        };
        Self {
            hub: Arc::new(Hub::new(tower)),
            published,
            rows: broadcast::Sender::new(16),
            events: broadcast::Sender::new(16),
            _closing: closing,
        }
    }

    /// A viewer, of a hub that attends.
    fn viewer(&self) -> Viewer {
        let outbox = Arc::new(Outbox::default());
        self.hub
            .join_with(Arc::clone(&outbox), || (self.rows.subscribe(), self.events.subscribe()));
        Viewer { outbox, seq: 0 }
    }

    fn commit(&self, at: i64, count: i64) {
        let row = |n| Row {
            route: RouteId(Some(0)),
            received_at: UnixMillis(at + n),
            values: vec![Value::Integer(n)],
        };
        let _nobody_watches = self.rows.send((0..count).map(row).collect::<Vec<_>>().into());
    }

    fn event(&self) {
        let happened =
            Event { name: event::READY, at: UnixMillis(0), detail: "recording began".into() };
        let _nobody_watches = self.events.send(happened);
    }
}

struct Viewer {
    outbox: Arc<Outbox>,
    seq: u64,
}

impl Viewer {
    /// The next frame; its number is the one that is due.
    async fn next(&mut self) -> Json {
        let bytes = self.outbox.next().await.bytes();
        let start = bytes.iter().position(|byte| *byte == b'{').unwrap();
        let frame: Json = serde_json::from_slice(&bytes[start..]).unwrap();
        assert_eq!(frame["seq"], self.seq, "{frame}");
        self.seq += 1;
        frame
    }

    /// The next frame of a kind, and how long it took; others go by.
    async fn next_of(&mut self, kind: &str) -> (Json, Duration) {
        let began = Instant::now();
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return (frame, began.elapsed());
            }
        }
    }

    async fn nothing_within(&mut self, time: Duration) {
        let frame = timeout(time, self.next()).await;
        assert!(frame.is_err(), "{frame:?}");
    }
}

/// On one thread, as in a worker. (Time cannot be paused: then the tested program would have another clock.)
fn staged<F: Future<Output = ()>>(test: impl FnOnce(Arc<Stage>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let staged = async { timeout(ENOUGH, test(Arc::new(Stage::new()))).await };
    runtime.block_on(staged).expect("it comes to an end");
}

#[test]
fn a_viewer_begins_with_a_snapshot_and_hears_that_we_live() {
    staged(|stage| async move {
        let mut viewer = stage.viewer();
        let first = viewer.next().await;
        assert_eq!(first["type"], "snapshot");
        assert!(first["status"]["health"].is_string() && first["latest"]["routes"].is_array());
        let began = Instant::now();
        assert_eq!(viewer.next().await["type"], "alive");
        assert!((4_900..7_000).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        let (_, within) = viewer.next_of("status").await;
        assert!(within <= STATUS_WITHIN + Duration::from_secs(2), "{within:?}");
    });
}

#[test]
fn the_first_row_is_told_at_once_and_many_are_at_most_four_frames_a_second() {
    staged(|stage| async move {
        let (mut viewer, mut other) = (stage.viewer(), stage.viewer());
        viewer.next().await;
        stage.commit(7, 1);
        let (frame, after) = viewer.next_of("rows").await;
        assert_eq!(frame["routes"][0]["rows"][0][0], 7);
        assert!(after < Duration::from_millis(200), "{after:?}");
        let many = tokio::spawn({
            let stage = Arc::clone(&stage);
            async move {
                for _ in 0..200 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    stage.commit(0, 10);
                }
            }
        });
        let (began, mut frames, mut rows) = (Instant::now(), 0, 0);
        while rows < 2_000 {
            let (frame, _) = viewer.next_of("rows").await;
            let told = frame["routes"][0]["rows"].as_array().unwrap().len() as u64;
            rows += told + frame["routes"][0]["skipped"].as_u64().unwrap();
            frames += 1;
            other.next_of("rows").await;
        }
        let seconds = began.elapsed().as_secs_f64();
        assert!(f64::from(frames) <= 4.0 * seconds + 1.0, "{frames} frames in {seconds} s");
        assert!(f64::from(frames) >= 2.5 * seconds, "{frames} frames in {seconds} s");
        many.await.unwrap();
    });
}

#[test]
fn a_change_is_a_status_within_a_second_and_a_count_is_none() {
    staged(|stage| async move {
        let mut viewer = stage.viewer();
        viewer.next().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        stage.published.broker.update(|broker| broker.paused = Some(UnixMillis(1)));
        let (frame, after) = viewer.next_of("status").await;
        assert!(frame["status"]["paused_since"].is_string());
        assert!(after <= Duration::from_millis(900), "{after:?}");
        stage.published.broker.update(|broker| broker.paused = None);
        let (_, after) = viewer.next_of("status").await;
        assert!((700..2_500).contains(&after.as_millis()), "{after:?}");
        stage.published.storage.update(|storage| storage.last_commit = Some(UnixMillis(2)));
        let (_, after) = viewer.next_of("status").await;
        assert!(after >= Duration::from_secs(8), "{after:?}");
    });
}

#[test]
fn whoever_missed_something_gets_a_snapshot_again() {
    staged(|stage| async move {
        let mut viewer = stage.viewer();
        viewer.next().await;
        (0..40).for_each(|_| stage.event());
        let (again, _) = viewer.next_of("snapshot").await;
        assert!(again["seq"].as_u64().unwrap() > 1);
        stage.event();
        let (frame, _) = viewer.next_of("event").await;
        assert_eq!(frame["event"]["event"], "ready");
    });
}

#[test]
fn a_viewer_who_takes_nothing_goes_and_the_others_go_on() {
    staged(|stage| async move {
        let (mut viewer, slow) = (stage.viewer(), stage.viewer());
        for _ in 0..60 {
            stage.event();
            viewer.next_of("event").await;
        }
        assert!(!slow.outbox.is_open());
        assert!(viewer.outbox.is_open());
    });
}

#[test]
fn without_a_viewer_nobody_watches() {
    staged(|stage| async move {
        assert_eq!(stage.rows.receiver_count(), 0);
        let mut viewer = stage.viewer();
        viewer.next().await;
        assert_eq!(stage.rows.receiver_count(), 1);
        let mut second = stage.viewer();
        second.next().await;
        assert_eq!(stage.rows.receiver_count(), 1, "one hub for all");
        viewer.outbox.close(CloseReason::new(1000, ""));
        second.outbox.close(CloseReason::new(1000, ""));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(stage.rows.receiver_count(), 0);
        let mut third = stage.viewer();
        assert_eq!(third.next().await["type"], "snapshot");
        third.nothing_within(Duration::from_secs(4)).await;
    });
}
