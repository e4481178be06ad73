//! What the tests of this folder share: a database with known rows, its damage, and a salvage that is
//! driven to its end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::sqlite::journal::schema::OWN_TABLES;
use crate::sqlite::quoted;
use crate::sqlite::salvage::pages::Pages;
use crate::sqlite::salvage::tables;
use crate::sqlite::salvage::{Copied, Salvage, SalvageReport, SalvageStep, SalvagedValue, record};

/// The station's tables, as the recorder makes them.
pub(super) const ROUTES: &str = "
CREATE TABLE weather_data (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL,
    sample_interval INTEGER, temperature REAL, humidity REAL, pressure REAL, irradiance REAL,
    wind_direction INTEGER, rain_gauge_count INTEGER, anemometer_count INTEGER,
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
CREATE INDEX idx_weather_timestamp ON weather_data (timestamp);
CREATE TABLE magnetic_flux_data (id INTEGER PRIMARY KEY AUTOINCREMENT, x REAL NOT NULL,
    y REAL NOT NULL, z REAL NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
";
/// What an operator may have added.
pub(super) const OTHERS: &str = "
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, extra);
CREATE TABLE sensors (name TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID;
CREATE INDEX idx_notes ON notes (text);
CREATE VIEW warm AS SELECT * FROM weather_data WHERE temperature > 20;
CREATE TRIGGER noted AFTER INSERT ON notes BEGIN UPDATE notes SET extra = 'seen' WHERE id = new.id; END;
";

/// All rows of a database, by table and id.
pub(super) type SalvagedRows = BTreeMap<(String, i64), Vec<SalvagedValue>>;

/// A folder with a source, to be damaged, and what was in it.
pub(super) struct Bench {
    pub(super) folder: TempDir,
    pub(super) source: PathBuf,
    pub(super) rows: SalvagedRows,
}

/// What a salvage brought.
pub(super) struct Salvaged {
    pub(super) target: Connection,
    pub(super) rows: SalvagedRows,
    pub(super) report: SalvageReport,
    pub(super) copied: Vec<Copied>,
}

impl Bench {
    /// `weather` rows of weather; half as many of flux; some of the others. All in the file, and the last
    /// `in_wal` of each in the WAL only.
    pub(super) fn new(weather: i64, in_wal: i64) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let live = folder.path().join("live.db");
        let source = folder.path().join("weather.db.corrupt-1");
        let conn = create(&live, weather - in_wal);
        // With all rows in the WAL the tables are there, too.
        if in_wal < weather {
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            conn.query_row(checkpoint, [], |_| Ok(())).expect("a checkpoint");
        }
        fill(&conn, weather - in_wal, weather);
        let rows = rows_of(&conn);
        fs::copy(&live, &source).expect("a copy");
        fs::copy(beside(&live), beside(&source)).expect("a copy of the WAL");
        Self { folder, source, rows }
    }

    /// Overwrites bytes of the source.
    pub(super) fn overwrite(&self, at: usize, bytes: &[u8]) {
        let mut file = fs::read(&self.source).expect("the source");
        file[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(&self.source, file).expect("the source");
    }

    pub(super) fn pages(&self) -> Pages {
        Pages::open(&self.source).expect("the source")
    }

    /// The numbers of pages in the file that are inner pages of a tree.
    pub(super) fn inner_pages(&self) -> Vec<u32> {
        let pages = self.pages();
        let is_inner = |number: &u32| pages.read(*number).is_some_and(|page| page[0] == 5);
        (2..=pages.count).filter(is_inner).collect()
    }

    /// Leaves whose rows are those that the database had, so that the rows are surely reachable.
    pub(super) fn leaves(&self) -> BTreeMap<u32, Vec<i64>> {
        let pages = self.pages();
        let ids = |number| {
            let rows = record::rows(&pages, number, &pages.read(number)?)?;
            Some((number, rows.iter().map(|row| row.id).collect()))
        };
        (2..=pages.count).filter_map(ids).collect()
    }

    /// A new database as the recorder makes it when it has set the old one aside.
    pub(super) fn target(&self, name: &str) -> Connection {
        let path = self.folder.path().join(name);
        let conn = Connection::open(path).expect("a target");
        conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;").expect("WAL");
        make_tables(&conn);
        conn
    }

    /// Salvages the source into a new database.
    pub(super) fn salvage(&self, name: &str) -> Salvaged {
        let target = self.target(name);
        let mut salvage = Salvage::of_file(&self.source);
        drive(target, || None, &mut salvage)
    }

    /// The same, with every second step rolled back, and the salvage taken up anew after each step.
    pub(super) fn salvage_with_interruptions(&self, name: &str) -> Salvaged {
        let target = self.target(name);
        let mut salvage = Salvage::of_file(&self.source);
        drive(target, || Some(Salvage::of_file(&self.source)), &mut salvage)
    }
}

pub(super) fn beside(path: &Path) -> PathBuf {
    crate::sqlite::salvage::wal_path(path)
}

pub(super) fn make_tables(conn: &Connection) {
    conn.execute_batch(OWN_TABLES).expect("our tables");
    conn.execute_batch(crate::sqlite::salvage::TABLE).expect("our tables");
    conn.execute_batch(ROUTES).expect("the routes' tables");
}

pub(super) fn create(path: &Path, weather: i64) -> Connection {
    let conn = Connection::open(path).expect("a source");
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;").expect("WAL");
    make_tables(&conn);
    conn.execute_batch(OTHERS).expect("other tables");
    fill(&conn, 0, weather);
    conn
}

/// Rows `from + 1 ..= to`, and what goes with them.
pub(super) fn fill(conn: &Connection, from: i64, to: i64) {
    conn.execute_batch("BEGIN").expect("a transaction");
    let weather = "INSERT INTO weather_data (timestamp, sample_interval, temperature, humidity, \
        pressure, wind_direction, created_at) VALUES (?1, 5000, ?2, ?3, 1004.94, ?4, ?5)";
    let flux = "INSERT INTO magnetic_flux_data (x, y, z, created_at) VALUES (?1, ?2, ?3, ?4)";
    for n in from + 1..=to {
        let (at, real) = (format!("2025-01-01 00:00:{n:06}"), n as f64);
        let humidity = (n % 7 != 0).then_some(real / 3.0);
        conn.execute(weather, params![n, real, humidity, n % 360, at]).expect("a row");
        if n % 2 == 0 {
            conn.execute(flux, params![real, -real / 7.0, 0.5, at]).expect("a row");
        }
        if n % 50 == 0 {
            let long = format!("{n} ").repeat(if n % 200 == 0 { 2000 } else { 20 });
            conn.execute("INSERT INTO notes (text) VALUES (?1)", params![long]).expect("a row");
            let sensor = params![format!("sensor {n}"), "roof"];
            conn.execute("INSERT INTO sensors VALUES (?1, ?2)", sensor).expect("a row");
            let sql = "INSERT INTO barograph_quarantine (received_at, route, topic, payload, size, \
                qos, reason, detail) VALUES (?1, NULL, 'a/b', ?2, 3, 1, 'not_json', '')";
            conn.execute(sql, params![at, [n as u8; 300]]).expect("a row");
            let sql = "INSERT INTO barograph_ledger VALUES (NULL, 1, ?1, 1, 2, 0, 1, ?2)";
            conn.execute(sql, params![n, [n as u8; 22]]).expect("a row");
        }
    }
    conn.execute_batch(
        "INSERT OR REPLACE INTO barograph_meta VALUES ('session', 'mqtt://x as y'); \
         INSERT OR REPLACE INTO barograph_retained VALUES (77); COMMIT;",
    )
    .expect("the end");
}

/// All rows of tables with row ids that a salvage is to bring.
pub(super) fn rows_of(conn: &Connection) -> SalvagedRows {
    let mut rows = SalvagedRows::new();
    for table in tables::of(conn).expect("the tables") {
        let wanted = tables::is_copied(&table.name) || table.name == "barograph_ledger";
        if table.without_rowid || !wanted {
            continue;
        }
        let sql = format!("SELECT rowid, * FROM {}", quoted(&table.name));
        let mut statement = conn.prepare(&sql).expect("a query");
        let columns = statement.column_count();
        let mut found = statement.query([]).expect("rows");
        while let Some(row) = found.next().expect("a row") {
            let fields =
                (1..columns).map(|at| SalvagedValue::from(row.get_ref(at).expect("a value")));
            rows.insert((table.name.clone(), row.get(0).expect("an id")), fields.collect());
        }
    }
    rows
}

/// To the end, in transactions; `again` makes the salvage anew after each, and then every second one is
/// rolled back.
pub(super) fn drive(
    mut target: Connection,
    again: impl Fn() -> Option<Salvage>,
    salvage: &mut Salvage,
) -> Salvaged {
    let tx = target.transaction().expect("a transaction");
    salvage.begin(&tx).expect("begun");
    tx.commit().expect("a commit");
    let mut copied = Vec::new();
    for number in 0.. {
        assert!(number < 20_000, "it does not end");
        let mut anew = again();
        let interrupted = anew.is_some();
        let salvage = anew.as_mut().unwrap_or(salvage);
        let tx = target.transaction().expect("a transaction");
        let step = salvage.step(&tx, 97).expect("a step");
        if interrupted && number % 2 == 0 {
            tx.rollback().expect("a rollback");
            continue;
        }
        tx.commit().expect("a commit");
        match step {
            SalvageStep::Copied(runs) => {
                assert!(runs.iter().map(|run| run.rows).sum::<u64>() <= 97);
                runs.iter().for_each(|run| assert_exact(&target, run));
                copied.extend(runs);
            }
            SalvageStep::Finished(report) => {
                let rows = rows_of(&target);
                return Salvaged { target, rows, report, copied };
            }
        }
    }
    unreachable!("the loop returns or fails")
}

fn assert_exact(target: &Connection, run: &Copied) {
    let sql = format!("SELECT count(*) FROM {} WHERE rowid BETWEEN ?1 AND ?2", quoted(&run.table));
    let count: i64 =
        target.query_row(&sql, params![run.first, run.last], |row| row.get(0)).expect("a count");
    assert_eq!(count, i64::try_from(run.rows).expect("few"), "{run:?}");
}

impl Salvaged {
    /// Every row is one of the source; what is missing is told of.
    pub(super) fn assert_true_to(&self, source: &SalvagedRows, case: &str) {
        for (key, fields) in &self.rows {
            // The last overflow page of a long value may be damaged, and SQLite does not see it.
            let long = fields.iter().any(|field| field.size() > 3000);
            assert!(long || Some(fields) == source.get(key), "{case}: {key:?} {fields:?}");
            assert!(source.contains_key(key), "{case}: {key:?} {fields:?}");
        }
        for (table, id) in source.keys().filter(|key| !self.rows.contains_key(*key)) {
            // The ledger is brought at once or not; nobody is told of its rows.
            let told = self.report.lost.iter().any(|lost| {
                lost.table == *table
                    && lost.first.is_none_or(|first| first <= *id)
                    && lost.last.is_none_or(|last| *id <= last)
            });
            assert!(
                told || table == "barograph_ledger"
                    || (table == "notes" && self.report.tables_unknown),
                "{case}: {table} {id} is missing, and nobody says so: {:?}",
                self.report.lost
            );
        }
        assert_eq!(self.report.renumbered, 0, "{case}");
        assert_eq!(self.report.refused, 0, "{case}");
    }

    pub(super) fn missing(&self, source: &SalvagedRows) -> usize {
        source.keys().filter(|key| !self.rows.contains_key(*key)).count()
    }

    pub(super) fn assert_same_as(&self, other: &Self, case: &str) {
        assert!(self.rows == other.rows, "{case}: the rows differ");
        assert_eq!(self.report, other.report, "{case}");
        assert_eq!(self.copied, other.copied, "{case}");
    }
}

/// Bytes that follow no pattern, the same for the same seed.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| byte()).collect()
}
