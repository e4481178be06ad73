//! Whether we hear: our echo is sent, taken and acknowledged, and a deaf session is renewed.

use std::collections::HashSet;

use barograph_config::{Mqtt, Qos};
use tokio::time::Instant;
use tracing::{info, warn};

use super::Receiver;
use crate::message::delivery::{Delivery, UnixMillis};
use crate::message::event;
use crate::message::note::{GapCause, Note};
use crate::mqtt::publish::echo::{AckOrder, Echo, EchoVerdict, judge, resubscribes};
use crate::mqtt::subscriptions::{Subscriptions, filters};
use crate::ports::{Broker, BrokerRefusal, BrokerSession, Down, DownKind};
use crate::status::{Deafness, Published};

/// What a life knows of its hearing.
#[derive(Debug)]
pub(super) struct EchoMonitor {
    echo: Echo,
    ack_order: AckOrder,
    /// In a row, without effect.
    renewals: u32,
    /// An echo has come back in this process.
    proven: bool,
}

impl EchoMonitor {
    pub(super) fn new(settings: &Mqtt, published: &Published) -> Self {
        let known = published.broker.read(|broker| broker.hearing.clone());
        Self {
            echo: Echo::new(settings),
            ack_order: AckOrder::default(),
            renewals: known.deaf.map_or(0, |deaf| deaf.renewals),
            proven: known.last_echo.is_some(),
        }
    }

    /// A connection begins.
    pub(super) fn begin(&mut self, session: &mut impl BrokerSession) {
        self.ack_order = AckOrder::default();
        self.echo.begin(session);
    }

    /// The connection is gone.
    pub(super) fn end(&mut self) {
        self.echo.end();
    }

    /// Whether this is our own topic.
    pub(super) fn is_echo(&self, topic: &str) -> bool {
        self.echo.is_topic(topic)
    }

    /// A delivery of another client is admitted.
    pub(super) fn admitted(&mut self, qos: Qos) {
        if qos != Qos::AtMostOnce {
            self.ack_order.admitted();
            self.echo.hear();
        }
    }

    /// A delivery is acknowledged, and with it the echoes behind it.
    pub(super) fn acknowledged(&mut self, session: &mut impl BrokerSession) {
        self.ack_order.acknowledged();
        self.answer_echoes(session);
    }

    /// A delivery that is not taken in is acknowledged behind those before it.
    pub(super) fn pass_over(
        &mut self,
        delivery: &Delivery,
        session: Option<&mut impl BrokerSession>,
    ) {
        self.ack_order.wait(delivery.qos, delivery.packet_id);
        if let Some(session) = session {
            self.answer_echoes(session);
        }
    }

    fn answer_echoes(&mut self, session: &mut impl BrokerSession) {
        while let Some((qos, packet_id)) = self.ack_order.next() {
            session.acknowledge(qos, packet_id);
        }
    }

    /// Whether every echo is acknowledged.
    pub(super) fn answered_all(&self) -> bool {
        self.ack_order.is_empty()
    }

    /// Since when an echo has been under way that should come back: where none ever did, the broker may not
    /// allow it.
    pub(super) fn expects_echo(&self) -> Option<Instant> {
        self.echo.under_way_since().filter(|_| self.proven)
    }

    /// The session was renewed because it delivered nothing, and nothing has come since.
    pub(super) fn is_deaf(&self) -> bool {
        self.renewals > 0
    }

    /// Whether more may be taken in.
    pub(super) fn have_room(&self) -> bool {
        !self.ack_order.is_full()
    }
}

impl<B: Broker> Receiver<B> {
    /// Asks for everything that we want to hear.
    pub(super) fn subscribe(&mut self) {
        self.subscriptions = Subscriptions::default();
        let filters = filters(self.setup.router.cover(), &self.setup.mqtt);
        if resubscribes(self.echo_monitor.renewals)
            && let Some((_, session)) = self.line.session()
        {
            // Together with what asks for them anew: the broker takes both in one go.
            let mut topics: Vec<String> = filters.into_iter().map(|it| it.topic).collect();
            topics.push(self.echo_monitor.echo.filter().topic);
            session.unsubscribe(&topics);
        }
        self.subscribe_to_difference(&[], &HashSet::new());
        if let Some((_, session)) = self.line.session() {
            self.echo_monitor.begin(session);
        }
    }

    /// Sends an echo when it is due, and judges by what came.
    pub(super) fn listen(&mut self) {
        if self.pause.rests() {
            return;
        }
        let now = Instant::now();
        let held_back = self.is_held_back();
        let (heard, silence) = self.echo_monitor.echo.look(now, held_back);
        if heard && self.echo_monitor.renewals > 0 {
            self.hear_again();
        }
        let (interval, renewals) = (self.echo_monitor.echo.interval(), self.echo_monitor.renewals);
        match judge(silence, interval, renewals, self.echo_monitor.proven) {
            EchoVerdict::Well => {}
            EchoVerdict::Deaf => return self.renew(silence.unwrap_or_default().as_millis()),
            EchoVerdict::Unproven => {
                let why = "no message to ourselves has come back yet; perhaps the broker does not \
                    allow it";
                self.do_without_echo(why);
            }
        }
        if let Some((_, session)) = self.line.session() {
            let speak = (session, &mut self.guard);
            if let Err(why) = self.echo_monitor.echo.send(speak, now, self.setup.world.random) {
                self.do_without_echo(&why.to_string());
            }
        }
    }

