//! What storing a batch comes to, by the rules of exactly-once: which deliveries are stored already, what
//! becomes of the ledger, and what the broker shows of itself. Pure: a store reads back what it knows ([`Known`]), plans,
//! and carries the plan out in one transaction.
//!
//! The one thing that a plan leaves open is what the tables say: a row may repeat a natural key, or be refused.
//! [`WritePlan::place`] asks for it record by record, and counts.

mod history;
mod retained;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use self::history::LedgerHistory;
pub use self::history::{KeptRow, Trim};
use self::retained::RetainedSeen;
use crate::db_writer::ledger::{Ledger, LedgerRow, RollbackWatch};
use crate::message::account::{Outcome, Repeat, Tally};
use crate::message::batch::{Batch, BatchId, Body, Opening, Receipt, Record};
use crate::message::delivery::UnixMillis;
use crate::message::note::{Event, GapCause};
use crate::message::route::Router;
use crate::message::session_name::parts_of;

/// What a store has written for these rules, as it reads it back.
#[derive(Debug, Clone, Default)]
pub struct LedgerState {
    /// The ledger, in order of number.
    pub rows: Vec<LedgerRow>,
    /// Broker and client id that the ledger belongs to.
    pub session: Option<String>,
    /// Filters whose retained messages were all recorded.
    pub settled_filters: Vec<String>,
    /// Digests of the retained messages that were recorded since.
    pub retained: HashSet<u64>,
}

impl LedgerState {
    /// The last batch that is durable.
    pub fn last(&self) -> Option<BatchId> {
        self.rows.last().map(|row| row.batch)
    }

    /// What a store holds that has carried out a plan: the measure that stores are tested by.
    pub fn apply(&mut self, plan: &WritePlan<'_>, outcomes: &RecordOutcomes) {
        if plan.forgets {
            *self = Self { session: self.session.take(), ..Self::default() };
        }
        if let Some(session) = plan.session {
            self.session = Some(session.to_owned());
        }
        self.retained.extend(&outcomes.retained);
        if let Some(filters) = plan.settled_filters {
            self.retained.clear();
            self.settled_filters = filters.to_vec();
        }
        if let Trim::Below { point, kept, between } = &plan.trim {
            let oldest_kept = kept.first().map_or(*point, |kept| kept.number);
            self.rows.retain(|row| row.number >= oldest_kept && !between.contains(&row.number));
            let shortened = self.rows.iter_mut().zip(kept).filter(|(_, kept)| kept.is_less);
            shortened.for_each(|(row, kept)| row.entries.clone_from(&kept.entries));
        }
        self.rows.push(plan.row.clone());
    }
}

/// What a store knows of the deliveries that it has taken.
#[derive(Debug, Clone, Default)]
pub struct Known {
    ledger: Ledger,
    history: LedgerHistory,
    /// The last batch that is durable, and its number in the ledger.
    last: Option<(BatchId, i64)>,
    session: Option<String>,
    retained: RetainedSeen,
}

impl Known {
    /// As it follows from what is stored.
    pub fn load(stored: LedgerState) -> Self {
        let LedgerState { rows, session, settled_filters, retained } = stored;
        Self {
            ledger: Ledger::load(&rows),
            history: LedgerHistory::of(&rows),
            last: rows.last().map(|row| (row.batch, row.number)),
            session,
            retained: RetainedSeen::new(settled_filters, retained),
        }
    }

    /// The batch is durable already: it is the last one that was written.
    pub fn has(&self, id: BatchId) -> bool {
        self.last.is_some_and(|(last, _)| last == id)
    }

    /// The plan is carried out, and durable.
    pub fn adopt(&mut self, plan: WritePlan<'_>, outcomes: RecordOutcomes) -> Receipt {
        let WritePlan { batch, opened, forgets, row, trim, settled_filters, .. } = plan;
        if let (Some(ledger), Some(opening)) = (opened, &batch.opening) {
            self.ledger = ledger;
            self.session = Some(opening.session.clone());
        }
        if forgets {
            self.retained = RetainedSeen::default();
        }
        self.last = Some((row.batch, row.number));
        self.ledger.continue_watch(plan.watch);
        self.ledger.push(&row);
        self.history.adopt(trim);
        self.history.push(&row);
        self.retained.record(&outcomes.retained);
        if let Some(filters) = settled_filters {
            self.retained.settle(filters.to_vec());
        }
        let events = plan.gaps.iter().map(NoticedGap::event).collect();
        let RecordOutcomes { tally, passed_by, .. } = outcomes;
        Receipt { repeated: false, tally, events, passed_by }
    }

