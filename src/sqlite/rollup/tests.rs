//! What is read from buckets, from rows, or from both is what plain rows say, wherever the summing up is.

use std::collections::{BTreeMap, BTreeSet};

use barograph_actors::history::rollup::start_of;
use barograph_actors::message::delivery::UnixMillis;
use barograph_config::{Column, Derived, DerivedKind, Kind, Route};
use proptest::prelude::*;

use super::*;
use crate::sqlite::read::{Buckets, Question, Stat};
use barograph_actors::message::route::Router;

const NOW: i64 = 4_000_000_000_000;
const BEGIN: i64 = 1_759_449_570_000;

#[derive(Debug, Clone)]
struct RandomReading {
    step: i64,
    /// So much before the newest.
    late: Option<i64>,
    /// Without a fraction, as rows of old.
    whole: bool,
    odd: bool,
    a: Option<i64>,
    count: Option<i64>,
}

#[derive(Debug, Clone)]
enum RollupAction {
    Rows(Vec<RandomReading>),
    Up(i64),
    Down(i64),
    /// The process ends, and another one begins; perhaps with a derived value more or less.
    Restart(bool),
    Forget,
    /// Somebody drops one of the tables while no process runs.
    Drop(usize),
}

fn reading() -> impl Strategy<Value = RandomReading> {
    let step = prop::sample::select(vec![0_i64, 300, 1_000, 5_000, 61_000, 4_000_000]);
    let late = prop::option::weighted(0.15, 1_i64..6_000_000);
    let number = || prop::option::weighted(0.9, -50_i64..50);
    let count = prop::option::weighted(0.9, 0_i64..30);
    (step, late, any::<bool>(), prop::bool::weighted(0.05), number(), count).prop_map(
        |(step, late, whole, odd, a, count)| RandomReading { step, late, whole, odd, a, count },
    )
}

fn act() -> impl Strategy<Value = RollupAction> {
    prop_oneof![
        3 => prop::collection::vec(reading(), 1..30).prop_map(RollupAction::Rows),
        3 => (1_i64..40).prop_map(RollupAction::Up),
        3 => (1_i64..40).prop_map(RollupAction::Down),
        1 => any::<bool>().prop_map(RollupAction::Restart),
        1 => Just(RollupAction::Forget),
        1 => (0_usize..6).prop_map(RollupAction::Drop),
    ]
}

fn derived(name: &str, kind: DerivedKind, factor: f64) -> Derived {
    let of = vec![if kind == DerivedKind::Scale { "a" } else { "c" }.to_owned()];
    Derived { name: name.to_owned(), kind, of, unit: None, per: 0.5, factor, offset: 3.0 }
}

fn route(with_rate: bool) -> Route {
    let mut route = barograph_config::Settings::default_with("test").routes[1].clone();
    let column = |name: &str, kind| Column { name: name.into(), kind, ..route.columns[0].clone() };
    let columns = vec![column("a", Kind::Real), column("c", Kind::Integer)];
    (route.table, route.columns) = ("t".to_owned(), columns);
    let rate = derived("rate", DerivedKind::CounterRate, 2.0);
    route.derived = vec![
        derived("scaled", DerivedKind::Scale, -2.0),
        derived("delta", DerivedKind::CounterDelta, 0.25),
    ];
    route.derived.extend(with_rate.then_some(rate));
    route
}

struct RollupFixture {
    conn: Connection,
    tables: Vec<RollupTable>,
    newest: i64,
    count: i64,
    indexed: bool,
}

