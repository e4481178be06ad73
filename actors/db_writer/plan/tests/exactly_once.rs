//! Exactly once, against brokers in memory: connections are cut, the recorder dies, commits end in doubt, the broker
//! forgets the session; at the end each message that no broker lost is stored once.

use std::collections::{BTreeMap, VecDeque};

use barograph_config::Qos;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::message::batch::{Rows, Value};

/// Which packet id the broker gives to the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ids {
    /// The next number; then payloads may repeat themselves.
    CountUp,
    /// The lowest free one; then no two messages are alike. (Together that is outside the promise.)
    LowestFree,
}

#[derive(Debug, Clone)]
enum ModelStep {
    Publish {
        digest: u64,
        qos: Qos,
    },
    /// The broker sends: a redelivery that is due, or a new message. Their order proves nothing.
    Send {
        redelivery: bool,
    },
    /// What was sent reaches us.
    Receive(usize),
    Commit(usize),
    /// The commit is of unknown outcome: the journal is opened anew, and the batch appended again.
    Doubt {
        records: usize,
        was_stored: bool,
    },
    Barrier,
    /// The broker takes what we sent: acknowledgements and barriers.
    Take(usize),
    Cut,
    Kill,
    ForgetSession,
}

fn step() -> impl Strategy<Value = ModelStep> {
    let qos = prop_oneof![Just(Qos::AtLeastOnce), Just(Qos::ExactlyOnce)];
    prop_oneof![
        8 => (0..3_u64, qos).prop_map(|(digest, qos)| ModelStep::Publish { digest, qos }),
        12 => any::<bool>().prop_map(|redelivery| ModelStep::Send { redelivery }),
        8 => (1..5_usize).prop_map(ModelStep::Receive),
        6 => (1..5_usize).prop_map(ModelStep::Commit),
        1 => (1..5_usize, any::<bool>())
            .prop_map(|(records, was_stored)| ModelStep::Doubt { records, was_stored }),
        3 => Just(ModelStep::Barrier),
        6 => (1..5_usize).prop_map(ModelStep::Take),
        3 => Just(ModelStep::Cut),
        1 => Just(ModelStep::Kill),
        1 => prop::bool::weighted(0.3).prop_map(|forgets| if forgets { ModelStep::ForgetSession } else { ModelStep::Cut }),
    ]
}

#[derive(Debug, Clone, Copy)]
struct ModelMessage {
    number: i64,
    digest: u64,
    qos: Qos,
}

/// A message that the broker has not taken the acknowledgement of.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    packet_id: u16,
    message: ModelMessage,
    /// On the connection in force.
    is_sent: bool,
}

#[derive(Debug, Clone, Copy)]
enum ModelReply {
    Acknowledgement(u16),
    /// Behind the acknowledgements of batches up to this number.
    Barrier(i64),
}

struct ModelBroker {
    ids: Ids,
    next_id: u16,
    queue: VecDeque<ModelMessage>,
    under_way: Vec<UnderWay>,
}

impl ModelBroker {
    fn new(ids: Ids) -> Self {
        Self { ids, next_id: 1, queue: VecDeque::new(), under_way: Vec::new() }
    }

    fn send(&mut self, redelivery: bool) -> Option<Record> {
        if redelivery && let Some(again) = self.under_way.iter_mut().find(|it| !it.is_sent) {
            again.is_sent = true;
            return Some(delivery(again, true));
        }
        let message = self.queue.pop_front()?;
        let is_free = |id: &u16| self.under_way.iter().all(|it| it.packet_id != *id);
        let packet_id = match self.ids {
            Ids::CountUp => self.next_id,
            Ids::LowestFree => (1..).find(is_free)?,
        };
        self.next_id += 1;
        let new = UnderWay { packet_id, message, is_sent: true };
        self.under_way.push(new);
        Some(delivery(&new, false))
    }

    fn is_done(&self) -> bool {
        self.queue.is_empty() && self.under_way.iter().all(|it| it.is_sent)
    }
}

fn delivery(of: &UnderWay, dup: bool) -> Record {
    let ModelMessage { number, digest, qos } = of.message;
    let body = Body::Rows(Rows::one(vec![Value::Integer(number)]));
    Record { qos, dup, digest, body, ..record(of.packet_id) }
}

/// A recorder, and the broker that it is connected to.
struct ModelWorld {
    broker: ModelBroker,
    store: Store,
    /// How often each message is in the database.
    stored: BTreeMap<i64, usize>,
    published: i64,
    /// Lost by a broker that forgot the session.
    lost: Vec<i64>,
    connection: i64,
    opening: Option<Opening>,
    /// Sent and not received; received and not written.
    sent: VecDeque<Record>,
    window: VecDeque<Record>,
    replies: VecDeque<ModelReply>,
    committed: i64,
    confirmed: Option<i64>,
}

impl ModelWorld {
    fn new(ids: Ids) -> Self {
        let mut world = Self {
            broker: ModelBroker::new(ids),
            store: Store::default(),
            stored: BTreeMap::new(),
            published: 0,
            lost: Vec::new(),
            connection: 0,
            opening: None,
            sent: VecDeque::new(),
            window: VecDeque::new(),
            replies: VecDeque::new(),
            committed: 0,
            confirmed: None,
        };
        world.connect(false);
        world
    }