    /// A connection began. A session that the broker no longer knows makes the ledger's packet ids
    /// meaningless, and so does another session.
    fn is_resumed(&self, opening: &Opening) -> bool {
        opening.session_present && self.is_same_session(opening)
    }

    /// A ledger without a session is one that was salvaged out of a -wal alone: it is this recorder's.
    fn is_same_session(&self, opening: &Opening) -> bool {
        match &self.session {
            Some(session) => *session == opening.session,
            None => self.last.is_some(),
        }
    }

    /// The client id that we had at the same broker, if it is another one now.
    fn client_before(&self, opening: &Opening) -> Option<&str> {
        let (broker, before) = parts_of(self.session.as_deref()?)?;
        let (same, now) = parts_of(&opening.session)?;
        (broker == same && before != now).then_some(before)
    }
}

/// What one batch's part of a transaction writes.
#[derive(Debug)]
pub struct WritePlan<'b> {
    batch: &'b Batch,
    /// The ledger, its retained messages and its settled filters go before anything else is written.
    pub forgets: bool,
    /// The ledger belongs to this session from now on.
    pub session: Option<&'b str>,
    /// Places of records that are stored already, in order; as a rule none.
    repeats: Vec<(usize, Repeat)>,
    /// These filters have delivered their retained messages: they replace those that were settled, and the
    /// digests of retained messages go, also those of this batch.
    pub settled_filters: Option<&'b [String]>,
    /// What goes of the ledger.
    pub trim: Trim,
    /// The batch's row of the ledger.
    pub row: LedgerRow,
    /// What is to be noted: each is a gap and an event.
    pub gaps: Vec<NoticedGap>,
    /// The ledger of the connection that the batch opens.
    opened: Option<Ledger>,
    watch: RollbackWatch,
}

/// What became of a batch's records.
#[derive(Debug, Default)]
pub struct RecordOutcomes {
    /// What the account has more by the batch.
    pub tally: Tally,
    /// Digests of retained messages that were stored.
    pub retained: Vec<u64>,
    /// See [`Receipt::passed_by`].
    passed_by: Vec<usize>,
}

/// What became of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Of the delivery.
    pub outcome: Outcome,
    /// Rows that it put into its route's table.
    pub rows: u64,
}

/// Of a delivery that put one row into its table, or none.
impl From<Outcome> for Placed {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, rows: u64::from(outcome == Outcome::Stored) }
    }
}

/// A stretch in which something may be missing, by what the broker shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticedGap {
    /// Why.
    pub cause: GapCause,
    /// Its beginning.
    pub from: UnixMillis,
    /// Its end.
    pub to: UnixMillis,
    /// What may be missing, and what to do about it.
    pub detail: String,
}

impl NoticedGap {
    /// The event that tells of it.
    pub fn event(&self) -> Event {
        Event { name: self.cause.word(), at: self.to, detail: self.detail.clone() }
    }
}

