use super::*;
use crate::account::Tally;
use crate::fake::record;

const FIRST: ConnectionId = ConnectionId(1);
const SECOND: ConnectionId = ConnectionId(2);

fn opening(session_present: bool) -> Opening {
    Opening { session_present, session: "s".into(), at: UnixMillis(0) }
}

fn dup(packet_id: u16) -> Record {
    Record { dup: true, ..record(packet_id) }
}

fn batch(connection: ConnectionId, confirmed: Option<i64>, records: Vec<Record>) -> Batch {
    let id = BatchId { run: 1, number: 1 };
    Batch {
        id,
        connection,
        opening: None,
        records,
        confirmed,
        settled_filters: Vec::new(),
        dropped: Tally::default(),
    }
}

/// A ledger and the rows that its journal has stored.
#[derive(Default)]
struct Book {
    ledger: Ledger,
    stored: Vec<Row>,
}

impl Book {
    fn open(&mut self, connection: ConnectionId, session_present: bool) {
        if !session_present {
            self.stored.clear();
        }
        self.ledger.open(connection, &opening(session_present), &self.stored);
    }

    fn write(&mut self, number: i64, batch: &Batch) {
        let id = BatchId { number, ..batch.id };
        let batch = &Batch { id, ..batch.clone() };
        let row = Row::of(batch, number, UnixMillis(number), &self.ledger);
        self.ledger.push(&row);
        self.stored.push(row);
    }

    fn is_redelivery(&self, record: &Record) -> bool {
        self.ledger.is_redelivery(record)
    }
}

#[test]
fn a_redelivery_after_a_reconnect_is_known_and_a_repetition_is_not() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1), record(2)]));
    assert!(!ledger.is_redelivery(&dup(1)), "never on the same connection");
    ledger.open(SECOND, true);
    assert!(ledger.is_redelivery(&dup(1)));
    assert!(!ledger.is_redelivery(&record(1)), "DUP is clear: the id is used again");
    assert!(!ledger.is_redelivery(&Record { digest: 99, ..dup(1) }), "another message");
    assert!(!ledger.is_redelivery(&dup(3)), "never stored");
    assert!(!ledger.is_redelivery(&Record { qos: Qos::ExactlyOnce, ..dup(1) }), "another QoS");
}

#[test]
fn a_barrier_confirms_its_own_connection_only() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1)]));
    ledger.open(SECOND, true);
    ledger.write(2, &batch(SECOND, None, vec![dup(9)]));
    ledger.write(3, &batch(SECOND, Some(2), Vec::new()));
    assert!(ledger.is_redelivery(&dup(1)), "the barrier of the second says nothing of the first");
    ledger.open(ConnectionId(3), true);
    assert!(ledger.is_redelivery(&dup(1)), "nor on the connection after");
    assert!(!ledger.is_redelivery(&dup(9)), "the broker took this acknowledgement");
}

#[test]
fn the_first_fresh_delivery_confirms_all_earlier_connections() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1), record(2)]));
    ledger.open(SECOND, true);
    let both = batch(SECOND, None, vec![dup(1), record(3)]);
    assert!(ledger.is_redelivery(&both.records[0]));
    ledger.write(2, &both);
    assert!(!ledger.is_redelivery(&dup(2)), "it was not delivered again, so it is acknowledged");
    ledger.open(ConnectionId(3), true);
    assert!(
        ledger.is_redelivery(&dup(1)),
        "acknowledged again, but nobody knows whether that \
        arrived"
    );
}

fn at_qos_2(record: Record) -> Record {
    Record { qos: Qos::ExactlyOnce, ..record }
}