impl RollupFixture {
    fn new(indexed: bool) -> Self {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a REAL, c INTEGER, created_at \
             TIMESTAMP)",
        )
        .unwrap();
        if indexed {
            conn.execute_batch("CREATE INDEX i ON t (created_at)").unwrap();
        }
        let tables = plan::make(&conn, &Router::new(vec![route(false)])).unwrap();
        Self { conn, tables, newest: BEGIN, count: 0, indexed }
    }

    fn insert(&mut self, reading: &RandomReading) {
        self.newest += reading.step;
        let late = reading.late.filter(|_| self.indexed).unwrap_or(0);
        let mut at = UnixMillis(self.newest - late).to_string();
        if reading.whole && late == 0 {
            self.newest = start_of(self.newest, 1_000) + 1_000;
            at = UnixMillis(self.newest).to_string();
            at.truncate(19);
        }
        if reading.odd {
            at = "yesterday".to_owned();
        }
        // A negative step is a reset.
        let count = reading.count.map(|by| if by < 2 { by } else { self.count + by });
        self.count = count.unwrap_or(self.count);
        let insert = "INSERT INTO t (a, c, created_at) VALUES (?1, ?2, ?3)";
        self.conn.execute(insert, params![reading.a, count, at]).unwrap();
    }

    fn act(&mut self, act: &RollupAction) {
        match act {
            RollupAction::Rows(rows) => rows.iter().for_each(|row| self.insert(row)),
            RollupAction::Up(rows) => {
                let highest = rows::highest(&self.conn, "t").unwrap().unwrap_or(0);
                up(&self.conn, &mut self.tables[0], highest, *rows, NOW).unwrap();
            }
            RollupAction::Down(rows) if self.tables[0].top() > DONE => {
                down(&self.conn, &mut self.tables[0], *rows, NOW).unwrap();
            }
            RollupAction::Down(_) => {}
            RollupAction::Drop(place) => {
                let table = plan::all().nth(*place).unwrap();
                self.conn.execute_batch(&format!("DROP TABLE {table}")).unwrap();
                self.restart(false);
            }
            RollupAction::Restart(with_rate) => self.restart(*with_rate),
            RollupAction::Forget => {
                plan::forget(&self.conn, "t").unwrap();
                self.restart(false);
            }
        }
    }

    fn restart(&mut self, with_rate: bool) {
        self.tables = plan::make(&self.conn, &Router::new(vec![route(with_rate)])).unwrap();
        let mut remains = plan::remains(&self.conn).unwrap();
        while !remains.is_empty() {
            sweep(&self.conn, &mut remains).unwrap();
        }
    }

    /// Values by name: arrival, id, value. Plainly, from the first row to the last.
    fn values(&self) -> BTreeMap<&'static str, Vec<(i64, i64, f64)>> {
        let select = "SELECT id, a, c, CAST(round((julianday(created_at) - 2440587.5) * 86400000) AS \
             INTEGER) FROM t WHERE created_at <> 'yesterday' ORDER BY id";
        let mut statement = self.conn.prepare(select).unwrap();
        let rows = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            .unwrap();
        let mut values = BTreeMap::<_, Vec<(i64, i64, f64)>>::new();
        let (mut newest, mut before) = (i64::MIN, None::<(i64, f64)>);
        for row in rows {
            let (id, a, count, ms): (i64, Option<f64>, Option<f64>, i64) = row.unwrap();
            let mut push = |name, value| values.entry(name).or_default().push((ms, id, value));
            if let Some(a) = a {
                push("a", a);
                push("scaled", a * -2.0 + 3.0);
            }
            if let Some(count) = count {
                push("c", count);
            }
            if ms < newest {
                continue;
            }
            newest = ms;
            let Some(count) = count else { continue };
            if let Some((at, earlier)) = before {
                let by = if count < earlier { count } else { count - earlier };
                push("delta", by * 0.25 + 3.0);
                if ms > at {
                    push("rate", by * 1_000.0 / ((ms - at) as f64) / 0.5 * 2.0 + 3.0);
                }
            }
            before = Some((ms, count));
        }
        values
    }

    fn compare(&self, from: i64, to: i64, width: i64) {
        let names = ["a", "c", "scaled", "delta", "rate"].map(str::to_owned);
        let question =
            Question::new(&route(true), &names, (from, to), Buckets::Width(width), &[], NOW);
        let series = question.unwrap().ask(&self.conn).unwrap();
        assert_eq!(series.unfinished, None);
        let values = self.values();
        let (first, last) = (start_of(from, width), start_of(to - 1, width));
        let mut starts = BTreeSet::new();
        let mut expected = Vec::new();
        for name in &names {
            let mut buckets = BTreeMap::<i64, Vec<(i64, i64, f64)>>::new();
            for value in values.get(&name[..]).into_iter().flatten() {
                let start = start_of(value.0, width);
                if (first..=last).contains(&start) {
                    starts.insert(start);
                    buckets.entry(start).or_default().push(*value);
                }
            }
            expected.push(buckets);
        }
        assert_eq!(series.t, starts.iter().copied().collect::<Vec<_>>(), "{width}");
        for (column, buckets) in series.columns.iter().zip(&expected) {
            for stat in Stat::ALL {
                for (start, found) in starts.iter().zip(column.values(stat)) {
                    let plain = buckets.get(start).map(|values| told(stat, values));
                    let plain = plain.or((stat == Stat::Count).then_some(0.0));
                    let same = match (plain, found) {
                        (Some(plain), Some(found)) => {
                            (plain - found).abs() <= 1e-9 * plain.abs().max(1.0)
                        }
                        (plain, found) => plain == found,
                    };
                    let name = column.name();
                    assert!(same, "{name} {stat:?} at {start}: {found:?}, plainly {plain:?}");
                }
            }
        }
    }
}

