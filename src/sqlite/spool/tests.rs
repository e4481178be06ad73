//! The spool and the database, on files: what went into the one comes into the other once, in order.

use std::sync::Arc;

use barograph_actors::message::account::{Drop as Dropped, Outcome, RouteId, Tally};
use barograph_actors::message::batch::{Batch, BatchId, Opening};
use barograph_actors::message::delivery::{ConnectionId, Delivery, UnixMillis};
use barograph_actors::message::event;
use barograph_actors::message::note::{Event, GapCause, Note};
use barograph_actors::message::route::Router;
use barograph_actors::message::routing::Routing;
use barograph_actors::message::write::WriteCause;
use barograph_actors::mqtt::decode::decode;
use barograph_actors::ports::{Environment, Journal, OpenSpool, Spool};
use barograph_config::{Qos, Settings};
use rusqlite::Connection;
use tempfile::TempDir;

use super::Spools;
use crate::os::lock::DatabaseLock;
use crate::sqlite::journal::file::DamagedHandles;
use crate::sqlite::journal::open::Opener;

const WORLD: Environment = Environment {
    now: || UnixMillis(5_000),
    jitter: || 1.0,
    random: || 4_711,
    minute_of_day: || 720,
};
const TOPIC: &str = "a/b/weatherstation/magneticfluxsensor/";

struct SpoolFixture {
    folder: TempDir,
    settings: Settings,
}

