//! What the journal writes, beside a store in memory that carries out the plan: over random batches both write the
//! same, and give the same receipts.

mod made;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use barograph_actors::db_writer::plan::{Known, LedgerState, NoticedGap, Placed, plan};
use barograph_actors::message::account::{
    Drop as Dropped, Outcome, Reason, Repeat, RouteId, Tally,
};
use barograph_actors::message::batch::{
    Batch, BatchId, Body, Opening, Receipt, Record, RowRefusal, Value,
};
use barograph_actors::message::delivery::{ConnectionId, UnixMillis};
use barograph_actors::message::note::Event;
use barograph_actors::message::route::Router;
use barograph_actors::ports::{Environment, Journal, Spooled};
use barograph_config::{Kind, Qos, Route, Settings};
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use self::made::{Begin, JournalStep, Made, MadeBatch, step};
use super::digests::assert_that_digests_hold;
use super::{SqliteJournal, rows};
use crate::os::lock::DatabaseLock;
use crate::sqlite::journal::file::DamagedHandles;
use crate::sqlite::journal::open::Opener;

thread_local! {
    /// Milliseconds since 1970; a journal is used by one thread.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

const WORLD: Environment = Environment {
    now: || UnixMillis(NOW.get()),
    jitter: || 1.0,
    random: || 4_711,
    minute_of_day: || 720,
};

/// Route 0 takes any row; route 1 has a natural key, and a column that must not be NULL.
fn routes() -> Vec<Route> {
    let made = |name: &str, is_strict: bool| {
        let mut route = Settings::default_with("test").routes[1].clone();
        route.columns.truncate(1);
        let column = &mut route.columns[0];
        (column.name, column.kind, column.required) = ("n".to_owned(), Kind::Integer, is_strict);
        route.unique = if is_strict { vec!["n".to_owned()] } else { Vec::new() };
        (route.derived, route.indexes) = (Vec::new(), Vec::new());
        Route { table: name.to_owned(), ..route }.on(&format!("{name}/#"))
    };
    vec![made("plain", false), made("strict", true)]
}

fn refusal(reason: Reason) -> RowRefusal {
    RowRefusal { reason, detail: "bad".to_owned() }
}

/// What is stored, as both say it.
#[derive(Debug, Default, PartialEq)]
struct Written {
    /// Table and number, in order.
    rows: Vec<(String, Option<i64>)>,
    account: BTreeMap<(String, String, String), i64>,
    /// Cause or name, times, detail.
    gaps: Vec<(String, String, String, String)>,
    events: Vec<(String, String, String)>,
}

/// A store in memory.
#[derive(Default)]
struct Model {
    state: LedgerState,
    known: Known,
    written: Written,
}

impl Model {
    fn append(&mut self, batch: &Batch, router: &Router) -> Receipt {
        if self.known.has(batch.id) {
            return Receipt::repeated();
        }
        let now = UnixMillis(NOW.get());
        let plan = plan(&self.known, batch, &self.state.rows, router, now);
        let written = &mut self.written;
        let placed = plan.place(|record| Ok::<_, Infallible>(written.place(record, router)));
        let Ok(outcomes) = placed;
        self.written.count(&outcomes.tally, router);
        self.state.apply(&plan, &outcomes);
        plan.gaps.iter().for_each(|gap| self.written.note(gap));
        self.known.adopt(plan, outcomes)
    }
}

impl Written {
    fn place(&mut self, record: &Record, router: &Router) -> Placed {
        let rows = match &record.body {
            Body::Rows(rows) if record.route.0.is_some() => rows,
            Body::Rows(_) => return Outcome::Quarantined(Reason::NoRoute).into(),
            Body::Quarantined(refusal) => return Outcome::Quarantined(refusal.reason).into(),
            Body::Filtered(filtered) => return Outcome::Filtered(*filtered).into(),
        };
        let before = self.rows.len();
        for values in rows.iter() {
            let n = match values[0] {
                Value::Integer(n) => Some(n),
                Value::Null | Value::Real(_) | Value::Text(_) => None,
                Value::Time(_) | Value::Blob(_) => None,
            };
            let row = (router.name(record.route).to_owned(), n);
            if row.0 == "strict" && n.is_none() {
                self.rows.truncate(before);
                return Outcome::Quarantined(Reason::RefusedByTable).into();
            }
            if row.0 != "strict" || !self.rows.contains(&row) {
                self.rows.push(row);
            }
        }
        match (self.rows.len() - before) as u64 {
            0 => Outcome::Duplicate(Repeat::Unique).into(),
            rows => Placed { outcome: Outcome::Stored, rows },
        }
    }

    fn count(&mut self, tally: &Tally, router: &Router) {
        for (route, (outcome, reason), n) in tally.lines() {
            let key = (router.name(route).to_owned(), outcome.to_owned(), reason.to_owned());
            *self.account.entry(key).or_default() += n.cast_signed();
        }
    }

    fn note(&mut self, gap: &NoticedGap) {
        let (from, to, detail) = (gap.from.to_string(), gap.to.to_string(), gap.detail.clone());
        self.gaps.push((gap.cause.word().to_owned(), from, to, detail));
        let Event { name, at, detail } = gap.event();
        self.events.push((name.to_owned(), at.to_string(), detail));
    }
}

/// The database, and the file that it is in.
struct TestDatabase {
    journal: Option<SqliteJournal>,
    folder: TempDir,
    router: Arc<Router>,
}

impl TestDatabase {
    fn new(router: Arc<Router>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Self { journal: None, folder, router };
        database.reopen();
        database
    }

    /// As after a crash: nothing is closed in order.
    fn reopen(&mut self) {
        self.journal = None;
        let mut settings = Settings::default_with("test").database;
        settings.path = self.folder.path().join("data.db");
        let opener = Opener {
            database: settings,
            quarantine: Settings::default_with("test").quarantine,
            router: Arc::clone(&self.router),
            world: WORLD,
            wrecks: DamagedHandles::default(),
            spool_dir: self.folder.path().join("spool"),
            lock: DatabaseLock::default(),
            client_id: String::new(),
        };
        self.journal = Some(opener.open_sqlite().unwrap());
    }

    fn journal(&mut self) -> &mut SqliteJournal {
        self.journal.as_mut().expect("open between two steps")
    }

    fn texts<const N: usize>(&mut self, select: &str) -> Vec<[String; N]> {
        let mut statement = self.journal().conn.prepare(select).unwrap();
        let rows = statement.query_map([], |row| {
            let mut texts = [const { String::new() }; N];
            for (index, text) in texts.iter_mut().enumerate() {
                *text = row.get::<_, Option<String>>(index)?.unwrap_or_default();
            }
            Ok(texts)
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    fn written(&mut self) -> Written {
        let mut written = Written::default();
        for table in ["plain", "strict"] {
            let select = format!("SELECT CAST(n AS TEXT) FROM {table} ORDER BY id");
            let rows = self.texts::<1>(&select).into_iter();
            written.rows.extend(rows.map(|[n]| (table.to_owned(), n.parse().ok())));
        }
        let select = "SELECT route, outcome, reason, CAST(count AS TEXT) FROM barograph_accounting";
        let account = self.texts(select).into_iter();
        written.account = account.map(|[a, b, c, n]| ((a, b, c), n.parse().unwrap())).collect();
        let select = "SELECT cause, from_at, to_at, detail FROM barograph_gaps ORDER BY id";
        written.gaps = self.texts(select).into_iter().map(|[a, b, c, d]| (a, b, c, d)).collect();
        let select = "SELECT event, at, detail FROM barograph_events WHERE event LIKE 'broker_%' ORDER BY id";
        written.events = self.texts(select).into_iter().map(|[a, b, c]| (a, b, c)).collect();
        written
    }

    fn state(&mut self) -> LedgerState {
        rows::ledger_state(&self.journal().conn).unwrap()
    }
}

/// Both, side by side.
struct Pair {
    database: TestDatabase,
    model: Model,
    made: Vec<Batch>,
    connection: i64,
}

impl Pair {
    fn new() -> Self {
        NOW.set(1_000);
        let database = TestDatabase::new(Arc::new(Router::new(routes())));
        Self { database, model: Model::default(), made: Vec::new(), connection: 1 }
    }

    fn batch(&mut self, made: &MadeBatch) -> Batch {
        self.connection += i64::from(made.begin.is_some());
        let number = self.made.len() as i64 + 1;
        let mut dropped = Tally::default();
        if made.dropped > 0 {
            dropped.add(RouteId(Some(0)), Outcome::Dropped(Dropped::Holding), made.dropped);
        }
        let batch = Batch {
            id: BatchId { run: 1, number },
            connection: ConnectionId(self.connection),
            opening: made.begin.as_ref().map(|begin| Opening {
                session_present: begin.is_known,
                session: begin.session.to_owned(),
                at: UnixMillis(NOW.get()),
            }),
            records: made.records.iter().map(Made::record).collect(),
            confirmed: made.confirmed.map(|back| number - 1 - back),
            settled_filters: made.settles.iter().map(|&filter| filter.to_owned()).collect(),
            ids_passed: made.ids_passed,
            dropped,
        };
        self.made.push(batch.clone());
        batch
    }

    fn write(&mut self, batch: &Batch) {
        let receipt = self.database.journal().append(batch, &[]).unwrap();
        let expected = self.model.append(batch, &self.database.router);
        assert_same(&receipt, &expected);
    }

    fn take(&mut self, step: &JournalStep) {
        NOW.set(NOW.get() + 1_000);
        match step {
            JournalStep::Write(made) => {
                let batch = self.batch(made);
                self.write(&batch);
            }
            JournalStep::TakeOver(made) => self.take_over(made),
            JournalStep::Again => {
                if let Some(batch) = self.made.last().cloned() {
                    self.write(&batch);
                }
            }
            JournalStep::Restart => {
                self.database.reopen();
                self.model.known = Known::load(self.model.state.clone());
            }
            JournalStep::Redeliver { back, dup } => self.redeliver(*back, *dup),
        }
        self.assert_equal();
    }

    fn take_over(&mut self, made: &[MadeBatch]) {
        let batches: Vec<Batch> = made.iter().map(|made| self.batch(made)).collect();
        let front = batches.iter().map(|batch| Spooled {
            position: batch.id.number,
            batch: Some(batch.clone()),
            notes: Vec::new(),
        });
        let front: Vec<Spooled> = front.collect();
        let receipts = self.database.journal().take_over(7, &front).unwrap();
        assert_eq!(receipts.len(), batches.len());
        for (batch, receipt) in batches.iter().zip(receipts) {
            assert_same(&receipt, &self.model.append(batch, &self.database.router));
        }
    }

    fn redeliver(&mut self, back: usize, dup: bool) {
        let Some(earlier) = self.made.iter().rev().nth(back).cloned() else { return };
        let begin = Some(Begin { is_known: true, session: "s" });
        let (records, settles) = (Vec::new(), &[][..]);
        let made =
            MadeBatch { begin, records, confirmed: None, settles, ids_passed: 0, dropped: 0 };
        let mut batch = self.batch(&made);
        batch.records = earlier.records;
        batch.records.iter_mut().for_each(|record| (record.dup, record.retain) = (dup, false));
        self.write(&batch);
    }

    fn assert_equal(&mut self) {
        let (state, expected) = (self.database.state(), &self.model.state);
        assert_eq!(state.rows, expected.rows);
        assert_eq!(state.session, expected.session);
        assert_eq!(state.settled_filters, expected.settled_filters);
        assert_eq!(state.retained, expected.retained);
        let mut expected = std::mem::take(&mut self.model.written);
        expected.rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(self.database.written(), expected);
        let tables = ["plain", "strict"];
        assert_eq!(
            assert_that_digests_hold(&self.database.journal().conn, &tables),
            expected.rows.len()
        );
        self.model.written = expected;
    }
}

fn assert_same(a: &Receipt, b: &Receipt) {
    assert_eq!(
        (a.repeated, &a.tally, &a.events, &a.passed_by),
        (b.repeated, &b.tally, &b.events, &b.passed_by)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_database_holds_what_the_plan_says(steps in vec(step(), 1..24)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
        }
    }
}

/// Enough deliveries for the ledger's table to be trimmed: while some of the first are not confirmed, and after
/// their packet ids may have come round.
#[test]
fn a_trimmed_ledger_holds_what_the_plan_says() {
    let mut pair = Pair::new();
    for number in 0..26_u16 {
        let (ids, some_of_the_first) = match number {
            0 => (60_000..60_500, 0..0),
            2 => (1..3_001, 60_000..60_100),
            _ => (1..3_001, 0..0),
        };
        let made = |packet_id| Made {
            qos: Qos::AtLeastOnce,
            packet_id,
            digest: u64::from(packet_id),
            dup: number > 1,
            retain: false,
            route: Some(0),
            is_good: false,
            further: None,
        };
        // Each second batch is redelivered, and so takes no packet ids.
        let begins = number == 1 || number % 2 == 0;
        let begin = begins.then_some(Begin { is_known: number > 0, session: "s" });
        let batch = MadeBatch {
            begin,
            records: ids.chain(some_of_the_first).map(made).collect(),
            confirmed: Some(0).filter(|_| number > 2),
            settles: &[],
            ids_passed: 0,
            dropped: 0,
        };
        pair.take(&JournalStep::Write(batch));
        if number == 17 {
            let rows = &pair.model.state.rows;
            assert!(rows.len() < 18 && rows[0].number == 1, "the first one stays, others went");
            assert_eq!(rows[0].entries.len(), 400, "the others were delivered again");
            pair.take(&JournalStep::Restart);
        }
    }
    assert!(pair.model.state.rows[0].number > 1, "its packet ids may mean other messages");
    pair.take(&JournalStep::Redeliver { back: 25, dup: true });
}