fn told(stat: Stat, values: &[(i64, i64, f64)]) -> f64 {
    let all = || values.iter().map(|(.., value)| *value);
    let key = |value: &&(i64, i64, f64)| (value.0, value.1);
    match stat {
        Stat::Count => values.len() as f64,
        Stat::Min => all().fold(f64::INFINITY, f64::min),
        Stat::Max => all().fold(f64::NEG_INFINITY, f64::max),
        Stat::Mean => all().sum::<f64>() / values.len() as f64,
        Stat::Sum => all().sum(),
        Stat::First => values.iter().min_by_key(key).unwrap().2,
        Stat::Last => values.iter().max_by_key(key).unwrap().2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_summed_up_is_what_plain_rows_say(
        acts in prop::collection::vec(act(), 1..14),
        indexed in any::<bool>(),
        from in -10_000_000_i64..50_000_000,
        length in 1_i64..400_000_000,
    ) {
        let mut scene = RollupFixture::new(indexed);
        for act in &acts {
            scene.act(act);
            for width in [60_000, 900_000, 2_700_000, 7_200_000, 86_400_000] {
                scene.compare(BEGIN + from, BEGIN + from + length, width);
            }
            let narrow = length.min(50_000_000);
            scene.compare(BEGIN + from, BEGIN + from + narrow, 7_000);
        }
    }
}

#[test]
fn buckets_are_as_their_table_says_in_plain_sql() {
    let mut scene = RollupFixture::new(true);
    for (step, a) in [(0, 5), (20_000, 1), (20_000, 3), (90_000_000, 7)] {
        let (late, count) = (None, Some(9));
        scene.insert(&RandomReading { step, late, whole: false, odd: false, a: Some(a), count });
    }
    scene.act(&RollupAction::Up(100));
    let select = "SELECT concat_ws(' ', at, count, sum, min, max, first, first_at, last, last_at) FROM \
         barograph_rollup_hour WHERE series = (SELECT id FROM barograph_rollup_series WHERE tbl = 't' \
         AND name = 'a') ORDER BY at";
    let mut statement = scene.conn.prepare(select).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let rows: Vec<String> = rows.map(Result::unwrap).collect();
    assert_eq!(
        rows,
        [
            "1759446000 2 6.0 1.0 5.0 5.0 3570000 1.0 3590000",
            "1759449600 1 3.0 3.0 3.0 3.0 10000 3.0 10000",
            "1759539600 1 7.0 7.0 7.0 7.0 10000 7.0 10000"
        ]
    );
}