impl SpoolFixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default_with("test");
        settings.database.path = folder.path().join("data.db");
        settings.spool.dir = folder.path().join("spool");
        settings.spool.min_free = 0;
        Self { folder, settings }
    }

    fn journal(&self) -> Box<dyn Journal> {
        let opener = Opener {
            database: self.settings.database.clone(),
            quarantine: self.settings.quarantine.clone(),
            router: Arc::new(Router::new(self.settings.routes.clone())),
            world: WORLD,
            wrecks: DamagedHandles::default(),
            spool_dir: self.settings.spool.dir.clone(),
            lock: DatabaseLock::default(),
            client_id: String::new(),
        };
        Box::new(opener.open_sqlite().unwrap())
    }

    fn spools(&self) -> Spools {
        Spools {
            settings: self.settings.spool.clone(),
            database: self.settings.database.path.clone(),
            routing: Routing::new(self.settings.routes.clone()),
            packet_max: self.settings.mqtt.max_packet_size,
            world: WORLD,
            wrecks: DamagedHandles::default(),
        }
    }

    fn spool(&self) -> Box<dyn Spool> {
        self.spools().open().unwrap().0
    }

    /// x and created_at of every row, in the order of their ids.
    fn rows(&self) -> Vec<(i64, String)> {
        let conn = Connection::open(&self.settings.database.path).unwrap();
        let select = "SELECT CAST(x AS INTEGER), created_at FROM magnetic_flux_data ORDER BY id";
        let mut statement = conn.prepare(select).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn numbers(&self) -> Vec<i64> {
        self.rows().into_iter().map(|(x, _)| x).collect()
    }

    /// A batch of one message for each number; the first one opens the connection.
    fn batch(&self, number: i64, numbers: std::ops::Range<i64>) -> Batch {
        let router = Router::new(self.settings.routes.clone());
        let record = |x: i64| {
            let payload = format!(r#"{{"x":{x},"y":1,"z":2}}"#);
            let delivery = Delivery {
                topic: TOPIC.to_owned(),
                whole_size: payload.len() as u64,
                packet_size: payload.len() as u64 + 40,
                payload: payload.into(),
                qos: Qos::AtLeastOnce,
                retain: false,
                dup: false,
                packet_id: u16::try_from(x + 1).unwrap(),
                received_at: UnixMillis(x),
                properties: Vec::new(),
            };
            decode(delivery, &router, 1 << 20)
        };
        let opening = Opening { session_present: false, session: "s".into(), at: UnixMillis(0) };
        Batch {
            id: BatchId { run: 9, number },
            connection: ConnectionId(7),
            opening: (number == 1).then_some(opening),
            records: numbers.map(record).collect(),
            confirmed: None,
            settled_filters: Vec::new(),
            ids_passed: 0,
            dropped: Tally::default(),
        }
    }
}

#[test]
fn what_was_spooled_comes_into_the_database_once_in_order_and_with_its_time() {
    let place = SpoolFixture::new();
    let mut spool = place.spool();
    for number in 1..=10 {
        spool.append(&place.batch(number, number * 3 - 3..number * 3), &[]).unwrap();
    }
    drop(spool);
    let mut spool = place.spool();
    assert_eq!((spool.len(), spool.last()), (30, Some(BatchId { run: 9, number: 10 })));
    let mut journal = place.journal();
    while !spool.is_empty() {
        let front = spool.front(7).unwrap();
        let receipts = journal.take_over(spool.id(), &front).unwrap();
        assert_eq!(receipts.len(), front.len());
        assert!(journal.take_over(spool.id(), &front).unwrap().is_empty(), "passed by");
        // A process that dies here begins again where the database remembers.
        journal = place.journal();
        assert_eq!(journal.taken_over(spool.id()), front.last().unwrap().position);
        assert!(journal.take_over(spool.id(), &front).unwrap().is_empty(), "passed by after all");
        spool.forget_through(front.last().unwrap().position).unwrap();
    }
    assert_eq!(place.numbers(), (0..30).collect::<Vec<_>>());
    assert_eq!(place.rows()[29].1, "1970-01-01 00:00:00.029", "the time of arrival");
    assert_eq!(journal.account().sums().stored, 30);
    spool.close();
    assert!(!place.spools().is_there(), "an empty spool leaves no file");
}

#[test]
fn a_batch_whose_commit_was_in_doubt_and_that_was_spooled_is_stored_once() {
    let place = SpoolFixture::new();
    let (mut journal, mut spool) = (place.journal(), place.spool());
    journal.append(&place.batch(1, 0..5), &[]).unwrap();
    spool.append(&place.batch(1, 0..5), &[]).unwrap();
    spool.append(&place.batch(2, 5..9), &[]).unwrap();
    let front = spool.front(100).unwrap();
    let receipts = journal.take_over(spool.id(), &front).unwrap();
    assert_eq!(receipts.iter().map(|r| r.repeated).collect::<Vec<_>>(), [true, false]);
    assert_eq!(place.numbers(), (0..9).collect::<Vec<_>>());
}

#[test]
fn a_redelivery_of_what_is_in_the_spool_is_known_when_the_database_takes_both_over() {
    let place = SpoolFixture::new();
    let (mut journal, mut spool) = (place.journal(), place.spool());
    spool.append(&place.batch(1, 0..5), &[]).unwrap();
    let mut again = place.batch(2, 2..7);
    again.connection = ConnectionId(8);
    let resumed = Opening { session_present: true, session: "s".into(), at: UnixMillis(0) };
    again.opening = Some(resumed);
    again.records.iter_mut().take(3).for_each(|record| record.dup = true);
    spool.append(&again, &[]).unwrap();
    let front = spool.front(100).unwrap();
    journal.take_over(spool.id(), &front).unwrap();
    assert_eq!(place.numbers(), (0..7).collect::<Vec<_>>());
    assert_eq!(journal.account().sums().duplicate, 3);
}

#[test]
fn notes_and_drops_come_along() {
    let place = SpoolFixture::new();
    let (mut journal, mut spool) = (place.journal(), place.spool());
    let mut batch = place.batch(1, 0..1);
    batch.dropped.add(RouteId(Some(1)), Outcome::Dropped(Dropped::Holding), 17);
    let happened =
        Event { name: event::MODE_CHANGED, at: UnixMillis(1), detail: "degraded".into() };
    spool.append(&batch, &[Note::Event(happened)]).unwrap();
    let opened = Note::gap_opened(GapCause::Holding, None, UnixMillis(2), "nowhere");
    spool.record(&[opened]).unwrap();
    let front = spool.front(100).unwrap();
    assert_eq!(journal.take_over(spool.id(), &front).unwrap().len(), 1);
    assert_eq!(journal.account().sums().dropped, 17);
    let conn = Connection::open(&place.settings.database.path).unwrap();
    let one = |sql: &str| -> i64 { conn.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(one("SELECT count(*) FROM barograph_events WHERE event = 'mode_changed'"), 1);
    assert_eq!(one("SELECT count(*) FROM barograph_gaps WHERE to_at IS NULL"), 1);
}

#[test]
fn a_spool_refuses_what_would_make_it_too_large_or_its_disk_too_full() {
    let mut place = SpoolFixture::new();
    place.settings.spool.max_size = 256 << 10;
    let mut spool = place.spool();
    let mut number = 0;
    let error = loop {
        number += 1;
        let batch = place.batch(number, 0..40);
        if let Err(error) = spool.append(&batch, &[]) {
            break error;
        }
        assert!(number < 1_000, "it is bounded");
    };
    assert_eq!((error.cause, error.reopen), (WriteCause::Full, false));
    assert!(error.message.contains("spool.max_size"), "{}", error.message);
    let size: u64 = std::fs::read_dir(place.folder.path().join("spool"))
        .unwrap()
        .map(|file| file.unwrap())
        .filter(|file| !file.file_name().to_string_lossy().ends_with("-shm"))
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert!(size <= 300 << 10, "{size}");
    place.settings.spool.min_free = 1 << 50;
    let error = place.spool().append(&place.batch(number, 0..1), &[]).unwrap_err();
    assert!(error.message.contains("spool.min_free"), "{}", error.message);
}

#[test]
fn the_spool_of_another_database_of_the_same_name_is_left_alone() {
    let place = SpoolFixture::new();
    std::fs::write(&place.settings.database.path, "").unwrap();
    place.spool().append(&place.batch(1, 0..3), &[]).unwrap();
    let mut other = place.spools();
    other.database = place.folder.path().join("elsewhere").join("data.db");
    let error = other.open().err().unwrap();
    assert!(error.message.contains("belongs to the database"), "{}", error.message);
}

/// A writer that dies over an emptied spool leaves it there. Were a position given again, the
/// database would pass by what it has not got.
#[test]
fn a_spool_that_was_emptied_gives_no_position_twice() {
    let place = SpoolFixture::new();
    let (mut journal, mut spool) = (place.journal(), place.spool());
    spool.append(&place.batch(1, 0..5), &[]).unwrap();
    let front = spool.front(100).unwrap();
    journal.take_over(spool.id(), &front).unwrap();
    spool.forget_through(front[0].position).unwrap();
    assert!(spool.is_empty());
    drop(spool);
    let mut spool = place.spool();
    spool.forget_through(journal.taken_over(spool.id())).unwrap();
    spool.append(&place.batch(2, 5..9), &[]).unwrap();
    let front = spool.front(100).unwrap();
    journal.take_over(spool.id(), &front).unwrap();
    assert_eq!(place.numbers(), (0..9).collect::<Vec<_>>());
}