/// At QoS 2 a fresh delivery proves nothing of what may be answered by half; a barrier behind it does.
#[test]
fn at_qos_2_a_barrier_behind_the_first_fresh_delivery_confirms_earlier_connections() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![at_qos_2(record(1)), record(2)]));
    ledger.open(SECOND, true);
    ledger.write(2, &batch(SECOND, None, vec![at_qos_2(dup(5))]));
    ledger.write(3, &batch(SECOND, None, vec![at_qos_2(record(7))]));
    let mut confirmed = Book { ledger: ledger.ledger.clone(), stored: ledger.stored.clone() };
    let loaded = Ledger::load(&ledger.stored);
    let mut loaded = Book { ledger: loaded, stored: ledger.stored.clone() };
    for ledger in [&mut ledger, &mut loaded] {
        ledger.write(4, &batch(SECOND, Some(2), vec![at_qos_2(record(8))]));
        ledger.open(ConnectionId(3), true);
        assert!(ledger.is_redelivery(&at_qos_2(dup(1))), "the barrier was before the fresh one");
        assert!(!ledger.is_redelivery(&dup(2)), "at QoS 1 there are no halves");
        assert!(!ledger.is_redelivery(&at_qos_2(dup(5))), "confirmed on its own connection");
    }
    confirmed.write(4, &batch(SECOND, Some(3), Vec::new()));
    assert!(!confirmed.is_redelivery(&at_qos_2(dup(1))));
    confirmed.open(ConnectionId(3), true);
    assert!(!confirmed.is_redelivery(&at_qos_2(dup(1))), "whatever connection");
}

/// An entry that outlived its packet id could be taken for another message that says the same.
#[test]
fn what_is_half_answered_is_forgotten_before_its_packet_ids_come_round_again() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![at_qos_2(record(1))]));
    for number in 2..=11_u16 {
        let connection = ConnectionId(i64::from(number));
        ledger.open(connection, true);
        assert!(ledger.is_redelivery(&at_qos_2(dup(1))), "on connection {number}");
        let from = (number - 2) * 5_000 + 2;
        let records = (from..from + 5_000).map(|id| at_qos_2(record(id)));
        ledger.write(i64::from(number), &batch(connection, None, records.collect()));
    }
    ledger.open(ConnectionId(16), true);
    assert!(!ledger.is_redelivery(&at_qos_2(dup(1))));
    assert!(ledger.is_redelivery(&at_qos_2(dup(50_000))));
    let loaded = Ledger::load(&ledger.stored);
    assert!(!loaded.is_redelivery(&at_qos_2(dup(1))));
}

/// A recorder that is killed a hundred times under load hears hundreds of thousands of redeliveries; among
/// them, after twenty connections, what it had answered by half on the first.
#[test]
fn redeliveries_take_no_packet_ids_and_make_nothing_forgotten() {
    for is_killed in [true, false] {
        let mut ledger = Book::default();
        ledger.open(FIRST, false);
        ledger.write(1, &batch(FIRST, None, vec![at_qos_2(record(1))]));
        let others = |connection: i64| {
            let is_first = connection == 2;
            (2..=5_000).map(move |id| Record { dup: !is_first, ..at_qos_2(record(id)) })
        };
        for number in 2..=40_i64 {
            ledger.open(ConnectionId(number), true);
            assert!(ledger.is_redelivery(&at_qos_2(dup(1))), "on connection {number}");
            let id = u16::try_from(number).unwrap() + 5_000;
            let records = others(number).chain([at_qos_2(record(id))]).collect();
            ledger.write(number, &batch(ConnectionId(number), None, records));
            if is_killed {
                ledger.ledger = Ledger::load(&ledger.stored);
            }
        }
    }
}

#[test]
fn a_retained_message_proves_nothing() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1)]));
    ledger.open(SECOND, true);
    let retained = Record { retain: true, ..record(7) };
    ledger.write(2, &batch(SECOND, None, vec![retained]));
    assert!(ledger.is_redelivery(&dup(1)));
}

#[test]
fn a_forgotten_session_clears_the_ledger() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1)]));
    ledger.open(SECOND, false);
    assert!(!ledger.is_redelivery(&dup(1)));
    assert_eq!(ledger.ledger.unconfirmed_len(), 0);
}

