//! Where messages are on their way, and where they wait.

use std::time::Duration;

use barograph_actors::message::account::Account;
use barograph_actors::message::children;
use barograph_actors::status::measures::{Measured, Rates};
use barograph_actors::status::mode::Mode;
use barograph_actors::status::{Connection, Published, Snapshot};
use tokio::time::Instant;

use crate::wire::status::FlowStatus;

/// What is on its way for less than this does not wait.
const WAITS_AFTER: Duration = Duration::from_secs(1);

/// `flow`: means and times are those of the last minute.
pub(super) fn flow(
    state: &Snapshot,
    published: &Published,
    measured: &Measured,
    commit_interval: Duration,
) -> FlowStatus {
    let lately = measured.lately();
    let milliseconds = |share| lately.seconds.quantile(share).map(|at| rounded(at * 1_000.0));
    let durable = published.last_seen().last_durable();
    let since = durable.map(|at| Instant::now().saturating_duration_since(at.steady));
    FlowStatus {
        received: state.account().received,
        held: state.held,
        acknowledged: acknowledged(&state.account()),
        batch_rows_mean: lately.rows.mean().map(rounded),
        commit_ms_p50: milliseconds(0.5),
        commit_ms_p99: milliseconds(0.99),
        waits_in: waits_in(state, since, commit_interval).into(),
    }
}

/// What has a commit behind it, in the database or the spool.
fn acknowledged(account: &Account) -> u64 {
    let sums = account.sums;
    sums.stored + sums.duplicate + sums.filtered + sums.quarantined + account.spooled
}

/// Where messages wait now. `durable`: how long ago something last became durable.
fn waits_in(
    state: &Snapshot,
    durable: Option<Duration>,
    commit_interval: Duration,
) -> &'static str {
    let is_away =
        state.broker.paused.is_some() || matches!(state.broker.connection, Connection::Down(..));
    match state.health.mode {
        Mode::Holding { .. } => return "broker",
        Mode::Normal | Mode::Retrying { .. } | Mode::Degraded { .. } | Mode::Recovering { .. } => {}
    }
    let moves = durable.is_some_and(|since| since < WAITS_AFTER);
    if state.storage.spooled > 0 {
        "spool"
    } else if is_away {
        "broker"
    } else if state.held == 0 || (moves && state.health.consecutive_failures == 0) {
        "nothing"
    } else if state.health.consecutive_failures == 0
        && durable.is_some_and(|it| it < commit_interval)
    {
        "window"
    } else {
        "commit"
    }
}

/// Messages a second that an actor handles: deliveries, batches, and those who are told of each. Of the others
/// it is not counted.
pub(super) fn messages_per_second(actor: &str, rates: &Rates) -> Option<f64> {
    let of_batches = [children::DB_WRITER, children::HEALTH, children::STATS];
    let rate = match actor {
        children::MQTT => Some(rates.received),
        actor if of_batches.contains(&actor) => Some(rates.commits + rates.failed),
        _ => None,
    };
    rate.filter(|_| rates.over > Duration::ZERO).map(rounded)
}

/// With two decimals.
pub(super) fn rounded(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use barograph_actors::message::delivery::UnixMillis;

    use super::*;

    #[test]
    fn messages_wait_where_the_first_of_them_cannot_go_on() {
        type FlowChange = fn(&mut Snapshot);
        let down: FlowChange =
            |state| state.broker.connection = Connection::Down(UnixMillis(1), "refused".to_owned());
        let held: FlowChange = |state| state.held = 5;
        let failing: FlowChange = |state| state.health.consecutive_failures = 1;
        let spooled: FlowChange = |state| state.storage.spooled = 5;
        let paused: FlowChange = |state| state.broker.paused = Some(UnixMillis(1));
        let (long_ago, just_now) = (Some(Duration::from_secs(5)), Some(Duration::from_millis(5)));
        let table = [
            (vec![], None, "nothing"),
            (vec![held], just_now, "nothing"),
            (vec![held], long_ago, "window"),
            (vec![held], Some(Duration::from_secs(30)), "commit"),
            (vec![held, failing], just_now, "commit"),
            (vec![spooled], just_now, "spool"),
            (vec![down], long_ago, "broker"),
            (vec![spooled, down], long_ago, "spool"),
            (vec![paused], long_ago, "broker"),
        ];
        for (changes, durable, expected) in table {
            let mut state = Snapshot::default();
            state.broker.connection = Connection::Up(UnixMillis(1));
            changes.iter().for_each(|change| change(&mut state));
            assert_eq!(waits_in(&state, durable, Duration::from_secs(10)), expected, "{state:?}");
        }
    }
}
