//! What the data path tells of the broker: in the log, in the events, in the list of gaps.

use std::time::Duration;

use tracing::warn;

use crate::message::delivery::UnixMillis;
use crate::message::event;
use crate::message::note::{GapCause, Note, process_down_detail};
use crate::mqtt::broker_drops::Rise;
use crate::ports::{BrokerRefusal, Down};
use crate::status::{Connection, Published};

/// Routes that are named where the broker refuses what serves them.
const REFUSED_NAMED: usize = 5;

/// Connecting failed; it is tried again after `pause`.
pub(crate) fn unreachable(published: &Published, down: &Down, pause: Duration, now: UnixMillis) {
    let pause = humantime::format_duration(Duration::from_secs(pause.as_secs() + 1));
    let message = format!("{}; trying again, at first in {pause}", down.message);
    warn!(event = event::BROKER_UNREACHABLE, cause = down.kind.word(), "{message}");
    published.note(event::BROKER_UNREACHABLE, now, message);
}

/// There is no connection from now on: the gap is opened once for each stretch; before the first
/// connection it began when the process did.
pub(crate) fn unreachable_from(published: &Published, at: UnixMillis, down: &Down) {
    let from = match published.broker.read(|broker| broker.connection.clone()) {
        Connection::Up(_) => at,
        Connection::Starting => published.tree.read(|tree| tree.started).unwrap_or(at),
        Connection::Down(..) => return,
    };
    gap_from(published, from, down);
}

/// A start takes so long at most before it is a gap. Below it the start is not told of.
const START_WITHIN_MS: i64 = 1_500;

/// The process has begun a while ago, and there has been no connection yet: that is a gap from its beginning on. Whether
/// that is so.
pub(crate) fn starts_slowly(published: &Published, now: UnixMillis) -> bool {
    let Some(started) = published.tree.read(|tree| tree.started) else { return false };
    let is_starting = published.broker.read(|broker| broker.connection == Connection::Starting);
    if !is_starting || now.0 - started.0 < START_WITHIN_MS {
        return false;
    }
    let detail = format!(
        "the recorder started at {started} UTC and was not connected for more than a second. What was published at \
         QoS 0 meanwhile is missing; at QoS 1 and 2 the broker keeps it for us, as far as its own settings go"
    );
    published.remember(Note::gap_opened(GapCause::BrokerUnreachable, None, started, detail));
    true
}

/// The broker session ends while it is connected: nothing is received from then on.
pub(crate) fn session_ends(published: &Published, from: UnixMillis) {
    let (cause, detail) = match published.tree.read(|tree| tree.stopping) {
        true => (GapCause::ProcessDown, process_down_detail("it was stopped")),
        false => {
            let detail = "the broker session ended and is started again. What is published at QoS 0 \
                          meanwhile is missing; at QoS 1 and 2 the broker keeps it for us";
            (GapCause::BrokerUnreachable, detail.to_owned())
        }
    };
    published.remember(Note::gap_opened(cause, None, from, detail));
}

/// Nothing has come on the connection since then, although the broker owes an answer.
pub(crate) fn stalled(published: &Published, from: UnixMillis) {
    let told = format!(
        "nothing has come from the broker since {from} UTC, although it owes an answer: the connection stands \
         still"
    );
    warn!("{told}; waiting for the keep-alive to decide");
    let detail = format!(
        "{told}. At QoS 1 and 2 the broker should still have what was published; at QoS 0 it may be missing"
    );
    published.remember(Note::gap_opened(GapCause::Deaf, None, from, detail));
}

/// There is no connection from then on.
pub(crate) fn gap_from(published: &Published, from: UnixMillis, down: &Down) {
    let detail = format!(
        "{}. What was published at QoS 0 meanwhile is missing; at QoS 1 and 2 the broker keeps it \
         for us, as far as its own settings go",
        down.message
    );
    published.remember(Note::gap_opened(GapCause::BrokerUnreachable, None, from, detail));
}

/// The broker refused a filter, which serves these routes.
pub(crate) fn subscription_refused(
    published: &Published,
    filter: &str,
    routes: &[&str],
    reason: &BrokerRefusal,
    now: UnixMillis,
) {
    let named = routes.iter().take(REFUSED_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = match routes.len().saturating_sub(REFUSED_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!(
        "the broker refused the subscription to {filter}: {reason}. Nothing of route {named}{more} is recorded; look \
         at the broker's access rules for this user"
    );
    warn!(event = event::SUBSCRIPTION_REFUSED, route = named, "{message}");
    published.note(event::SUBSCRIPTION_REFUSED, now, message);
}

/// The broker's own count of what it had to drop has risen by so many.
pub(crate) fn dropped(published: &Published, rise: Rise, now: UnixMillis) {
    let Rise { messages: more, since } = rise;
    if more == 0 {
        return;
    }
    let told = format!(
        "the broker reports {more} more dropped messages (to us or to other clients): they never \
        reached us; let it queue more (max_queued_messages), and publish at QoS 1"
    );
    warn!(event = event::BROKER_DROPPED, count = more, "{told}");
    published.broker.update(|broker| broker.dropped += more);
    published.note(event::BROKER_DROPPED, now, told.clone());
    let cause = GapCause::BrokerDropped;
    published.remember(Note::gap_opened(cause, None, since, told));
    published.remember(Note::gap_closed(cause, None, now));
}