/// Plans how `batch` is stored at `now`. `stored` is the whole ledger as it is stored, in order of number; it is
/// needed where the batch opens a connection, and may be empty otherwise.
pub fn plan<'b>(
    known: &Known,
    batch: &'b Batch,
    stored: &[LedgerRow],
    router: &Router,
    now: UnixMillis,
) -> WritePlan<'b> {
    let resumed = batch.opening.as_ref().map(|opening| known.is_resumed(opening));
    let forgets = resumed == Some(false);
    let opened = batch.opening.as_ref().map(|opening| {
        let mut ledger = known.ledger.clone();
        let session_present = !forgets;
        ledger.open(batch.connection, &Opening { session_present, ..opening.clone() }, stored);
        ledger
    });
    let ledger = opened.as_ref().unwrap_or(&known.ledger);
    let nothing = RetainedSeen::default();
    let retained = if forgets { &nothing } else { &known.retained };
    let mut gaps: Vec<NoticedGap> = forgotten_session(known, batch, stored).into_iter().collect();
    let mut watch = ledger.watch();
    let (mut repeats, mut rolled_back) = (Vec::new(), None);
    for (place, record) in batch.records.iter().enumerate() {
        rolled_back = rolled_back.or_else(|| watch.observe(record));
        if ledger.is_redelivery(record) {
            repeats.push((place, Repeat::Redelivery));
        } else if retained.is_repeat(record, router.get(record.route)) {
            repeats.push((place, Repeat::Retained));
        }
    }
    gaps.extend(rolled_back.map(|from| broker_rolled_back(from, now)));
    let filters = batch.settled_filters.as_slice();
    let settles = !filters.is_empty() && !retained.has_settled(filters);
    let number = known.last.map_or(1, |(_, number)| number + 1);
    let session = batch.opening.as_ref().map(|opening| opening.session.as_str());
    WritePlan {
        batch,
        forgets,
        session: session.filter(|session| known.session.as_deref() != Some(session)),
        repeats,
        settled_filters: settles.then_some(filters),
        trim: if forgets { Trim::All } else { known.history.trim(ledger) },
        row: LedgerRow::of(batch, number, now, ledger),
        gaps,
        watch,
        opened,
    }
}

impl WritePlan<'_> {
    /// Writes the records that are not stored yet, in their order, each by `write`, which says what became of it;
    /// counts all.
    ///
    /// # Errors
    /// The first one of `write`.
    pub fn place<E>(
        &self,
        mut write: impl FnMut(&Record) -> Result<Placed, E>,
    ) -> Result<RecordOutcomes, E> {
        let mut repeats = self.repeats.iter().peekable();
        let mut outcomes = RecordOutcomes::default();
        for (place, record) in self.batch.records.iter().enumerate() {
            let placed = match repeats.next_if(|(at, _)| *at == place) {
                Some((_, repeat)) => Outcome::Duplicate(*repeat).into(),
                None => write(record)?,
            };
            outcomes.add(place, record, placed);
        }
        outcomes.tally.merge(&self.batch.dropped);
        Ok(outcomes)
    }
}

impl RecordOutcomes {
    fn add(&mut self, place: usize, record: &Record, Placed { outcome, rows }: Placed) {
        if record.retain && outcome == Outcome::Stored {
            self.retained.push(record.digest);
        }
        if outcome != Outcome::Stored && matches!(record.body, Body::Rows(_)) {
            self.passed_by.push(place);
        }
        self.tally.add(record.route, outcome, 1);
        self.tally.add_further_rows(record.route, rows.saturating_sub(1));
    }
}

/// The broker should have kept our session and did not, or we have left it for one under another client id.
fn forgotten_session(known: &Known, batch: &Batch, stored: &[LedgerRow]) -> Option<NoticedGap> {
    let opening = batch.opening.as_ref().filter(|opening| !opening.session_present)?;
    let from = stored.iter().map(|row| row.at).max().unwrap_or(opening.at);
    let detail = if known.is_same_session(opening) {
        format!(
            "the broker no longer knows the session of {}: what it should have kept for us since {from} \
             UTC may be lost; look whether it keeps sessions over a restart (persistence true) and for \
             how long",
            opening.session
        )
    } else {
        let before = known.client_before(opening)?;
        format!(
            "the client id was {before}, and the session of {} is new: what the broker kept under {before} \
             since {from} UTC does not arrive; set mqtt.client_id = \"{before}\" again to have it",
            opening.session
        )
    };
    Some(NoticedGap { cause: GapCause::BrokerForgotSession, from, to: opening.at, detail })
}

/// The broker repeats what it had delivered `from` then on.
fn broker_rolled_back(from: UnixMillis, now: UnixMillis) -> NoticedGap {
    let detail = format!(
        "the broker repeats, in order, what it had delivered at {from} UTC: it was killed and came \
         back with an old copy of its state. What it had accepted since then may be lost, and what \
         it repeats may be stored twice (unless the route has a unique key); let it save often: \
         autosave_interval 1, autosave_on_changes true"
    );
    NoticedGap { cause: GapCause::BrokerRolledBack, from, to: now, detail }
}
