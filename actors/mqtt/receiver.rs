//! The data path between broker and writer: a plain loop over two ports, with one outstanding
//! write.
//!
//! While a batch is being written, everything that arrives becomes the next batch (natural
//! batching): under little load a message is written at once, under much load the commits grow.
//! Acknowledgements leave only after the commit, in the order of arrival, and only on the
//! connection that the delivery came by.

mod echo_check;
mod incoming;
mod pause;
mod reroute;
mod shutdown;
mod standstill;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use barograph_config::{Mqtt, Qos};
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use self::echo_check::EchoMonitor;
use self::pause::Pause;
use crate::db_writer::actor::DbWriterActor;
use crate::health::actor::HealthActor;
use crate::message::account::RouteId;
use crate::message::batch::Batch;
use crate::message::event;
use crate::message::moment::Moment;
use crate::message::route::Router;
use crate::message::routing::Routing;
use crate::message::write::Durable;
use crate::mistake::{Mistake, makes};
use crate::mqtt::ask_writer::{WriterAnswer, WriterQuestion, answer_of, ask};
use crate::mqtt::barriers::Barriers;
use crate::mqtt::broker_drops::BrokerDrops;
use crate::mqtt::connection::{BrokerConnection, ConnectionEvent};
use crate::mqtt::copies::Copies;
use crate::mqtt::intake_watch::IntakeWatch;
use crate::mqtt::publish::publish_guard::PublishGuard;
use crate::mqtt::publish::publisher::Publications;
use crate::mqtt::stall::Stall;
use crate::mqtt::subscriptions::Subscriptions;
use crate::mqtt::window::{Window, WindowHandoff};
use crate::ports::requests::{SessionOrder, SessionRequests};
use crate::ports::{Broker, BrokerSession, Down, DownKind, Environment, Incoming};
use crate::status::arrivals::Arrivals;
use crate::status::readings::ReadingWatch;
use crate::status::settings::InForce;
use crate::status::{Connection, Published, freeze};
use crate::supervisor::{Lifeline, Link};

use reroute::Rerouting;

/// The loop wakes at least this often, to show that it lives.
const TICK: Duration = Duration::from_millis(500);

/// While a write is under way what is read only joins the next batch. So it is read in larger portions: to be woken for
/// each few packets of a fast stream costs as much as to decode them.
const READ_PAUSE: Duration = Duration::from_millis(2);

/// A portion of so many is large enough: more is read at once.
const LARGE_PORTION: usize = 100;

/// What a recording needs besides the broker.
#[derive(Debug, Clone)]
pub struct ReceiverSetup {
    /// The routes in force.
    pub router: Arc<Router>,
    /// `[mqtt]`
    pub mqtt: Mqtt,
    /// For what may change while it records.
    pub in_force: InForce,
    /// For what is to be recorded.
    pub routing: Routing,
    /// Time and chance.
    pub world: Environment,
    /// `DbWriterActor`.
    pub writer: Link<DbWriterActor>,
    /// `HealthActor`.
    pub health: Link<HealthActor>,
    /// What everyone may see.
    pub published: Published,
    /// Where the window waits between two lives.
    pub handoff: WindowHandoff,
    /// Where others ask for something to be published.
    pub orders: SessionRequests,
}

/// One life of the data path.
pub struct Receiver<B: Broker> {
    setup: ReceiverSetup,
    /// `Some` until it is left to the next life.
    window: Option<Window>,
    line: BrokerConnection<B>,
    writing: Option<WriterQuestion>,
    barriers: Barriers,
    /// Filters granted on this connection whose retained messages may still be under way.
    settling: Option<Vec<String>>,
    last_commit: Option<Instant>,
    /// Nothing is read before, unless the write under way is answered: see [`READ_PAUSE`].
    next_read: Option<Instant>,
    full_since: Option<Instant>,
    /// The connection was given up for lack of room and stays so until half of the window is
    /// written.
    held: bool,
    /// Why there is no connection: each kind that has been said since the last one.
    said: Vec<DownKind>,
    /// Routes that were heard and not yet told of.
    heard: HashSet<RouteId>,
    /// Deliveries that are not told of yet.
    arrived: Arrivals,
    drops: BrokerDrops,
    guard: PublishGuard,
    publications: Publications,
    orders: mpsc::Receiver<SessionOrder>,
    subscriptions: Subscriptions,
    copies: Copies,
    rerouting: Rerouting,
    /// No commit interval is kept: a stop or other routes wait for the window to be empty.
    hurry: bool,
    echo_monitor: EchoMonitor,
    stall: Stall,
    /// There was a connection in this process, or it is noted that there is none yet.
    start_noted: bool,
    /// It is noted that nothing is received any more.
    end_noted: bool,
    readings: ReadingWatch,
    intake: IntakeWatch,
    pause: Pause,
    /// Dropped last: its report must come after the window was left.
    lifeline: Lifeline,
}

