//! Alerts: on which way a person hears of issues. The policy is here, one desk for each channel; the
//! channels themselves are behind the port [`Notifier`].
//!
//! A desk outlives the `HealthActor` that looks at it: what was told must not be told again because
//! somebody restarted.

pub mod notification;
pub mod notifier;
pub mod retained_state;
mod scheduler;
#[cfg(test)]
mod scheduler_tests;

use std::fmt;
use std::sync::Arc;

use barograph_config::Alert;
use parking_lot::{Mutex, MutexGuard};
use tracing::{info, warn};

use self::notifier::{AlertOutcome, Notifier};
use self::retained_state::RetainedStatePublisher;
use self::scheduler::{ChannelReport, ChannelScheduler, View};
use crate::message::event;
use crate::message::moment::Moment;
use crate::ports::Environment;
use crate::ports::requests::SessionRequests;
use crate::status::Published;
use crate::status::issue::Finding;

/// All channels. Clones share them.
#[derive(Clone)]
pub struct Alerts(Arc<Mutex<Office>>);

struct Office {
    schedulers: Vec<ChannelScheduler>,
    state_publisher: Option<RetainedStatePublisher>,
    notifier: Box<dyn Notifier>,
    orders: SessionRequests,
    recorder: String,
}

impl Alerts {
    /// A desk for each channel that messages go to, and a beacon for type `mqtt`, which has a state
    /// and no messages. `recorder` is the name that people see.
    pub fn new(
        alerts: &[Alert],
        recorder: &str,
        notifier: Box<dyn Notifier>,
        orders: SessionRequests,
    ) -> Self {
        let state_publisher =
            alerts.iter().find_map(|alert| RetainedStatePublisher::new(alert, recorder));
        let schedulers = alerts
            .iter()
            .filter(has_messages)
            .map(|alert| ChannelScheduler::new(Arc::new(alert.clone())));
        let office = Office {
            schedulers: schedulers.collect(),
            state_publisher,
            notifier,
            orders,
            recorder: recorder.to_owned(),
        };
        Self(Arc::new(Mutex::new(office)))
    }

    /// Other settings. What was told stays told, where the channel keeps its name.
    pub fn set(&self, alerts: &[Alert], now: Moment) {
        let mut office = self.office();
        office.renew_beacon(alerts);
        let mut old = std::mem::take(&mut office.schedulers);
        office.schedulers = alerts
            .iter()
            .filter(has_messages)
            .map(|alert| {
                let alert = Arc::new(alert.clone());
                match old.iter().position(|scheduler| scheduler.name() == alert.name) {
                    Some(at) => {
                        let mut scheduler = old.swap_remove(at);
                        scheduler.set(alert, now.steady);
                        scheduler
                    }
                    None => ChannelScheduler::new(alert),
                }
            })
            .collect();
    }

    /// Looks at the issues, and tells what is due; never waits. To be called at least once a second.
    pub fn look(&self, published: &Published, now: Moment, world: Environment) {
        let mut office = self.office();
        let Office { schedulers, state_publisher, notifier, orders, recorder } = &mut *office;
        if let Some(state_publisher) = state_publisher {
            state_publisher.look(&published.snapshot(), now, orders);
        }
        if schedulers.is_empty() {
            return;
        }
        for outcome in notifier.outcomes() {
            hear(schedulers, &outcome, published, now, world);
        }
        let issues = published.health.read(|health| health.issues.clone());
        let minute = (world.minute_of_day)();
        let acknowledged = &published.acknowledged();
        for scheduler in schedulers {
            let random = (world.random)();
            let view = View { now, minute, issues: &issues, acknowledged, recorder, random };
            let (parcel, said) = scheduler.look(&view);
            said.iter().for_each(|said| say(scheduler, said, published, now));
            let Some(parcel) = parcel else { continue };
            let number = parcel.number;
            if let Err(failure) = notifier.submit(parcel) {
                let channel = scheduler.name().to_owned();
                let outcome = AlertOutcome { channel, number, result: Err(failure) };
                hear(std::slice::from_mut(scheduler), &outcome, published, now, world);
            }
        }
    }

    /// The channels that fail.
    pub fn findings(&self) -> Vec<Finding> {
        let office = self.office();
        let state_publisher =
            office.state_publisher.iter().filter_map(RetainedStatePublisher::finding);
        office
            .schedulers
            .iter()
            .filter_map(ChannelScheduler::finding)
            .chain(state_publisher)
            .collect()
    }

    /// A panic under the lock leaves at worst one alert told twice.
    fn office(&self) -> MutexGuard<'_, Office> {
        self.0.lock()
    }
}

impl Office {
    fn renew_beacon(&mut self, alerts: &[Alert]) {
        let new =
            alerts.iter().find_map(|alert| RetainedStatePublisher::new(alert, &self.recorder));
        match (&self.state_publisher, &new) {
            (Some(old), Some(new)) if old.is_like(new) => return,
            (Some(old), next) => old.leave(&self.orders, next.as_ref()),
            (None, _) => {}
        }
        self.state_publisher = new;
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts")
            .field("channels", &self.office().schedulers.len())
            .finish_non_exhaustive()
    }
}

fn has_messages(alert: &&Alert) -> bool {
    alert.channel.state_topic().is_none()
}

fn hear(
    schedulers: &mut [ChannelScheduler],
    outcome: &AlertOutcome,
    published: &Published,
    now: Moment,
    world: Environment,
) {
    if let Some(scheduler) =
        schedulers.iter_mut().find(|scheduler| scheduler.name() == outcome.channel)
    {
        for said in scheduler.hear(outcome, now, (world.jitter)()) {
            say(scheduler, &said, published, now);
        }
    }
}

fn say(scheduler: &ChannelScheduler, said: &ChannelReport, published: &Published, now: Moment) {
    let (channel, kind) = (scheduler.name(), scheduler.alert().channel.word());
    let (name, told) = match said {
        ChannelReport::Sent { subject, said } => {
            let told = format!("{channel} ({kind}) took an alert ({said}): {subject}");
            info!(event = event::ALERT_SENT, channel, "{told}");
            (event::ALERT_SENT, told)
        }
        ChannelReport::Failed { said, hint } => {
            let told = format!(
                "{channel} ({kind}) does not take alerts: {said}; {hint}. It is tried again, with \
                pauses of up to 10 min; alerts wait until then"
            );
            warn!(event = event::ALERT_FAILED, channel, "{told}");
            (event::ALERT_FAILED, told)
        }
        ChannelReport::Recovered { since } => {
            let told =
                format!("{channel} ({kind}) takes alerts again; it failed since {since} UTC");
            info!(event = event::ALERT_RECOVERED, channel, "{told}");
            (event::ALERT_RECOVERED, told)
        }
    };
    published.note(name, now.wall, told);
}