    fn connect(&mut self, session_present: bool) {
        self.connection += 1;
        // A batch that never came to be does not take its opening along: the session is as it was said first.
        let was_present = self.opening.as_ref().is_none_or(|opening| opening.session_present);
        let session_present = session_present && was_present;
        let at = UnixMillis(self.store.batches);
        self.opening = Some(Opening { session_present, session: "s".into(), at });
        self.broker.under_way.iter_mut().for_each(|it| it.is_sent = false);
        (self.sent, self.window, self.replies) = Default::default();
        self.confirmed = None;
    }

    fn batch(&mut self, records: usize) -> Batch {
        let records = self.window.drain(..records.min(self.window.len())).collect();
        let connection = ConnectionId(self.connection);
        let (opening, confirmed) = (self.opening.take(), self.confirmed.take());
        Batch { opening, confirmed, ..self.store.batch(connection, records) }
    }

    fn write(&mut self, batch: &Batch) {
        let plan = self.store.plan(batch);
        let false_alarm = plan.gaps.iter().any(|gap| gap.cause == GapCause::BrokerRolledBack);
        assert!(!false_alarm, "no broker of these rolls back");
        let stored = &mut self.stored;
        let placed = plan.place(|record| {
            let Body::Rows(rows) = &record.body else { panic!("all are rows") };
            let values = rows.last();
            let Value::Integer(number) = values[0] else { panic!("a number") };
            *stored.entry(number).or_default() += 1;
            Ok::<_, Infallible>(Outcome::Stored.into())
        });
        let Ok(outcomes) = placed;
        self.store.state.apply(&plan, &outcomes);
        self.store.known.adopt(plan, outcomes);
    }

    fn acknowledge(&mut self, batch: &Batch) {
        let ids = batch.records.iter().map(|record| ModelReply::Acknowledgement(record.packet_id));
        self.replies.extend(ids);
        self.committed = batch.id.number;
    }

    fn doubt(&mut self, records: usize, was_stored: bool) {
        let batch = self.batch(records);
        if was_stored {
            self.write(&batch);
        }
        self.store.restart();
        if !self.store.known.has(batch.id) {
            self.write(&batch);
        }
        self.acknowledge(&batch);
    }

    fn take(&mut self, replies: usize) {
        for reply in self.replies.drain(..replies.min(self.replies.len())) {
            match reply {
                ModelReply::Acknowledgement(id) => {
                    self.broker.under_way.retain(|it| it.packet_id != id)
                }
                ModelReply::Barrier(number) => self.confirmed = Some(number),
            }
        }
    }

    fn forget_session(&mut self) {
        let waiting = self.broker.under_way.iter().map(|it| it.message);
        self.lost.extend(waiting.chain(self.broker.queue.iter().copied()).map(|m| m.number));
        self.broker = ModelBroker::new(self.broker.ids);
        self.connect(false);
    }

    fn step(&mut self, step: &ModelStep) {
        match *step {
            ModelStep::Publish { digest, qos } => {
                self.published += 1;
                let unique = u64::try_from(self.published).expect("few");
                let digest = if self.broker.ids == Ids::CountUp { digest } else { unique };
                self.broker.queue.push_back(ModelMessage { number: self.published, digest, qos });
            }
            ModelStep::Send { redelivery } => self.sent.extend(self.broker.send(redelivery)),
            ModelStep::Receive(n) => self.window.extend(self.sent.drain(..n.min(self.sent.len()))),
            ModelStep::Commit(records) => {
                let batch = self.batch(records);
                self.write(&batch);
                self.acknowledge(&batch);
            }
            ModelStep::Doubt { records, was_stored } => self.doubt(records, was_stored),
            ModelStep::Barrier => self.replies.push_back(ModelReply::Barrier(self.committed)),
            ModelStep::Take(replies) => self.take(replies),
            ModelStep::Cut => self.connect(true),
            ModelStep::Kill => {
                self.store.restart();
                self.connect(true);
            }
            ModelStep::ForgetSession => self.forget_session(),
        }
    }

    /// Nothing breaks any more.
    fn settle(&mut self) {
        self.connect(true);
        while !self.broker.is_done() {
            self.step(&ModelStep::Send { redelivery: true });
        }
        for step in [
            ModelStep::Receive(usize::MAX),
            ModelStep::Commit(usize::MAX),
            ModelStep::Take(usize::MAX),
        ] {
            self.step(&step);
        }
        assert!(self.broker.under_way.is_empty());
    }

    fn assert_exactly_once(&self) {
        for number in 1..=self.published {
            let count = self.stored.get(&number).copied().unwrap_or(0);
            let is_lost = count == 0 && self.lost.contains(&number);
            assert!(count == 1 || is_lost, "message {number} is stored {count} times");
        }
    }
}

fn holds(ids: Ids, steps: &[ModelStep]) {
    let mut world = ModelWorld::new(ids);
    steps.iter().for_each(|step| world.step(step));
    world.settle();
    world.assert_exactly_once();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_broker_that_counts_its_packet_ids_up_is_recorded_exactly_once(steps in vec(step(), 1..160)) {
        holds(Ids::CountUp, &steps);
    }

    #[test]
    fn a_broker_that_uses_the_lowest_free_packet_id_is_recorded_exactly_once(steps in vec(step(), 1..160)) {
        holds(Ids::LowestFree, &steps);
    }
}
