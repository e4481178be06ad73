//! The end of a life: what is in hand is committed and acknowledged, and the broker hears a goodbye.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Receiver;
use crate::message::account::{Drop as Dropped, Outcome};
use crate::message::event;
use crate::mqtt::ask_writer::answer_of;
use crate::ports::Broker;

/// At a stop, how long the writer may take for what is in hand; the rest stays at the broker.
const FINISH_WITHIN: Duration = Duration::from_secs(4);

impl<B: Broker> Receiver<B> {
    /// Stops receiving, commits what is in hand, acknowledges it, says goodbye: as far as the time
    /// allows.
    pub(super) async fn finish(mut self) {
        let deadline = Instant::now() + FINISH_WITHIN;
        self.note_end();
        self.hurry = true;
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
            self.setup.published.broker.update(|broker| {
                for (route, n) in unrepeatable {
                    broker.lost_at_stop.add(route, Outcome::Dropped(Dropped::Shutdown), n);
                }
            });
        }
        self.say_goodbye().await;
    }

    /// Says what is to stand for us, and ends the connection in order.
    pub(super) async fn say_goodbye(&mut self) {
        if let Some((_, session)) = self.line.session() {
            self.publications.say_farewell(session);
        }
        self.line.disconnect().await;
        self.guard.ended(None, Instant::now());
        self.publications.end();
        self.echo_monitor.end();
        self.end_stall(None);
        self.end_deafness();
    }
}