#[test]
fn a_ledger_loaded_from_its_rows_judges_as_the_one_that_wrote_them() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1)]));
    ledger.write(2, &batch(FIRST, Some(1), vec![record(2)]));
    ledger.open(SECOND, true);
    ledger.write(3, &batch(SECOND, None, vec![dup(2)]));
    let loaded = Ledger::load(&ledger.stored);
    assert!(loaded.is_redelivery(&dup(2)), "the writer died, the connection lives on");
    let mut loaded = Book { ledger: loaded, stored: ledger.stored.clone() };
    for ledger in [&mut ledger, &mut loaded] {
        ledger.open(ConnectionId(3), true);
        assert!(!ledger.is_redelivery(&dup(1)), "confirmed by the barrier");
        assert!(ledger.is_redelivery(&dup(2)));
    }
}

/// A broker with a long backlog answers a barrier behind all of it; but it has only so many packet
/// ids, and takes acknowledgements in the order of its deliveries.
#[test]
fn without_a_barrier_no_more_rows_stay_than_the_broker_has_packet_ids() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    let five_thousand = |from: u16| (from..from + 5_000).map(record).collect();
    for number in 1..=40 {
        let from = u16::try_from(number % 12).unwrap() * 5_000 + 1;
        ledger.write(number, &batch(FIRST, None, five_thousand(from)));
        assert!(ledger.ledger.unconfirmed_len() <= 14, "65,535 ids are 13 rows and a part");
    }
    assert_eq!(ledger.ledger.unconfirmed_len(), 14);
    assert_eq!(ledger.ledger.oldest_unconfirmed(), Some(27));
}

#[test]
fn entries_survive_their_bytes_and_other_bytes_are_refused() {
    let row = Row::of(
        &batch(FIRST, None, vec![record(1), record(65_535)]),
        1,
        UnixMillis(0),
        &Ledger::default(),
    );
    assert_eq!(Row::entries_from(&row.blob()), Some(row.entries.clone()));
    assert_eq!(Row::entries_from(&row.blob()[1..]), None);
    let at_most_once = Record { qos: Qos::AtMostOnce, ..record(0) };
    assert!(
        Row::of(&batch(FIRST, None, vec![at_most_once]), 1, UnixMillis(0), &Ledger::default())
            .entries
            .is_empty()
    );
}

/// What the journal has stored of an earlier connection.
fn history(records: Vec<Record>) -> Vec<Row> {
    vec![Row::of(&batch(FIRST, None, records), 1, UnixMillis(5), &Ledger::default())]
}

/// (the history, what the resumed session delivers fresh, when it is told and what it says)
#[test]
fn a_broker_that_repeats_the_recorded_sequence_is_told_of_once() {
    let table: &[(&[u16], Option<usize>)] = &[
        (&[1, 2, 3, 4], Some(2)),
        (&[5, 6, 7], Some(2)),
        (&[1, 2, 9], None),
        (&[9, 10, 11], None),
        (&[11, 1, 2, 3], None),
        (&[1, 2], None),
    ];
    for (fresh, told_at) in table {
        let mut ledger = Ledger::default();
        ledger.open(SECOND, &opening(true), &history((1..=8).map(record).collect()));
        let told: Vec<usize> =
            (0..fresh.len()).filter(|i| ledger.rolled_back(&record(fresh[*i])).is_some()).collect();
        assert_eq!(told, told_at.iter().copied().collect::<Vec<_>>(), "{fresh:?}");
    }
}

#[test]
fn identical_payloads_alone_never_look_like_a_rollback() {
    let same = |id: u16| Record { digest: 7, ..record(id) };
    let mut ledger = Ledger::default();
    ledger.open(SECOND, &opening(true), &history((1..=8).map(same).collect()));
    assert!((1..=8).all(|id| ledger.rolled_back(&same(id)).is_none()));
}
