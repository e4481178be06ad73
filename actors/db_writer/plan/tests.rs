//! The rules, one by one; `exactly_once` holds their sum against brokers.

mod exactly_once;

use std::convert::Infallible;

use super::*;
use crate::message::account::{Drop, Reason, RouteId, Sums};
use crate::message::batch::RowRefusal;
use crate::message::delivery::ConnectionId;
use crate::testing::{record, route};

const FIRST: ConnectionId = ConnectionId(1);
const SECOND: ConnectionId = ConnectionId(2);

/// A store whose tables take every row.
#[derive(Default)]
struct Store {
    state: LedgerState,
    known: Known,
    batches: i64,
}

impl Store {
    fn batch(&mut self, connection: ConnectionId, records: Vec<Record>) -> Batch {
        self.batches += 1;
        Batch {
            id: BatchId { run: 1, number: self.batches },
            connection,
            opening: None,
            records,
            confirmed: None,
            settled_filters: Vec::new(),
            ids_passed: 0,
            dropped: Tally::default(),
        }
    }

    fn opens(
        &mut self,
        connection: ConnectionId,
        how: (bool, &str),
        records: Vec<Record>,
    ) -> Receipt {
        let (session_present, session) = (how.0, how.1.to_owned());
        let at = UnixMillis(1_000 + self.batches);
        let opening = Some(Opening { session_present, session, at });
        let batch = Batch { opening, ..self.batch(connection, records) };
        self.write(&batch)
    }

    fn writes(&mut self, connection: ConnectionId, records: Vec<Record>) -> Receipt {
        let batch = self.batch(connection, records);
        self.write(&batch)
    }

    fn settles(&mut self, connection: ConnectionId, filters: &[&str]) -> Receipt {
        let settled_filters = filters.iter().map(|&filter| filter.to_owned()).collect();
        let batch = Batch { settled_filters, ..self.batch(connection, Vec::new()) };
        self.write(&batch)
    }

    fn plan<'b>(&self, batch: &'b Batch) -> WritePlan<'b> {
        let router =
            Router::new(vec![route("a/#", "a", Vec::new()), route("b/#", "b", Vec::new())]);
        plan(&self.known, batch, &self.state.rows, &router, UnixMillis(batch.id.number))
    }

    fn write(&mut self, batch: &Batch) -> Receipt {
        let plan = self.plan(batch);
        let Ok(outcomes) = plan.place(|record| Ok::<_, Infallible>(outcome(record)));
        self.state.apply(&plan, &outcomes);
        let receipt = self.known.adopt(plan, outcomes);
        self.assert_that_a_restart_knows_the_same();
        receipt
    }

    /// But for the ledger, which also knows the connection in force.
    fn assert_that_a_restart_knows_the_same(&self) {
        let (now, then) = (&self.known, Known::load(self.state.clone()));
        assert_eq!((now.last, &now.session), (then.last, &then.session));
        assert_eq!(now.retained, then.retained);
    }

    fn restart(&mut self) {
        self.known = Known::load(self.state.clone());
    }
}

fn outcome(record: &Record) -> Placed {
    match &record.body {
        Body::Rows(rows) => Placed { outcome: Outcome::Stored, rows: rows.count() as u64 },
        Body::Quarantined(refusal) => Outcome::Quarantined(refusal.reason).into(),
        Body::Filtered(filtered) => Outcome::Filtered(*filtered).into(),
    }
}

fn sums(receipt: &Receipt) -> (u64, u64) {
    let Sums { stored, duplicate, .. } = receipt.tally.sums();
    (stored, duplicate)
}

fn dup(packet_id: u16) -> Record {
    Record { dup: true, ..record(packet_id) }
}

fn retained(packet_id: u16) -> Record {
    Record { retain: true, ..record(packet_id) }
}

fn names(receipt: &Receipt) -> Vec<&str> {
    receipt.events.iter().map(|event| event.name).collect()
}

#[test]
fn a_redelivery_is_counted_and_not_stored() {
    for restarted in [false, true] {
        let mut store = Store::default();
        store.opens(FIRST, (false, "s"), vec![record(1), record(2)]);
        if restarted {
            store.restart();
        }
        let again = store.opens(SECOND, (true, "s"), vec![dup(2), record(3), dup(1), dup(9)]);
        assert_eq!(sums(&again), (2, 2));
        assert_eq!(again.passed_by, [0, 2]);
        let redelivery = Outcome::Duplicate(Repeat::Redelivery);
        assert!(again.tally.iter().any(|count| count == (RouteId(Some(0)), redelivery, 2)));
    }
}

