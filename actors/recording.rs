//! The data path between broker and writer: a plain loop over two ports, with one outstanding
//! write.
//!
//! While a batch is being written, everything that arrives becomes the next batch (natural
//! batching): under little load a message is written at once, under much load the commits grow.
//! Acknowledgements leave only after the commit, in the order of arrival, and only on the
//! connection that the delivery came by.

use std::sync::Arc;
use std::time::Duration;

use barograph_config::{Mqtt, Qos};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{info, warn};

use crate::account::{Drop as Dropped, Outcome, RouteId};
use crate::barriers::Barriers;
use crate::batch::{Batch, Opening};
use crate::broker_drops::BrokerDrops;
use crate::broker_news as news;
use crate::db_writer::{DbWriterActor, Durable};
use crate::decode::decode;
use crate::delivery::{ConnectionId, Delivery};
use crate::event;
use crate::health::{ConnectionChanged, HealthActor};
use crate::line::{Line, LineEvent};
use crate::note::{GapCause, Note};
use crate::ports::{Broker, Down, DownKind, Incoming, Session, World};
use crate::published::{Connection, Published};
use crate::question::{Answer, Question, answer_of, ask};
use crate::route::Router;
use crate::supervise::{Lifeline, Link};
use crate::watch::Moment;
use crate::window::{Estate, Window};

/// The loop wakes at least this often, to show that it lives.
const TICK: Duration = Duration::from_millis(500);

/// At a stop, how long the writer may take for what is in hand; the rest stays at the broker.
const FINISH_WITHIN: Duration = Duration::from_secs(4);

/// Never true in a recorder that records: with the feature `acknowledge-early`, acknowledgements leave
/// before the commit. That is the mistake the fault sweeps must find, or they would find nothing.
pub const ACKNOWLEDGES_EARLY: bool = cfg!(feature = "acknowledge-early");

/// What a recording needs besides the broker.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The routes.
    pub router: Arc<Router>,
    /// `[mqtt]`
    pub mqtt: Mqtt,
    /// Least time between two commits.
    pub commit_interval: Duration,
    /// Time and chance.
    pub world: World,
    /// Who writes.
    pub writer: Link<DbWriterActor>,
    /// Who judges.
    pub health: Link<HealthActor>,
    /// What everyone may see.
    pub published: Published,
    /// Where the window waits between two lives.
    pub estate: Estate,
}

/// One life of the data path.
pub struct Recording<B: Broker> {
    setup: Setup,
    /// `Some` until it is left to the next life.
    window: Option<Window>,
    line: Line<B>,
    writing: Option<Question>,
    barriers: Barriers,
    /// Filters granted on this connection whose retained messages may still be under way.
    settling: Option<Vec<String>>,
    last_commit: Option<Instant>,
    full_since: Option<Instant>,
    /// The connection was given up for lack of room and stays so until half of the window is
    /// written.
    held: bool,
    /// Why there is no connection: each kind that has been said since the last one.
    said: Vec<DownKind>,
    /// Routes that were heard and not yet told of.
    heard: Vec<RouteId>,
    drops: BrokerDrops,
    /// Dropped last: its report must come after the window was left.
    lifeline: Lifeline,
}

impl<B: Broker> Recording<B> {
    /// Takes over the window of the life before, if it left one.
    pub fn new(broker: B, setup: Setup, lifeline: Lifeline) -> Self {
        let fresh = || Window::new((setup.world.random)(), setup.mqtt.max_unacked);
        let window = setup.estate.take().unwrap_or_else(fresh);
        let line = Line::new(broker, setup.world, &setup.mqtt);
        Self {
            setup,
            window: Some(window),
            line,
            writing: None,
            barriers: Barriers::default(),
            settling: None,
            last_commit: None,
            full_since: None,
            held: false,
            said: Vec::new(),
            heard: Vec::new(),
            drops: BrokerDrops::default(),
            lifeline,
        }
    }

