//! The tables of the spool, and how a batch becomes rows of theirs and is read back.

use std::path::Path;
use std::sync::Arc;

use barograph_actors::message::account::{Drop as Dropped, Filtered, Outcome, Reason, Tally};
use barograph_actors::message::batch::{Batch, BatchId, Body, Opening, Record, RowRefusal};
use barograph_actors::message::delivery::{ConnectionId, Delivery, UnixMillis};
use barograph_actors::message::event;
use barograph_actors::message::note::{
    Event, GapCause, GapChange, GapStep, Note, RunBegins, Stats,
};
use barograph_actors::message::route::Router;
use barograph_actors::mqtt::decode::decode;
use barograph_actors::ports::Spooled;
use barograph_config::Qos;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::sqlite::journal::rows;
use crate::sqlite::journal::schema;

/// The spool's tables. An entry is a batch, or notes alone (`run` is NULL then).
pub(in crate::sqlite) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS barograph_meta (
    key TEXT PRIMARY KEY, value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spool_entries (
    position INTEGER PRIMARY KEY, at INTEGER NOT NULL, run INTEGER, batch INTEGER, connection INTEGER,
    confirmed INTEGER, opening TEXT, settled TEXT, dropped TEXT, notes TEXT NOT NULL,
    ids_passed INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS spool_records (
    id INTEGER PRIMARY KEY, position INTEGER NOT NULL, route TEXT NOT NULL, received_at INTEGER NOT NULL,
    qos INTEGER NOT NULL, packet_id INTEGER NOT NULL, dup INTEGER NOT NULL, retain INTEGER NOT NULL,
    digest INTEGER NOT NULL, whole_size INTEGER NOT NULL, packet_size INTEGER NOT NULL, topic TEXT NOT NULL,
    payload BLOB NOT NULL, filtered TEXT, properties TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS spool_records_position ON spool_records (position);
";

const ID: &str = "id";
const DATABASE: &str = "database";
/// The position of the last entry there ever was: one that was taken over is not given again.
const POSITION: &str = "position";

const RECORD_INSERT: &str = "INSERT INTO spool_records (position, route, received_at, qos, packet_id, \
     dup, retain, digest, whole_size, packet_size, topic, payload, filtered, properties) VALUES (?1, ?2, \
     ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// How a delivery becomes a record again.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct Decoding {
    pub(in crate::sqlite) router: Arc<Router>,
    pub(in crate::sqlite) packet_max: u64,
}

/// Why the spool cannot be set up.
pub(in crate::sqlite) enum SetUp {
    Sqlite(rusqlite::Error),
    /// It is another database's.
    Foreign(String),
}

impl From<rusqlite::Error> for SetUp {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Pragmas and tables; each pragma's answer is read back.
pub(in crate::sqlite) fn set_up(
    conn: &mut Connection,
    id: i64,
    database: &Path,
) -> Result<(), SetUp> {
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    conn.execute_batch("PRAGMA synchronous = FULL")?;
    let synchronous: i64 = conn.query_row("PRAGMA synchronous", [], |row| row.get(0))?;
    if mode != "wal" || synchronous != 2 {
        let detail = format!("journal_mode is {mode}, synchronous is {synchronous}");
        return Err(SetUp::Foreign(detail));
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(TABLES)?;
    if !schema::has_column(&tx, "spool_entries", "ids_passed")? {
        tx.execute_batch(
            "ALTER TABLE spool_entries ADD COLUMN ids_passed INTEGER NOT NULL DEFAULT 0",
        )?;
    }
    let database_text = database.to_string_lossy();
    for column in ["filtered", "properties"] {
        if !schema::has_column(&tx, "spool_records", column)? {
            tx.execute_batch(&format!("ALTER TABLE spool_records ADD COLUMN {column} TEXT"))?;
        }
    }
    match rows::meta(&tx, DATABASE)? {
        Some(other) if other != database_text && Path::new(&other).exists() => {
            return Err(SetUp::Foreign(format!(
                "it belongs to the database {other}; set spool.dir to another folder"
            )));
        }
        Some(_) => {}
        None => rows::set_meta(&tx, ID, &id.to_string())?,
    }
    rows::set_meta(&tx, DATABASE, &database_text)?;
    // A file whose id was lost gets a new one: its positions are then new, too.
    if rows::meta(&tx, ID)?.is_none() {
        rows::set_meta(&tx, ID, &id.to_string())?;
    }
    tx.commit()?;
    Ok(())
}

fn number(conn: &Connection, key: &str) -> rusqlite::Result<i64> {
    Ok(rows::meta(conn, key)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Drawn when the spool was made.
pub(in crate::sqlite) fn id(conn: &Connection) -> rusqlite::Result<i64> {
    number(conn, ID)
}

pub(in crate::sqlite) fn last_position(conn: &Connection) -> rusqlite::Result<i64> {
    let there: Option<i64> =
        conn.query_row("SELECT max(position) FROM spool_entries", [], |row| row.get(0))?;
    Ok(number(conn, POSITION)?.max(there.unwrap_or(0)))
}

/// Position and number of records of each entry.
pub(in crate::sqlite) fn queue<C: FromIterator<(i64, u64)>>(
    conn: &Connection,
) -> rusqlite::Result<C> {
    let select = "SELECT e.position, (SELECT count(*) FROM spool_records r WHERE r.position = \
         e.position) FROM spool_entries e ORDER BY e.position";
    let mut statement = conn.prepare(select)?;
    let entries =
        statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
    entries.collect()
}

/// The batch at the end of the queue.
pub(in crate::sqlite) fn last_batch(conn: &Connection) -> rusqlite::Result<Option<BatchId>> {
    let select = "SELECT run, batch FROM spool_entries WHERE run IS NOT NULL ORDER BY position DESC \
         LIMIT 1";
    conn.query_row(select, [], |row| Ok(BatchId { run: row.get(0)?, number: row.get(1)? }))
        .optional()
}

/// When something was last written: a heartbeat, or an entry that is there.
pub(in crate::sqlite) fn last_seen(conn: &Connection) -> rusqlite::Result<Option<UnixMillis>> {
    let by_heartbeat =
        rows::meta(conn, crate::sqlite::journal::notes::SEEN)?.and_then(|text| text.parse().ok());
    let by_entry: Option<i64> =
        conn.query_row("SELECT max(at) FROM spool_entries", [], |row| row.get(0))?;
    Ok(by_heartbeat.max(by_entry).map(UnixMillis))
}

/// Bytes of pages that are in use.
pub(in crate::sqlite) fn used_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| -> rusqlite::Result<u64> {
        let n: i64 =
            conn.prepare_cached(&format!("PRAGMA {name}"))?.query_row([], |row| row.get(0))?;
        Ok(n.cast_unsigned())
    };
    Ok((pragma("page_count")?.saturating_sub(pragma("freelist_count")?)) * pragma("page_size")?)
}

/// Writes an entry.
pub(in crate::sqlite) fn insert(
    conn: &Connection,
    router: &Router,
    position: i64,
    now: UnixMillis,
    batch: Option<&Batch>,
    notes: &[Note],
) -> rusqlite::Result<()> {
    let insert = "INSERT INTO spool_entries (position, at, run, batch, connection, confirmed, opening, \
         settled, dropped, notes, ids_passed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    conn.prepare_cached(insert)?.execute(params![
        position,
        now.0,
        batch.map(|batch| batch.id.run),
        batch.map(|batch| batch.id.number),
        batch.map(|batch| batch.connection.0),
        batch.and_then(|batch| batch.confirmed),
        batch.and_then(|batch| batch.opening.as_ref()).map(|opening| json!(opening).to_string()),
        batch.map(|batch| Json::from(batch.settled_filters.clone()).to_string()),
        batch.map(|batch| dropped_json(&batch.dropped, router).to_string()),
        json!(notes.iter().map(stored_note).collect::<Vec<_>>()).to_string(),
        batch.map_or(0, |batch| batch.ids_passed),
    ])?;
    rows::set_meta(conn, POSITION, &position.to_string())?;
    let mut statement = conn.prepare_cached(RECORD_INSERT)?;
    for record in batch.iter().flat_map(|batch| &batch.records) {
        statement.execute(params![
            position,
            router.name(record.route),
            record.received_at.0,
            record.qos as u8,
            record.packet_id,
            record.dup,
            record.retain,
            record.digest.cast_signed(),
            rows::as_i64(record.whole_size),
            rows::as_i64(record.packet_size),
            record.topic,
            &record.payload[..],
            filtered_word(record),
            properties_text(record),
        ])?;
    }
    Ok(())
}

/// Reads entries back, in order.
pub(in crate::sqlite) fn read(
    conn: &Connection,
    decoding: &Decoding,
    first: i64,
    last: i64,
) -> rusqlite::Result<Vec<Spooled>> {
    let select = "SELECT position, run, batch, connection, confirmed, opening, settled, dropped, notes, \
         ids_passed FROM spool_entries WHERE position BETWEEN ?1 AND ?2 ORDER BY position";
    let mut statement = conn.prepare_cached(select)?;
    let entries = statement.query_map(params![first, last], |row| read_entry(row, decoding))?;
    let mut entries: Vec<Spooled> = entries.collect::<rusqlite::Result<_>>()?;
    let select = "SELECT position, received_at, qos, packet_id, dup, retain, digest, whole_size, \
         packet_size, topic, payload, filtered, properties FROM spool_records WHERE position BETWEEN ?1 AND ?2 ORDER BY id";
    let mut statement = conn.prepare_cached(select)?;
    let mut records = statement.query(params![first, last])?;
    while let Some(row) = records.next()? {
        let position: i64 = row.get(0)?;
        let record = read_record(row, decoding)?;
        let entry = entries.binary_search_by_key(&position, |entry| entry.position);
        if let Some(batch) = entry.ok().and_then(|index| entries[index].batch.as_mut()) {
            batch.records.push(record);
        }
    }
    Ok(entries)
}

fn read_entry(row: &Row<'_>, decoding: &Decoding) -> rusqlite::Result<Spooled> {
    let json = |index: usize| -> rusqlite::Result<Json> {
        let text: Option<String> = row.get(index)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Json::Null))
    };
    let notes = json(8)?;
    let notes = notes
        .as_array()
        .map_or_else(Vec::new, |notes| notes.iter().filter_map(note_from).collect());
    let run: Option<i64> = row.get(1)?;
    let batch = match run {
        None => None,
        Some(run) => Some(Batch {
            id: BatchId { run, number: row.get(2)? },
            connection: ConnectionId(row.get(3)?),
            opening: Opening::deserialize(json(5)?).ok(),
            records: Vec::new(),
            confirmed: row.get(4)?,
            settled_filters: rows::strings(json(6)?),
            ids_passed: row.get(9)?,
            dropped: dropped_from(&json(7)?, &decoding.router),
        }),
    };
    Ok(Spooled { position: row.get(0)?, batch, notes })
}

/// As it was decoded when it came, but by today's routes. The digest is the one of that time: of a
/// payload that was too large only the first bytes are left.
fn read_record(row: &Row<'_>, decoding: &Decoding) -> rusqlite::Result<Record> {
    let qos: u8 = row.get(2)?;
    let digest: i64 = row.get(6)?;
    let delivery = Delivery {
        received_at: UnixMillis(row.get(1)?),
        qos: match qos {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        },
        packet_id: row.get(3)?,
        dup: row.get(4)?,
        retain: row.get(5)?,
        whole_size: row.get::<_, i64>(7)?.cast_unsigned(),
        packet_size: row.get::<_, i64>(8)?.cast_unsigned(),
        topic: row.get(9)?,
        payload: Bytes::from(row.get::<_, Vec<u8>>(10)?),
        properties: row
            .get::<_, Option<String>>(12)?
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default(),
    };
    let filtered: Option<String> = row.get(11)?;
    let payload = delivery.payload.clone();
    let record = decode(delivery, &decoding.router, decoding.packet_max);
    let record = Record { digest: digest.cast_unsigned(), ..record };
    Ok(match (filtered.as_deref().and_then(Filtered::from_word), &record.body) {
        (Some(filtered), _) => Record { body: Body::Filtered(filtered), ..record },
        // It was taken as a message to be stored.
        (None, Body::Filtered(_)) => {
            let detail = "the route that took it is gone, or filters it now".to_owned();
            let refusal = RowRefusal { reason: Reason::NoRoute, detail };
            Record { body: Body::Quarantined(refusal), payload, ..record }
        }
        (None, Body::Rows(_) | Body::Quarantined(_)) => record,
    })
}

/// Of a message that was filtered when it came, the reason.
fn filtered_word(record: &Record) -> Option<&'static str> {
    match &record.body {
        Body::Filtered(filtered) => Some(filtered.word()),
        Body::Rows(_) | Body::Quarantined(_) => None,
    }
}