#[test]
fn a_batch_that_is_durable_is_known_by_its_id() {
    let mut store = Store::default();
    let batch = store.batch(FIRST, vec![record(1)]);
    assert!(!store.known.has(batch.id));
    store.write(&batch);
    for _ in 0..2 {
        assert!(store.known.has(batch.id));
        assert!(!store.known.has(BatchId { run: 2, ..batch.id }));
        store.restart();
    }
}

/// (first session, second connection: session present, session; redeliveries known, ledger forgotten, events)
#[test]
fn a_ledger_of_another_session_means_nothing() {
    type LedgerCase = (&'static str, (bool, &'static str), u64, bool, &'static [&'static str]);
    let table: &[LedgerCase] = &[
        ("s", (true, "s"), 1, false, &[]),
        ("s", (false, "s"), 0, true, &["broker_forgot_session"]),
        ("s", (true, "other"), 0, true, &[]),
        ("s", (false, "other"), 0, true, &[]),
        ("b as me", (true, "b as you"), 0, true, &[]),
        ("b as me", (false, "b as you"), 0, true, &["broker_forgot_session"]),
        ("b as me", (false, "c as you"), 0, true, &[]),
        ("b as me", (false, "c as me"), 0, true, &[]),
    ];
    for (first, second, duplicates, forgets, events) in table {
        let mut store = Store::default();
        store.opens(FIRST, (false, first), vec![retained(1)]);
        store.settles(FIRST, &["a/#"]);
        let receipt = store.opens(SECOND, *second, vec![dup(1), retained(2)]);
        assert_eq!(receipt.tally.sums().duplicate, duplicates + u64::from(!forgets), "{second:?}");
        assert_eq!(names(&receipt), *events, "{second:?}");
        assert_eq!(store.state.rows.len(), if *forgets { 1 } else { 3 });
        assert_eq!(store.state.rows.last().map(|row| row.number), Some(3), "numbers go on");
        assert_eq!(store.state.session.as_deref(), Some(second.1));
        assert_eq!(store.state.settled_filters.is_empty(), *forgets);
    }
}

#[test]
fn a_first_connection_misses_nothing_and_a_forgotten_session_since_the_last_batch() {
    let mut store = Store::default();
    let first = store.opens(FIRST, (false, "s"), vec![record(1)]);
    assert_eq!(names(&first), [""; 0]);
    store.writes(FIRST, vec![record(2)]);
    let opening = Opening { session_present: false, session: "s".into(), at: UnixMillis(90) };
    let batch = Batch { opening: Some(opening), ..store.batch(SECOND, Vec::new()) };
    let gaps = store.plan(&batch).gaps;
    let bounds: Vec<_> = gaps.iter().map(|gap| (gap.cause, gap.from.0, gap.to.0)).collect();
    assert_eq!(bounds, [(GapCause::BrokerForgotSession, 2, 90)]);
}

/// Salvaged out of a -wal alone.
#[test]
fn a_ledger_without_a_session_is_this_recorders() {
    let mut store = Store::default();
    store.opens(FIRST, (false, "s"), vec![record(1)]);
    store.state.session = None;
    store.restart();
    let again = store.opens(SECOND, (true, "s"), vec![dup(1)]);
    assert_eq!((sums(&again), store.state.session.as_deref()), ((0, 1), Some("s")));
}

#[test]
fn retained_messages_are_stored_once_for_each_new_filter() {
    let mut store = Store::default();
    let of_b = |id| {
        let topic = "b/b".to_owned();
        Record { route: RouteId(Some(1)), topic, ..retained(id) }
    };
    let first = store.opens(FIRST, (false, "s"), vec![retained(1), retained(2)]);
    assert_eq!(sums(&first), (2, 0));
    for restarted in [false, true] {
        if restarted {
            store.restart();
        }
        let again = store.opens(
            SECOND,
            (true, "s"),
            vec![retained(2), Record { digest: 2, ..retained(7) }],
        );
        assert_eq!(sums(&again), (0, 2), "cut before all had come");
    }
    store.settles(SECOND, &["a/#"]);
    assert!(store.state.retained.is_empty(), "the filter stands for all of them");
    for id in [6, 8] {
        let both = store.writes(SECOND, vec![retained(5), of_b(id)]);
        assert_eq!(sums(&both), (1, 1), "the filter of the other route is new");
        store.restart();
    }
    let unacknowledged = Record { dup: true, ..retained(11) };
    assert_eq!(sums(&store.writes(SECOND, vec![unacknowledged])), (1, 0), "the ledger's to judge");
}

