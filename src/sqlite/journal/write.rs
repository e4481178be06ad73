//! What a batch's transaction does, before it is committed.

use barograph_actors::db_writer::ledger::{Ledger, Row, blob};
use barograph_actors::db_writer::plan::history::{LedgerHistory, Trim};
use barograph_actors::db_writer::plan::retained::RetainedSeen;
use barograph_actors::message::account::{Outcome, Repeat, RouteId, Tally};
use barograph_actors::message::batch::{Batch, BatchId, Body, Opening, Receipt, Record};
use barograph_actors::message::delivery::UnixMillis;
use barograph_actors::message::note::{Event, GapCause, Note};
use rusqlite::params;

use super::SqliteJournal;
use super::notes;
use super::row_writer::{RowWriter, name_of, route_of};
use super::rows;
use super::rows::as_i64;
use super::statements as sql;

/// What the journal knows of what is durable.
#[derive(Debug, Clone)]
pub(in crate::sqlite) struct Known {
    pub(in crate::sqlite) ledger: Ledger,
    /// The rows of the ledger's table.
    pub(in crate::sqlite) history: LedgerHistory,
    /// The last batch that is durable, and its number in the ledger.
    pub(in crate::sqlite) last: Option<(BatchId, i64)>,
    pub(in crate::sqlite) retained: RetainedSeen,
}

/// What one batch's part of a transaction has done.
pub(in crate::sqlite) struct Written {
    row: Row,
    tally: Tally,
    events: Vec<Event>,
    /// Places of records that could have become rows and did not.
    passed_by: Vec<usize>,
    /// Digests of retained messages recorded while their filter is new.
    new_retained: Vec<u64>,
    settled_filters: Option<Vec<String>>,
    /// What is gone of the ledger's table.
    trimmed: Trim,
}

impl Known {
    /// What a transaction did becomes what we know.
    pub(in crate::sqlite) fn adopt(&mut self, written: Written) -> Receipt {
        let Written { row, tally, events, passed_by, new_retained, .. } = written;
        self.last = Some((row.batch, row.number));
        self.ledger.push(&row);
        self.history.adopt(written.trimmed);
        self.history.push(&row);
        self.retained.record(&new_retained);
        if let Some(filters) = written.settled_filters {
            self.retained.settle(filters);
        }
        Receipt { repeated: false, tally, events, passed_by }
    }
}

impl SqliteJournal {
    pub(in crate::sqlite) fn write(
        &mut self,
        batch: &Batch,
        noted: &[Note],
    ) -> rusqlite::Result<Written> {
        let now = (self.world.now)();
        let mut noticed = Vec::new();
        let mut cleared = false;
        if let Some(opening) = &batch.opening {
            let resumed = self.open_connection(batch, opening, &mut noticed)?;
            cleared = !resumed;
        }
        let (mut new_retained, mut passed_by) = (Vec::new(), Vec::new());
        let mut tally =
            self.write_records(batch, now, &mut noticed, &mut new_retained, &mut passed_by)?;
        tally.merge(&batch.dropped);
        self.write_account(&tally)?;
        let settled_filters = self.settle_filters(&batch.settled_filters)?;
        let number = self.known.last.map_or(1, |(_, number)| number + 1);
        let row = Row::of(batch, number, now, &self.known.ledger);
        let trimmed = if cleared { Trim::All } else { self.trim_ledger()? };
        self.write_ledger(&row)?;
        notes::write(&self.conn, noted)?;
        for event in &noticed {
            notes::write_event(&self.conn, event)?;
        }
        Ok(Written {
            row,
            tally,
            events: noticed,
            passed_by,
            new_retained,
            settled_filters,
            trimmed,
        })
    }

    /// A connection began. A session that the broker no longer knows makes the ledger's packet ids
    /// meaningless, and so does another session.
    fn open_connection(
        &mut self,
        batch: &Batch,
        opening: &Opening,
        noticed: &mut Vec<Event>,
    ) -> rusqlite::Result<bool> {
        let stored_session = rows::meta(&self.conn, rows::SESSION)?;
        // A ledger without a session is one that was salvaged out of a -wal alone: it is this recorder's.
        let same = match &stored_session {
            Some(stored) => *stored == opening.session,
            None => self.known.last.is_some(),
        };
        let resumed = opening.session_present && same;
        let stored = if resumed { rows::ledger(&self.conn)? } else { Vec::new() };
        let last_heard = rows::last_batch_at(&self.conn)?;
        if !resumed {
            self.conn.execute(sql::LEDGER_CLEAR, [])?;
            rows::set_meta(&self.conn, rows::SUBSCRIBED, "[]")?;
            self.conn.execute(sql::RETAINED_CLEAR, [])?;
            self.known.retained = RetainedSeen::default();
        }
        if stored_session.as_deref() != Some(opening.session.as_str()) {
            rows::set_meta(&self.conn, rows::SESSION, &opening.session)?;
        }
        let opening = Opening { session_present: resumed, ..opening.clone() };
        self.known.ledger.open(batch.connection, &opening, &stored);
        if same && !opening.session_present {
            let from = last_heard.unwrap_or(opening.at);
            let detail = format!(
                "the broker no longer knows the session of {}: what it should have kept for us \
                 since {from} UTC may be lost; look whether it keeps sessions over a restart \
                 (persistence true) and for how long",
                opening.session
            );
            noticed.push(self.gap(GapCause::BrokerForgotSession, from, opening.at, detail)?);
        }
        Ok(resumed)
    }