    /// Records until told to `stop`; then commits what is in hand, acknowledges it and says
    /// goodbye.
    pub async fn run(mut self, stop: Arc<Notify>) {
        loop {
            self.lifeline.pulse().beat();
            self.write_if_free();
            self.tell_what_is_here();
            self.watch_room();
            let may_read = self.may_read();
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = stop.notified() => break,
                answer = answer_of(&mut self.writing) => self.on_answer(answer),
                event = self.line.next(), if may_read => self.on_line_and_what_came_with_it(event),
                () = sleep_until(wake_at) => {}
            }
        }
        self.finish().await;
    }

    /// One read often brings hundreds of messages: they are taken in one go, not each by a turn of the
    /// loop, and go into one batch.
    fn on_line_and_what_came_with_it(&mut self, event: LineEvent) {
        self.on_line(event);
        while self.may_read()
            && let Some(event) = self.line.next_now()
        {
            self.on_line(event);
        }
    }

    fn tell_what_is_here(&mut self) {
        let held = self.window().records();
        self.setup.published.set_held(held);
        if !self.heard.is_empty() {
            let at = Moment { wall: (self.setup.world.now)(), steady: Instant::now() };
            self.setup.published.sights().heard(&self.heard, at);
            self.heard.clear();
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
            if ACKNOWLEDGES_EARLY {
                self.acknowledge_too_early(&batch);
            }
            self.writing = Some(Box::pin(ask(self.setup.writer.clone(), batch)));
        }
    }

    fn commit_is_due(&mut self) -> bool {
        let next = self.next_commit_at();
        self.window().has_full_batch() || next.is_none_or(|at| at <= Instant::now())
    }

    /// When the commit interval has passed; `None` without one.
    fn next_commit_at(&self) -> Option<Instant> {
        let interval = self.setup.commit_interval;
        if interval.is_zero() { None } else { self.last_commit.map(|at| at + interval) }
    }

    fn wake_at(&mut self) -> Instant {
        let tick = Instant::now() + TICK;
        let waits = self.writing.is_none() && self.window().has_waiting();
        let due = if waits { self.next_commit_at() } else { None };
        due.map_or(tick, |due| due.min(tick))
    }

    fn may_read(&mut self) -> bool {
        if self.held {
            self.held = !self.window().is_half_empty();
            !self.held
        } else {
            self.window().has_room()
        }
    }

    /// A full window first only stops reading (the network holds the rest); when that lasts, the
    /// connection is given up and the broker holds the rest: it would count us as dead before long,
    /// and a dead connection would not be noticed.
    fn watch_room(&mut self) {
        if self.window().has_room() {
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
                 mqtt.max_unacked: the connection is given up until half of it is written; QoS 1 \
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

    fn on_answer(&mut self, answer: Answer) {
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
            if !ACKNOWLEDGES_EARLY {
                session.acknowledge(record.qos, record.packet_id);
            }
        }
        self.barriers.acknowledged(batch);
        self.send_barrier();
    }

    /// With nothing durable behind it: see [`ACKNOWLEDGES_EARLY`].
    fn acknowledge_too_early(&mut self, batch: &Batch) {
        let Some((id, session)) = self.line.session() else { return };
        if id == batch.connection {
            for record in batch.records.iter().filter(|record| record.qos != Qos::AtMostOnce) {
                session.acknowledge(record.qos, record.packet_id);
            }
        }
    }

    /// A barrier proves that the broker took our acknowledgements; and, when nothing comes before
    /// it, that no retained message is left.
    fn send_barrier(&mut self) {
        let quiet = self.window().is_empty();
        if self.barriers.under_way.is_some()
            || !(self.barriers.owed.is_some() || (self.settling.is_some() && quiet))
        {
            return;
        }
        if let Some((_, session)) = self.line.session() {
            session.barrier();
            self.barriers.under_way = Some(self.barriers.owed.take().unwrap_or(0));
            self.barriers.quiet = quiet;
        }
    }

    fn on_line(&mut self, event: LineEvent) {
        match event {
            LineEvent::Connected(id, greeting) => self.on_connected(id, greeting.session_present),
            LineEvent::Unreachable(down, pause) => {
                if !self.said.contains(&down.kind) {
                    let now = (self.setup.world.now)();
                    news::unreachable(&self.setup.published, &down, pause, now);
                }
                self.on_down(down);
                self.lifeline.ready();
            }
            LineEvent::Lost(down, _) => {
                let taken_over = down.kind == DownKind::TakenOver;
                let name =
                    if taken_over { event::SESSION_TAKEN_OVER } else { event::BROKER_DISCONNECTED };
                warn!(event = name, cause = down.kind.word(), "{}", down.message);
                self.setup.published.note(name, (self.setup.world.now)(), down.message.clone());
                self.on_down(down);
            }
            LineEvent::Incoming(Incoming::Delivery(delivery)) => self.on_delivery(delivery),
            LineEvent::Incoming(Incoming::Subscribed(answers)) => self.on_subscribed(answers),
            LineEvent::Incoming(Incoming::BarrierPassed) => self.on_barrier_passed(),
            LineEvent::Incoming(Incoming::Released(packet_id)) => {
                self.barriers.released(packet_id);
                self.send_barrier();
            }
        }
    }

    fn on_connected(&mut self, id: ConnectionId, session_present: bool) {
        let at = (self.setup.world.now)();
        let session = self.line.session_name();
        self.setup.published.update(|state| state.session_present = Some(session_present));
        info!(event = event::BROKER_CONNECTED, session_present, "connected to {session}");
        self.setup.published.note(event::BROKER_CONNECTED, at, format!("connected to {session}"));
        self.setup.published.update(|state| state.connection = Connection::Up(at));
        self.setup.health.tell(ConnectionChanged { down: None });
        self.setup.published.remember(Note::gap_closed(GapCause::BrokerUnreachable, None, at));
        self.said.clear();
        self.barriers = Barriers::default();
        self.settling = None;
        self.window().open(id, Opening { session_present, session, at });
        self.lifeline.ready();
    }

    fn on_down(&mut self, down: Down) {
        let at = (self.setup.world.now)();
        let message = down.message.clone();
        news::unreachable_from(&self.setup.published, at, &down);
        self.setup.published.update(|state| {
            let since = match state.connection {
                Connection::Down(since, _) => since,
                Connection::Starting | Connection::Up(_) => at,
            };
            state.connection = Connection::Down(since, message);
        });
        if !self.said.contains(&down.kind) {
            self.said.push(down.kind);
        }
        self.setup.health.tell(ConnectionChanged { down: Some(down.message) });
    }

    fn on_delivery(&mut self, delivery: Delivery) {
        if let Some(dropped) = self.drops.look(&delivery)
            && self.setup.router.find(&delivery.topic).is_none()
        {
            return news::dropped(&self.setup.published, dropped, (self.setup.world.now)());
        }
        self.setup.published.count_received();
        self.barriers.quiet = false;
        if !delivery.retain && !delivery.dup && delivery.qos != Qos::AtMostOnce {
            self.settle_filters();
        }
        let record = decode(delivery, &self.setup.router, self.setup.mqtt.max_packet_size);
        if !self.heard.contains(&record.route) {
            self.heard.push(record.route);
        }
        if self.setup.published.is_holding() {
            self.window().admit_while_holding(record);
        } else {
            self.window().admit(record);
        }
    }

    fn on_subscribed(&mut self, answers: Vec<Result<Qos, String>>) {
        let router = Arc::clone(&self.setup.router);
        let mut granted = Vec::new();
        for (route, answer) in router.routes().iter().zip(answers) {
            match answer {
                Ok(_) => granted.push(route.topic.clone()),
                Err(reason) => {
                    let now = (self.setup.world.now)();
                    news::subscription_refused(&self.setup.published, route, &reason, now);
                }
            }
        }
        self.settling = Some(granted);
        self.send_barrier();
    }

    /// The retained messages of new subscriptions have all arrived: a message from after them has,
    /// or everything was answered and a barrier came back with nothing before it. (A broker sends
    /// only so many at a time: a barrier alone overtakes the rest.)
    fn settle_filters(&mut self) {
        if let Some(filters) = self.settling.take() {
            self.window().settle_filters(filters);
        }
    }

    fn on_barrier_passed(&mut self) {
        if let Some(number) = self.barriers.under_way.take()
            && let Some((id, _)) = self.line.session()
        {
            if number > 0 {
                self.window().confirm(id, number);
            }
            if self.barriers.quiet {
                self.settle_filters();
            }
        }
        self.send_barrier();
    }

    /// Stops receiving, commits what is in hand, acknowledges it, says goodbye: as far as the time
    /// allows.
    async fn finish(mut self) {
        let deadline = Instant::now() + FINISH_WITHIN;
        self.setup.commit_interval = Duration::ZERO;
        while !self.window().is_empty() {
            self.write_if_free();
            match timeout_at(deadline, answer_of(&mut self.writing)).await {
                Ok(answer) => self.on_answer(answer),
                Err(_) => break,
            }
        }
        let unrepeatable = self.window().unrepeatable();
        let lost: u64 = unrepeatable.iter().map(|(_, n)| n).sum();
        let left = self.window().records() - lost;
        self.setup.published.set_held(left);
        if lost > 0 {
            let message = format!(
                "{lost} messages of QoS 0 were in memory and could not be \
                written before the stop"
            );
            tracing::error!(event = event::STOP_TIMED_OUT, lost, "{message}");
            self.setup.published.update(|state| {
                for (route, n) in unrepeatable {
                    state.tally.add(route, Outcome::Dropped(Dropped::Shutdown), n);
                }
            });
        }
        self.line.disconnect().await;
    }
}

/// Whatever ends this life, its window goes to the next one.
impl<B: Broker> Drop for Recording<B> {
    fn drop(&mut self) {
        if let Some(window) = self.window.take() {
            self.setup.estate.leave(window);
        }
    }
}

impl<B: Broker> std::fmt::Debug for Recording<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").field("line", &self.line).finish_non_exhaustive()
    }
}
