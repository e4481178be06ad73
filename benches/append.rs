//! What a batch costs: [`Journal::append`] beside one bare transaction of the same rows, and beside one fsync, all in the
//! same folder. The journal's transaction also holds the ledger, the account and the check of the file.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use barograph::os::lock::DatabaseLock;
use barograph::os::world;
use barograph::sqlite::{DamagedHandles, Opener, SqliteJournal};
use barograph_actors::message::account::Tally;
use barograph_actors::message::batch::{Batch, BatchId, Record};
use barograph_actors::message::delivery::{ConnectionId, Delivery};
use barograph_actors::message::route::Router;
use barograph_actors::mqtt::decode::decode;
use barograph_actors::ports::Journal;
use barograph_config::{Database, Qos, Route, Settings};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::{Connection, params};
use tempfile::TempDir;

const SIZES: [usize; 5] = [1, 10, 100, 1_000, 5_000];
/// What one commit of one row writes at least.
const PAGE: [u8; 4096] = [0; 4096];
const TOPIC: &str = "backacres/house/weatherstation/magneticfluxsensor/";
const INSERT: &str = "INSERT INTO magnetic_flux_data (x, y, z, created_at) VALUES (?1, ?2, ?3, ?4)";

fn append(criterion: &mut Criterion) {
    let folder = TempDir::new().expect("the temporary directory is writable");
    let settings = Settings::default_with("bench");
    let mut journal = journal(&folder, "journal.db", &settings);
    journal_of_nobody(&folder, &settings);
    let bare = Connection::open(folder.path().join("bare.db")).expect("made just now");
    bare.pragma_update(None, "synchronous", "FULL").expect("a pragma");
    let mut group = criterion.benchmark_group("append");
    let batches = Batches::new(&settings.routes);
    for size in SIZES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("journal", size), |bencher| {
            let write = |batch: &mut Batch| {
                journal.append(batch, &[]).expect("nobody locks it");
            };
            bencher.iter_batched_ref(|| batches.next(size), write, BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("bare", size), |bencher| {
            let write = |batch: &mut Batch| insert(&bare, &batch.records).expect("nobody locks it");
            bencher.iter_batched_ref(|| batches.next(size), write, BatchSize::PerIteration);
        });
    }
    group.throughput(Throughput::Elements(1));
    group.bench_function("fsync", |bencher| {
        let mut file = File::create(folder.path().join("fsync")).expect("our own folder");
        bencher.iter(|| file.write_all(&PAGE).and_then(|()| file.sync_all()).expect("a disk"));
    });
    group.finish();
}

fn journal(folder: &TempDir, name: &str, settings: &Settings) -> SqliteJournal {
    let database = Database { path: folder.path().join(name), ..settings.database.clone() };
    let opener = Opener {
        database,
        quarantine: settings.quarantine.clone(),
        router: Arc::new(Router::new(settings.routes.clone())),
        world: world::REAL,
        wrecks: DamagedHandles::default(),
        spool_dir: folder.path().join("spool"),
        lock: DatabaseLock::default(),
        client_id: String::new(),
    };
    opener.open_sqlite().expect("our own folder")
}

/// The bare inserts go into the very tables of the journal, in WAL mode.
fn journal_of_nobody(folder: &TempDir, settings: &Settings) {
    Box::new(journal(folder, "bare.db", settings)).close(true);
}

/// Batches as a steady connection brings them: each confirms the one before.
struct Batches {
    router: Router,
    made: Cell<i64>,
}

impl Batches {
    fn new(routes: &[Route]) -> Self {
        let router = Router::new(routes.to_vec());
        Self { router, made: Cell::new(0) }
    }

    fn next(&self, size: usize) -> Batch {
        self.made.set(self.made.get() + 1);
        Batch {
            id: BatchId { run: 1, number: self.made.get() },
            connection: ConnectionId(1),
            opening: None,
            records: (0..size).map(|number| self.record(number)).collect(),
            confirmed: Some(self.made.get() - 1),
            settled_filters: Vec::new(),
            ids_passed: 0,
            dropped: Tally::default(),
        }
    }

    fn record(&self, number: usize) -> Record {
        let payload = format!(r#"{{"x":{number},"y":-558,"z":-305}}"#);
        let delivery = Delivery {
            topic: TOPIC.to_owned(),
            whole_size: payload.len() as u64,
            packet_size: payload.len() as u64 + 56,
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            retain: false,
            dup: false,
            packet_id: u16::try_from(number + 1).expect("small batches"),
            received_at: world::now(),
            properties: Vec::new(),
        };
        decode(delivery, &self.router, 1 << 20)
    }
}

fn insert(connection: &Connection, records: &[Record]) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut statement = connection.prepare_cached(INSERT)?;
    for (number, _) in records.iter().enumerate() {
        let row = params![number as f64, -558.0, -305.0, "2025-10-03 08:24:05.007"];
        statement.execute(row)?;
    }
    connection.prepare_cached("COMMIT")?.execute([]).map(|_| ())
}

criterion_group!(benches, append);
criterion_main!(benches);
