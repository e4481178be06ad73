use super::*;
use crate::message::account::Tally;
use crate::testing::record;

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
        ids_passed: 0,
        dropped: Tally::default(),
    }
}

/// A ledger and the rows that its journal has stored.
#[derive(Default)]
struct Book {
    ledger: Ledger,
    stored: Vec<LedgerRow>,
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
        let row = LedgerRow::of(batch, number, UnixMillis(number), &self.ledger);
        self.ledger.push(&row);
        self.stored.push(row);
    }

    fn is_redelivery(&self, record: &Record) -> bool {
        self.ledger.is_redelivery(record)
    }

    /// As after a restart of the process.
    fn reloaded(&self) -> Self {
        Self { ledger: Ledger::load(&self.stored), stored: self.stored.clone() }
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

/// Mosquitto 2.0.11, restarted with many messages in flight, sends new ones between its redeliveries.
#[test]
fn a_fresh_delivery_confirms_nothing_but_the_message_before_under_its_packet_id() {
    for (at_qos, qos) in [(record as fn(u16) -> Record, 1), (|id| at_qos_2(record(id)), 2)] {
        let again = |id| Record { dup: true, ..at_qos(id) };
        let mut ledger = Book::default();
        ledger.open(FIRST, false);
        ledger.write(1, &batch(FIRST, None, (1..=400).map(at_qos).collect()));
        ledger.open(SECOND, true);
        let fresh = Record { digest: 99, ..at_qos(7) };
        ledger.write(2, &batch(SECOND, None, vec![again(1), at_qos(401), fresh]));
        for mut ledger in [ledger.reloaded(), ledger] {
            assert!(ledger.is_redelivery(&again(400)), "QoS {qos}");
            assert!(!ledger.is_redelivery(&again(7)), "the id means another message now");
            assert!(!ledger.is_redelivery(&again(1)), "not on the connection that acknowledged it");
            ledger.open(ConnectionId(3), true);
            assert!(ledger.is_redelivery(&again(400)) && ledger.is_redelivery(&again(1)));
            assert!(ledger.is_redelivery(&Record { dup: true, digest: 99, ..at_qos(7) }));
        }
    }
}

fn at_qos_2(record: Record) -> Record {
    Record { qos: Qos::ExactlyOnce, ..record }
}

/// What a later connection brought again is confirmed by that connection's barrier, for both.
#[test]
fn a_barrier_behind_a_second_acknowledgement_confirms_the_first_delivery_too() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1), record(2)]));
    ledger.open(SECOND, true);
    ledger.write(2, &batch(SECOND, None, vec![dup(1)]));
    ledger.write(3, &batch(SECOND, Some(2), Vec::new()));
    for mut ledger in [ledger.reloaded(), ledger] {
        ledger.open(ConnectionId(3), true);
        assert!(!ledger.is_redelivery(&dup(1)));
        assert!(ledger.is_redelivery(&dup(2)), "nothing is known of its acknowledgement");
    }
}

/// An entry that outlived its packet id could be taken for another message that says the same.
#[test]
fn an_entry_is_forgotten_before_its_packet_id_can_come_round_again() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1)]));
    for number in 2..=7_u16 {
        let connection = ConnectionId(i64::from(number));
        ledger.open(connection, true);
        assert!(ledger.is_redelivery(&dup(1)), "on connection {number}");
        let from = (number - 2) * 5_000 + 2;
        let records = (from..from + 5_000).map(record);
        ledger.write(i64::from(number), &batch(connection, None, records.collect()));
    }
    for mut ledger in [ledger.reloaded(), ledger] {
        ledger.open(ConnectionId(16), true);
        assert!(!ledger.is_redelivery(&dup(1)));
        assert!(ledger.is_redelivery(&dup(30_000)));
    }
}

