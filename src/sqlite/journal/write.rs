//! What a batch's transaction does, before it is committed: the plan is carried out.

use barograph_actors::db_writer::ledger::{LedgerRow, blob};
use barograph_actors::db_writer::plan::{NoticedGap, RecordOutcomes, Trim, WritePlan, plan};
use barograph_actors::message::account::Tally;
use barograph_actors::message::batch::Batch;
use barograph_actors::message::note::Note;
use rusqlite::params;

use super::SqliteJournal;
use super::notes;
use super::row_writer::{RowWriter, name_of};
use super::rows;
use super::rows::as_i64;
use super::statements as sql;

impl SqliteJournal {
    /// Plans how a batch is stored, and does all of it; what comes of it counts once it is committed.
    pub(in crate::sqlite) fn write<'b>(
        &mut self,
        batch: &'b Batch,
        noted: &[Note],
    ) -> rusqlite::Result<(WritePlan<'b>, RecordOutcomes)> {
        let now = (self.world.now)();
        let stored = match &batch.opening {
            Some(_) => rows::ledger(&self.conn)?,
            None => Vec::new(),
        };
        let plan = plan(&self.known, batch, &stored, &self.router, now);
        self.write_session(&plan)?;
        let routes = self.router.routes();
        let mut writer = RowWriter::new(&self.conn, &self.statements, routes, &self.shapes);
        let outcomes = plan.place(|record| writer.write(record))?;
        writer.finish(now)?;
        self.write_account(&outcomes.tally)?;
        self.bound_quarantine(&outcomes.tally)?;
        self.write_retained(&plan, &outcomes.retained)?;
        self.trim_ledger(&plan.trim)?;
        self.write_ledger(&plan.row)?;
        for NoticedGap { cause, from, to, detail } in &plan.gaps {
            notes::write_whole_gap(&self.conn, *cause, *from, *to, detail)?;
        }
        notes::write(&self.conn, noted)?;
        for gap in &plan.gaps {
            notes::write_event(&self.conn, &gap.event())?;
        }
        Ok((plan, outcomes))
    }

    fn write_session(&self, plan: &WritePlan<'_>) -> rusqlite::Result<()> {
        if plan.forgets {
            self.conn.execute(sql::LEDGER_CLEAR, [])?;
            rows::set_meta(&self.conn, rows::SUBSCRIBED, "[]")?;
            self.conn.execute(sql::RETAINED_CLEAR, [])?;
        }
        match plan.session {
            Some(session) => rows::set_session(&self.conn, session),
            None => Ok(()),
        }
    }

    fn write_retained(&self, plan: &WritePlan<'_>, digests: &[u64]) -> rusqlite::Result<()> {
        for digest in digests {
            let mut statement = self.conn.prepare_cached(sql::RETAINED_INSERT)?;
            statement.execute(params![digest.cast_signed()])?;
        }
        let Some(filters) = plan.settled_filters else { return Ok(()) };
        self.conn.execute(sql::RETAINED_CLEAR, [])?;
        let text = serde_json::Value::from(filters.to_vec()).to_string();
        rows::set_meta(&self.conn, rows::SUBSCRIBED, &text)
    }

    pub(in crate::sqlite) fn write_account(&self, tally: &Tally) -> rusqlite::Result<()> {
        let mut statement = self.conn.prepare_cached(sql::ACCOUNT_ADD)?;
        for (route, (outcome, reason), n) in tally.lines() {
            let name = name_of(route, self.router.routes());
            statement.execute(params![name, outcome, reason, as_i64(n)])?;
        }
        Ok(())
    }

    fn trim_ledger(&self, trim: &Trim) -> rusqlite::Result<()> {
        let Trim::Below { point, kept, between } = trim else { return Ok(()) };
        let oldest_kept = kept.first().map_or(*point, |kept| kept.number);
        self.conn.prepare_cached(sql::LEDGER_TRIM)?.execute(params![oldest_kept])?;
        for number in between {
            self.conn.prepare_cached(sql::LEDGER_DELETE)?.execute(params![number])?;
        }
        for kept in kept.iter().filter(|kept| kept.is_less) {
            let mut statement = self.conn.prepare_cached(sql::LEDGER_ENTRIES)?;
            statement.execute(params![kept.number, blob(&kept.entries)])?;
        }
        Ok(())
    }

    fn write_ledger(&self, row: &LedgerRow) -> rusqlite::Result<()> {
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
}