impl<B: Broker> Receiver<B> {
    /// Takes over the window of the life before, if it left one.
    pub fn new(broker: B, setup: ReceiverSetup, lifeline: Lifeline) -> Self {
        let fresh = || Window::new((setup.world.random)(), setup.mqtt.max_unacked);
        let mut window = setup.handoff.take().unwrap_or_else(fresh);
        window.bound(setup.mqtt.max_unacked);
        let line = BrokerConnection::new(broker, setup.world, &setup.mqtt);
        Self {
            guard: PublishGuard::default(),
            publications: Publications::new(setup.orders.clone()),
            orders: setup.orders.open(),
            subscriptions: Subscriptions::default(),
            copies: Copies::default(),
            rerouting: Rerouting::new(&setup.routing),
            hurry: false,
            echo_monitor: EchoMonitor::new(&setup.mqtt, &setup.published),
            stall: Stall::default(),
            start_noted: setup.published.broker.get().connection != Connection::Starting,
            end_noted: false,
            readings: ReadingWatch::new(setup.router.routes(), setup.published.readings().clone()),
            intake: IntakeWatch::new(&setup.router, setup.published.route_faults().clone()),
            pause: Pause::of(&setup.published),
            setup,
            window: Some(window),
            line,
            writing: None,
            barriers: Barriers::default(),
            settling: None,
            last_commit: None,
            next_read: None,
            full_since: None,
            held: false,
            said: Vec::new(),
            heard: HashSet::new(),
            arrived: Arrivals::default(),
            drops: BrokerDrops::default(),
            lifeline,
        }
    }