    /// What the broker waits for is with us, so that it may rightly send no message.
    pub(super) fn is_held_back(&mut self) -> bool {
        let waits = !self.window().is_empty() || !self.echo_monitor.ack_order.is_empty();
        waits || self.held || !self.window().has_room()
    }

    /// Our own message came back, or one that we sent long ago.
    pub(super) fn on_echo(&mut self, delivery: &Delivery) {
        self.barriers.quiet = false;
        if !delivery.dup && delivery.qos != Qos::AtMostOnce {
            self.window().pass_id();
        }
        if self.echo_monitor.echo.came_back(&delivery.payload) {
            self.echo_monitor.proven = true;
            let now = (self.setup.world.now)();
            self.setup.published.broker.update(|broker| {
                broker.hearing.last_echo = Some(now);
                broker.hearing.off = None;
            });
        }
        let session = self.line.session().map(|(_, session)| session);
        self.echo_monitor.pass_over(delivery, session);
    }

    /// The answer to a request; whether it was the echo's.
    pub(super) fn on_echo_subscribed(
        &mut self,
        id: u16,
        answers: &[Result<Qos, BrokerRefusal>],
    ) -> bool {
        match self.echo_monitor.echo.subscribed(id, answers, Instant::now()) {
            None => false,
            Some(Ok(())) => true,
            Some(Err(reason)) => {
                self.do_without_echo(&format!("the broker refuses the subscription: {reason}"));
                true
            }
        }
    }

    /// The answer to a message; whether it was the echo's.
    pub(super) fn on_echo_published(
        &mut self,
        id: u16,
        outcome: &Result<(), BrokerRefusal>,
    ) -> bool {
        match self.echo_monitor.echo.published(id, outcome) {
            None => false,
            Some(Ok(())) => true,
            Some(Err(reason)) => {
                self.do_without_echo(&format!("the broker refuses the message: {reason}"));
                true
            }
        }
    }

    /// Said once in a process.
    fn do_without_echo(&self, why: &str) {
        let topic = self.echo_monitor.echo.filter().topic;
        self.setup.published.broker.update(|broker| {
            if broker.hearing.off.is_none() {
                info!(
                    "a deaf connection cannot be distinguished from silent sensors: {why}. Let us \
                     publish and read {topic}, or set mqtt.echo = false"
                );
                broker.hearing.off = Some(why.to_owned());
            }
        });
    }

    /// The connection lives and delivers nothing: it is given up and made anew.
    fn renew(&mut self, silent_ms: u128) {
        self.echo_monitor.renewals = self.echo_monitor.renewals.saturating_add(1);
        let (attempt, now) = (self.echo_monitor.renewals, (self.setup.world.now)());
        let published = &self.setup.published;
        let silent_ms = i64::try_from(silent_ms).unwrap_or(i64::MAX);
        let since = published.broker.update(|broker| {
            let known = broker.hearing.deaf.map(|deaf| deaf.since);
            let since = known.unwrap_or(UnixMillis(now.0.saturating_sub(silent_ms)));
            broker.hearing.deaf = Some(Deafness { since, renewals: attempt });
            since
        });
        let message =
            format!("connected, but nothing was received since {since} UTC, not even our own echo");
        let detail = format!(
            "{message}. At QoS 1 and 2 the broker should still have what was published; at QoS 0 \
             it is missing"
        );
        published.remember(Note::gap_opened(GapCause::Deaf, None, since, detail));
        let anew = if resubscribes(attempt) { ", and so are the subscriptions" } else { "" };
        let told = format!("{message}: the session is renewed (attempt {attempt}){anew}");
        warn!(event = event::SESSION_RENEWED, attempt, since = %since, "{told}");
        published.note(event::SESSION_RENEWED, now, told);
        self.line.let_go();
        self.on_down(Down { kind: DownKind::Deaf, message });
    }

    fn hear_again(&mut self) {
        info!("the broker's messages reach us again");
        self.end_deafness();
    }

    /// We hear again; or there is no connection that could be deaf.
    pub(super) fn end_deafness(&mut self) {
        if self.echo_monitor.renewals == 0 {
            return;
        }
        self.echo_monitor.renewals = 0;
        let now = (self.setup.world.now)();
        self.setup.published.broker.update(|broker| broker.hearing.deaf = None);
        self.setup.published.remember(Note::gap_closed(GapCause::Deaf, None, now));
    }
}