/// Another cover of the same routes brings what is retained again, and so does a route that takes some of another's topics.
#[test]
fn retained_message_on_a_topic_that_was_heard_before_is_not_stored_again() {
    let mut store = Store::default();
    store.opens(FIRST, (false, "s"), Vec::new());
    store.settles(FIRST, &["+/b"]);
    for restarted in [false, true] {
        if restarted {
            store.restart();
        }
        let other_route = Record { route: RouteId(Some(1)), ..retained(1) };
        let again = store.writes(SECOND, vec![retained(2), other_route]);
        assert_eq!(sums(&again), (0, 2));
    }
}

#[test]
fn filters_that_are_settled_already_are_not_settled_again() {
    let mut store = Store::default();
    store.opens(FIRST, (false, "s"), Vec::new());
    store.settles(FIRST, &["a/#"]);
    let settled_filters = vec!["a/#".to_owned()];
    let same = Batch { settled_filters, ..store.batch(FIRST, Vec::new()) };
    assert_eq!(store.plan(&same).settled_filters, None);
    let more = Batch { settled_filters: vec!["b/#".to_owned()], ..same };
    assert_eq!(store.plan(&more).settled_filters, Some(&["b/#".to_owned()][..]));
}

#[test]
fn a_broker_that_rolled_back_is_noted_once_and_its_repetitions_are_stored() {
    let mut store = Store::default();
    store.opens(FIRST, (false, "s"), (1..=5).map(record).collect());
    let first = store.opens(SECOND, (true, "s"), vec![record(1), record(2)]);
    assert_eq!((sums(&first), names(&first)), ((2, 0), vec![]));
    let third = store.batch(SECOND, (3..=5).map(record).collect());
    for _ in 0..3 {
        let gaps = store.plan(&third).gaps;
        assert_eq!(gaps.len(), 1, "also where an earlier try was not carried out");
        assert_eq!((gaps[0].cause, gaps[0].from), (GapCause::BrokerRolledBack, UnixMillis(1)));
    }
    assert_eq!(names(&store.write(&third)), ["broker_rolled_back"]);
    let rest = store.writes(SECOND, (1..=5).map(record).collect());
    assert_eq!((sums(&rest), names(&rest)), ((5, 0), vec![]));
}

#[test]
fn everything_received_is_counted_and_rows_that_are_not_stored_are_named() {
    let mut store = Store::default();
    store.opens(FIRST, (false, "s"), vec![record(1)]);
    let bad = RowRefusal { reason: Reason::NotJson, detail: String::new() };
    let bad = Record { body: Body::Quarantined(bad), ..record(2) };
    store.opens(SECOND, (true, "s"), Vec::new());
    let mut batch = store.batch(SECOND, vec![dup(1), bad, record(3), record(4)]);
    batch.dropped.add(RouteId(None), Outcome::Dropped(Drop::Holding), 7);
    let plan = store.plan(&batch);
    let by_table = |record: &Record| match record.packet_id {
        4 => Ok(Outcome::Duplicate(Repeat::Unique).into()),
        2 | 3 => Ok(outcome(record)),
        other => Err(other),
    };
    let outcomes = plan.place(by_table).expect("the redelivery is not written");
    assert_eq!(outcomes.passed_by, [0, 3]);
    let sums = Sums { stored: 1, rows: 1, duplicate: 2, filtered: 0, quarantined: 1, dropped: 7 };
    assert_eq!(outcomes.tally.sums(), sums);
    let received: Vec<u64> =
        outcomes.tally.lines().into_iter().rev().take(2).map(|line| line.2).collect();
    assert_eq!(received, [4, 7]);
    let fresh = store.batch(SECOND, vec![record(5)]);
    assert_eq!(store.plan(&fresh).place(by_table).err(), Some(5), "an error ends it");
}