/// Our own echo takes packet ids, too, and is not recorded.
#[test]
fn packet_ids_of_what_is_not_recorded_are_counted() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    ledger.write(1, &batch(FIRST, None, vec![record(1)]));
    ledger.open(SECOND, true);
    for number in 2..=30 {
        ledger.write(number, &Batch { ids_passed: 1_000, ..batch(SECOND, None, Vec::new()) });
    }
    assert!(ledger.is_redelivery(&dup(1)));
    ledger.write(31, &Batch { ids_passed: 1_000, ..batch(SECOND, None, Vec::new()) });
    assert!(!ledger.is_redelivery(&dup(1)) && !ledger.reloaded().is_redelivery(&dup(1)));
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
                ledger = ledger.reloaded();
            }
        }
        assert_eq!(ledger.ledger.ids_taken, 1 + 4_999 + 39);
        assert_eq!(ledger.ledger.unconfirmed_len(), 40, "each row has the id that is new in it");
    }
}

/// The danger of keeping entries: a sensor that repeats itself, and a broker that takes the lowest packet id
/// that is free.
#[test]
fn a_message_that_says_the_same_under_the_same_packet_id_is_stored_when_it_comes_first() {
    let same = |id| Record { digest: 7, ..record(id) };
    let again = |id| Record { dup: true, ..same(id) };
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    for number in 1..=100 {
        assert!(!ledger.is_redelivery(&same(1)));
        ledger.write(number, &batch(FIRST, Some(number - 1), vec![same(1)]));
    }
    ledger.open(SECOND, true);
    assert!(ledger.is_redelivery(&again(1)), "the last one may come again");
    ledger.write(101, &batch(SECOND, None, vec![again(1)]));
    ledger.write(102, &batch(SECOND, Some(101), Vec::new()));
    ledger.open(ConnectionId(3), true);
    assert!(!ledger.is_redelivery(&again(1)), "all that were stored are confirmed: it is new");
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
    ledger.write(2, &batch(FIRST, Some(1), vec![record(2), record(4)]));
    ledger.open(SECOND, true);
    ledger.write(3, &batch(SECOND, None, vec![dup(2)]));
    let loaded = Ledger::load(&ledger.stored);
    assert!(loaded.is_redelivery(&dup(4)), "the writer died, the connection lives on");
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
fn without_a_barrier_rows_are_forgotten_before_their_packet_ids_come_round_again() {
    let mut ledger = Book::default();
    ledger.open(FIRST, false);
    let five_thousand = |from: u16| (from..from + 5_000).map(record).collect();
    for number in 1..=40 {
        let from = u16::try_from(number % 12).unwrap() * 5_000 + 1;
        ledger.write(number, &batch(FIRST, None, five_thousand(from)));
        assert!(ledger.ledger.unconfirmed_len() <= 6, "30,000 ids are 6 rows");
    }
    assert_eq!(ledger.ledger.unconfirmed_len(), 6);
    assert_eq!(ledger.ledger.oldest_unconfirmed(), Some(35));
}

#[test]
fn entries_survive_their_bytes_and_other_bytes_are_refused() {
    let row = LedgerRow::of(
        &batch(FIRST, None, vec![record(1), record(65_535)]),
        1,
        UnixMillis(0),
        &Ledger::default(),
    );
    assert_eq!(LedgerRow::entries_from(&row.blob()), Some(row.entries.clone()));
    assert_eq!(LedgerRow::entries_from(&row.blob()[1..]), None);
    let at_most_once = Record { qos: Qos::AtMostOnce, ..record(0) };
    assert!(
        LedgerRow::of(
            &batch(FIRST, None, vec![at_most_once]),
            1,
            UnixMillis(0),
            &Ledger::default()
        )
        .entries
        .is_empty()
    );
}

/// What the journal has stored of an earlier connection.
fn history(records: Vec<Record>) -> Vec<LedgerRow> {
    vec![LedgerRow::of(&batch(FIRST, None, records), 1, UnixMillis(5), &Ledger::default())]
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
        let mut watch = ledger.watch();
        let told: Vec<usize> =
            (0..fresh.len()).filter(|i| watch.observe(&record(fresh[*i])).is_some()).collect();
        assert_eq!(told, told_at.iter().copied().collect::<Vec<_>>(), "{fresh:?}");
    }
}

#[test]
fn identical_payloads_alone_never_look_like_a_rollback() {
    let same = |id: u16| Record { digest: 7, ..record(id) };
    let mut ledger = Ledger::default();
    ledger.open(SECOND, &opening(true), &history((1..=8).map(same).collect()));
    let mut watch = ledger.watch();
    assert!((1..=8).all(|id| watch.observe(&same(id)).is_none()));
}