/// User properties as JSON; `None` where there are none.
fn properties_text(record: &Record) -> Option<String> {
    (!record.properties.is_empty()).then(|| json!(record.properties).to_string())
}

/// Deletes what was taken over.
pub(in crate::sqlite) fn delete_through(conn: &Connection, position: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM spool_records WHERE position <= ?1")?.execute([position])?;
    conn.prepare_cached("DELETE FROM spool_entries WHERE position <= ?1")?.execute([position])?;
    Ok(())
}

fn dropped_json(dropped: &Tally, router: &Router) -> Json {
    let rows =
        dropped.iter().map(|(route, outcome, n)| json!([router.name(route), outcome.words().1, n]));
    Json::from(rows.collect::<Vec<_>>())
}

fn dropped_from(json: &Json, router: &Router) -> Tally {
    let mut tally = Tally::default();
    for row in json.as_array().into_iter().flatten() {
        let (Some(name), Some(reason), Some(n)) =
            (row[0].as_str(), row[1].as_str(), row[2].as_u64())
        else {
            continue;
        };
        let route = router.id_of(name);
        let outcome = Outcome::from_words("dropped", reason);
        tally.add(route, outcome.unwrap_or(Outcome::Dropped(Dropped::Holding)), n);
    }
    tally
}

/// A note as text. What another version wrote has the same keys, as far as it has them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredNote {
    Event { event: String, at: UnixMillis, detail: String },
    Stats { at: UnixMillis, stats: Box<Stats> },
    RunBegins { run: UnixMillis, spool_seen: Option<UnixMillis> },
    GapClosed { gap: String, route: Option<String>, to: UnixMillis },
    GapOpened { gap: String, route: Option<String>, from: UnixMillis, detail: String },
}