    /// Writes a gap, and gives the event that tells of it.
    fn gap(
        &self,
        cause: GapCause,
        from: UnixMillis,
        to: UnixMillis,
        detail: String,
    ) -> rusqlite::Result<Event> {
        notes::write_whole_gap(&self.conn, cause, from, to, &detail)?;
        Ok(Event { name: cause.word(), at: to, detail })
    }

    fn write_records(
        &mut self,
        batch: &Batch,
        now: UnixMillis,
        noticed: &mut Vec<Event>,
        new_retained: &mut Vec<u64>,
        passed_by: &mut Vec<usize>,
    ) -> rusqlite::Result<Tally> {
        let mut rolled_back = None;
        let mut tally = Tally::default();
        let mut writer =
            RowWriter::new(&self.conn, &self.statements, self.router.routes(), &self.shapes);
        for (place, record) in batch.records.iter().enumerate() {
            rolled_back = rolled_back.or_else(|| self.known.ledger.rolled_back(record));
            let outcome = match repeat(&self.known, self.router.routes(), record) {
                Some(repeat) => Outcome::Duplicate(repeat),
                None => writer.write(record)?,
            };
            if record.retain && outcome == Outcome::Stored {
                new_retained.push(record.digest);
            }
            if outcome != Outcome::Stored && matches!(record.body, Body::Row(_)) {
                passed_by.push(place);
            }
            tally.add(record.route, outcome, 1);
        }
        writer.finish(now)?;
        for digest in new_retained.iter() {
            let mut statement = self.conn.prepare_cached(sql::RETAINED_INSERT)?;
            statement.execute(params![digest.cast_signed()])?;
        }
        if let Some(from) = rolled_back {
            let detail = format!(
                "the broker repeats, in order, what it had delivered at {from} UTC: it was killed \
                 and came back with an old copy of its state. What it had accepted since then may \
                 be lost, and what it repeats may be stored twice (unless the route has a unique \
                 key); let it save often: autosave_interval 1, autosave_on_changes true"
            );
            noticed.push(self.gap(GapCause::BrokerRolledBack, from, now, detail)?);
        }
        Ok(tally)
    }

    pub(in crate::sqlite) fn write_account(&self, tally: &Tally) -> rusqlite::Result<()> {
        let mut statement = self.conn.prepare_cached(sql::ACCOUNT_ADD)?;
        let mut received: Vec<(RouteId, u64)> = Vec::new();
        for (route, outcome, n) in tally.iter() {
            let (word, reason) = outcome.words();
            let name = name_of(route, self.router.routes());
            statement.execute(params![name, word, reason, as_i64(n)])?;
            match received.iter_mut().find(|(r, _)| *r == route) {
                Some((_, total)) => *total += n,
                None => received.push((route, n)),
            }
        }
        for (route, n) in received {
            let name = name_of(route, self.router.routes());
            statement.execute(params![name, "received", "", as_i64(n)])?;
        }
        Ok(())
    }

    /// From time to time less of the history: of what is not confirmed, only the deliveries that the
    /// broker may still send again stay.
    fn trim_ledger(&self) -> rusqlite::Result<Trim> {
        let trim = self.known.history.trim(&self.known.ledger);
        if let Trim::Below { point, kept, between } = &trim {
            let oldest_kept = kept.first().map_or(*point, |kept| kept.number);
            self.conn.prepare_cached(sql::LEDGER_TRIM)?.execute(params![oldest_kept])?;
            for number in between {
                self.conn.prepare_cached(sql::LEDGER_DELETE)?.execute(params![number])?;
            }
            for kept in kept.iter().filter(|kept| kept.is_less) {
                let mut statement = self.conn.prepare_cached(sql::LEDGER_ENTRIES)?;
                statement.execute(params![kept.number, blob(&kept.entries)])?;
            }
        }
        Ok(trim)
    }

    fn write_ledger(&self, row: &Row) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql::LEDGER_INSERT)?.execute(params![
            row.number,
            row.batch.run,
            row.batch.number,
            row.connection.0,
            row.at.0,
            row.confirmed,
            as_i64(row.ids_taken),
            row.blob(),
        ])?;
        Ok(())
    }

    fn settle_filters(&self, filters: &[String]) -> rusqlite::Result<Option<Vec<String>>> {
        if filters.is_empty() || self.known.retained.has_settled(filters) {
            return Ok(None);
        }
        self.conn.execute(sql::RETAINED_CLEAR, [])?;
        let text = serde_json::Value::from(filters.to_vec()).to_string();
        rows::set_meta(&self.conn, rows::SUBSCRIBED, &text)?;
        Ok(Some(filters.to_vec()))
    }
}

/// Why a delivery is stored already, if it is.
fn repeat(known: &Known, routes: &[barograph_config::Route], record: &Record) -> Option<Repeat> {
    if known.ledger.is_redelivery(record) {
        Some(Repeat::Redelivery)
    } else if known.retained.is_repeat(record, route_of(record.route, routes)) {
        Some(Repeat::Retained)
    } else {
        None
    }
}
