//! What the data path tells of the broker: in the log, in the events, in the list of gaps.

use std::time::Duration;

use barograph_config::Route;
use tracing::warn;

use crate::delivery::UnixMillis;
use crate::event;
use crate::note::{GapCause, Note};
use crate::ports::Down;
use crate::published::{Connection, Published};

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
    let state = published.snapshot();
    let from = match state.connection {
        Connection::Up(_) => at,
        Connection::Starting => state.started.unwrap_or(at),
        Connection::Down(..) => return,
    };
    gap_from(published, from, down);
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

/// The broker refused a route's filter.
pub(crate) fn subscription_refused(
    published: &Published,
    route: &Route,
    reason: &str,
    now: UnixMillis,
) {
    let message = format!(
        "the broker refused the subscription to {}: {reason}. Nothing of route {} is recorded; look \
         at the broker's access rules for this user",
        route.topic, route.table
    );
    warn!(event = event::SUBSCRIPTION_REFUSED, route = route.table, "{message}");
    published.note(event::SUBSCRIPTION_REFUSED, now, message);
}

/// The broker's own count of what it had to drop has risen by so many.
pub(crate) fn dropped(published: &Published, more: u64, now: UnixMillis) {
    if more == 0 {
        return;
    }
    let told = format!(
        "the broker says that it dropped {more} messages (to us or to other clients) since it last \
         said so: they never reached us; let it queue more (max_queued_messages), and publish at QoS 1"
    );
    warn!(event = event::BROKER_DROPPED, count = more, "{told}");
    published.update(|state| state.broker_dropped += more);
    published.note(event::BROKER_DROPPED, now, told);
}