fn stored_note(note: &Note) -> StoredNote {
    match note.clone() {
        Note::Event(Event { name, at, detail }) => {
            StoredNote::Event { event: name.to_owned(), at, detail }
        }
        Note::Gap(GapChange { cause, route, step }) => {
            let gap = cause.word().to_owned();
            match step {
                GapStep::Opened { from, detail } => {
                    StoredNote::GapOpened { gap, route, from, detail }
                }
                GapStep::Closed { to } => StoredNote::GapClosed { gap, route, to },
            }
        }
        Note::Stats(stats) => StoredNote::Stats { at: stats.at, stats },
        Note::RunBegins(RunBegins { started, spool_seen }) => {
            StoredNote::RunBegins { run: started, spool_seen }
        }
    }
}

pub(in crate::sqlite) fn note_from(json: &Json) -> Option<Note> {
    Some(match StoredNote::deserialize(json).ok()? {
        StoredNote::Event { event, at, detail } => {
            Note::Event(Event { name: event::known(&event)?, at, detail })
        }
        StoredNote::Stats { at, stats } => Note::Stats(Box::new(Stats { at, ..*stats })),
        StoredNote::RunBegins { run, spool_seen } => {
            Note::RunBegins(RunBegins { started: run, spool_seen })
        }
        StoredNote::GapClosed { gap, route, to } => {
            Note::gap_closed(GapCause::from_word(&gap)?, route, to)
        }
        StoredNote::GapOpened { gap, route, from, detail } => {
            Note::gap_opened(GapCause::from_word(&gap)?, route, from, detail)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_went_in() {
        let route = Some("weather_data".to_owned());
        let (at, detail) = (UnixMillis(7), "a \"sentence\"".to_owned());
        for note in [
            Note::Event(Event { name: event::MODE_CHANGED, at, detail: detail.clone() }),
            Note::gap_opened(GapCause::RouteSilent, route.clone(), at, detail),
            Note::gap_closed(GapCause::Holding, None, at),
            Note::Stats(Box::new(counted())),
            Note::RunBegins(RunBegins { started: at, spool_seen: None }),
            Note::RunBegins(RunBegins { started: at, spool_seen: Some(UnixMillis(-1)) }),
        ] {
            assert_eq!(note_from(&json!(stored_note(&note))), Some(note));
        }
    }

    /// Each count another number, so that none can be mistaken for its neighbour.
    fn counted() -> Stats {
        Stats {
            at: UnixMillis(1),
            period_ms: 2,
            received: 3,
            stored: 4,
            duplicate: 5,
            filtered: 14,
            quarantined: 6,
            dropped: 7,
            spooled: 8,
            held: 9,
            commits: 10,
            failed_writes: 11,
            slowest_commit_ms: 12,
            restarts: 13,
            mode: "degraded".to_owned(),
        }
    }

    /// A spool that an earlier version left is taken over by this one, and what a later version may
    /// write stops nobody.
    #[test]
    fn notes_of_other_versions_are_read_as_far_as_they_are_known() {
        let read = |text: &str| note_from(&serde_json::from_str(text).unwrap());
        let event = r#"{"at":7,"detail":"why","event":"mode_changed"}"#;
        let opened = r#"{"detail":"why","from":7,"gap":"holding","route":null}"#;
        let closed = r#"{"gap":"route_silent","route":"a","to":7}"#;
        let (at, detail) = (UnixMillis(7), "why".to_owned());
        let expected = Note::Event(Event { name: event::MODE_CHANGED, at, detail });
        assert_eq!(read(event), Some(expected));
        assert_eq!(read(opened), Some(Note::gap_opened(GapCause::Holding, None, at, "why")));
        let silent = Note::gap_closed(GapCause::RouteSilent, Some("a".into()), at);
        assert_eq!(read(closed), Some(silent));
        let fewer = Stats { at, stored: 4, ..Stats::default() };
        let counts = r#"{"at":7,"stats":{"stored":4,"from_the_future":5}}"#;
        assert_eq!(read(counts), Some(Note::Stats(Box::new(fewer))));
        assert_eq!(read(r#"{"at":7,"from_the_future":{}}"#), None);
    }
}