    /// Records until told to `stop`; then commits what is in hand, acknowledges it and says
    /// goodbye.
    pub async fn run(mut self, stop: Arc<Notify>) {
        if self.pause.rests() {
            self.lifeline.ready();
        }
        loop {
            self.lifeline.pulse().beat();
            freeze::look(&self.setup.published, self.setup.world);
            self.follow_routes();
            self.write_if_free();
            self.tell_what_is_here();
            self.watch_room();
            self.listen();
            self.watch_connection();
            self.prove_acknowledgements();
            self.leave_if_done().await;
            let pauses = self.reading_pauses();
            let reads = self.may_read() && !pauses;
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = stop.notified() => break,
                answer = answer_of(&mut self.writing) => {
                    self.on_answer(answer);
                    self.catch_up().await;
                }
                result = self.rerouting.decision() => self.on_rerouted(result),
                Some(order) = self.orders.recv() => self.on_order(order),
                event = self.line.next(), if reads => self.on_line_and_what_came_with_it(event),
                () = sleep_until(wake_at) => {}
            }
        }
        self.finish().await;
    }

    /// One read often brings hundreds of messages: they are taken in one go, not each by a turn of the
    /// loop, and go into one batch.
    fn on_line_and_what_came_with_it(&mut self, event: ConnectionEvent) {
        let (mut only_deliveries, mut portion) = (is_delivery(&event), 1);
        self.on_line(event);
        while self.may_read()
            && let Some(event) = self.line.next_now()
        {
            only_deliveries &= is_delivery(&event);
            portion += 1;
            self.on_line(event);
        }
        // Whatever else came may have an answer, which leaves when it is read.
        let is_small = only_deliveries && portion < LARGE_PORTION;
        let waits = is_small && self.writing.is_some() && self.window().has_waiting();
        self.next_read = waits.then(|| Instant::now() + READ_PAUSE);
    }

    fn reading_pauses(&mut self) -> bool {
        let now = Instant::now();
        self.next_read = self.next_read.filter(|at| *at > now);
        self.next_read.is_some()
    }

    /// What came while reading paused belongs into the next batch.
    async fn catch_up(&mut self) {
        if self.next_read.take().is_some() && self.may_read() {
            tokio::select! {
                biased;
                event = self.line.next() => self.on_line_and_what_came_with_it(event),
                () = std::future::ready(()) => {}
            }
        }
    }

    fn on_order(&mut self, order: SessionOrder) {
        match order {
            SessionOrder::Pause(done) => self.on_pause(done),
            SessionOrder::Resume(done) => self.on_resume(done),
            SessionOrder::Publication(order) => {
                let session = self.line.session().map(|(_, session)| session);
                self.publications.take(order, session, &mut self.guard);
            }
        }
    }

    fn tell_what_is_here(&mut self) {
        let held = self.window().records();
        self.setup.published.set_held(held);
        self.setup.published.count_arrivals(&mut self.arrived);
        if !self.heard.is_empty() {
            let at = Moment { wall: (self.setup.world.now)(), steady: Instant::now() };
            let heard: Vec<RouteId> = self.heard.drain().collect();
            self.setup.published.last_seen().heard(&heard, at);
        }
    }

    fn window(&mut self) -> &mut Window {
        self.window.as_mut().expect("the window is only taken out when the recording is dropped")
    }

    /// Starts the next write, unless one is outstanding or the commit interval has not passed.
    fn write_if_free(&mut self) {
        if self.writing.is_some() || !self.commit_is_due() {
            return;
        }
        if let Some(batch) = self.window().next_batch() {
            if makes(Mistake::AcknowledgeEarly) {
                self.acknowledge_too_early(&batch);
            }
            self.writing = Some(Box::pin(ask(self.setup.writer.clone(), batch)));
        }
    }

    fn commit_is_due(&mut self) -> bool {
        let next = self.next_commit_at();
        self.pause.hurries()
            || self.window().has_full_batch()
            || next.is_none_or(|at| at <= Instant::now())
    }

    /// When the commit interval has passed; `None` without one.
    fn next_commit_at(&self) -> Option<Instant> {
        let interval = self.setup.in_force.now().database.commit_interval;
        if interval.is_zero() || self.hurry {
            None
        } else {
            self.last_commit.map(|at| at + interval)
        }
    }

    fn wake_at(&mut self) -> Instant {
        let tick = Instant::now() + TICK;
        let waits = self.writing.is_none() && self.window().has_waiting();
        let due = if waits { self.next_commit_at() } else { None };
        let wakes = [due, self.stall.due(), self.barrier_due(), self.next_read];
        wakes.into_iter().flatten().fold(tick, Instant::min)
    }

    fn may_read(&mut self) -> bool {
        if self.pause.rests() || self.rerouting.is_draining() {
            false
        } else if self.held {
            self.held = !self.window().is_half_empty();
            !self.held
        } else {
            self.window().has_room() && self.echo_monitor.have_room()
        }
    }

    /// A full window first only stops reading (the network holds the rest); when that lasts, the
    /// connection is given up and the broker holds the rest: it would count us as dead before long,
    /// and a dead connection would not be noticed.
    fn watch_room(&mut self) {
        if self.window().has_room() || self.pause.rests() {
            self.full_since = None;
            return;
        }
        let since = *self.full_since.get_or_insert_with(Instant::now);
        if self.held || since.elapsed() < self.setup.mqtt.keep_alive / 2 {
            return;
        }
        self.held = true;
        if self.line.let_go() {
            let bytes = self.window().bytes();
            let message = format!(
                "{bytes} bytes have arrived and wait for the database, the limit of \
                 mqtt.max_unacked: the connection is closed until half of them are written; QoS 1 \
                 and 2 wait at the broker"
            );
            warn!(event = event::WINDOW_FULL, bytes, "{message}");
            self.setup.published.note(
                event::WINDOW_FULL,
                (self.setup.world.now)(),
                message.clone(),
            );
            self.on_down(Down { kind: DownKind::WindowFull, message });
        }
    }

    fn on_answer(&mut self, answer: WriterAnswer) {
        self.writing = None;
        let Ok(Durable) = answer else { return };
        self.last_commit = Some(Instant::now());
        if let Some(batch) = self.window().take_written() {
            self.acknowledge(&batch);
        }
    }

    /// In the order of arrival, and only on the connection that brought them.
    fn acknowledge(&mut self, batch: &Batch) {
        let Some((id, session)) = self.line.session() else { return };
        if id != batch.connection {
            return;
        }
        for record in batch.records.iter().filter(|record| record.qos != Qos::AtMostOnce) {
            if !makes(Mistake::AcknowledgeEarly) {
                session.acknowledge(record.qos, record.packet_id);
            }
            self.echo_monitor.acknowledged(session);
        }
        self.barriers.acknowledged(batch, Instant::now());
        self.prove_acknowledgements();
    }

    /// With nothing durable behind it: see [`Mistake::AcknowledgeEarly`].
    fn acknowledge_too_early(&mut self, batch: &Batch) {
        let Some((id, session)) = self.line.session() else { return };
        if id == batch.connection {
            for record in batch.records.iter().filter(|record| record.qos != Qos::AtMostOnce) {
                session.acknowledge(record.qos, record.packet_id);
            }
        }
    }

    /// Sends a barrier when one is due: it proves that the broker took our acknowledgements; and, when nothing comes
    /// before it, that no retained message is left.
    fn prove_acknowledgements(&mut self) {
        let is_due = self.barrier_due().is_some_and(|due| due <= Instant::now());
        if is_due || (self.settling.is_some() && self.window().is_empty()) {
            self.send_barrier();
        }
    }

    /// `None` also without a connection.
    fn barrier_due(&mut self) -> Option<Instant> {
        self.line.session().and_then(|_| self.barriers.due())
    }

    /// Unless one is under way.
    fn send_barrier(&mut self) {
        let quiet = self.window().is_empty();
        if !self.barriers.is_under_way()
            && let Some((_, session)) = self.line.session()
        {
            session.barrier();
            self.barriers.sent(quiet);
        }
    }
}

fn is_delivery(event: &ConnectionEvent) -> bool {
    matches!(event, ConnectionEvent::Incoming(Incoming::Delivery(..)))
}

/// Whatever ends this life, its window goes to the next one.
impl<B: Broker> Drop for Receiver<B> {
    fn drop(&mut self) {
        self.setup.published.count_arrivals(&mut self.arrived);
        self.note_end();
        if let Some(window) = self.window.take() {
            self.setup.handoff.leave(window);
        }
    }
}

impl<B: Broker> std::fmt::Debug for Receiver<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("line", &self.line).finish_non_exhaustive()
    }
}
