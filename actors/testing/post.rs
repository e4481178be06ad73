//! A courier that delivers at once, or refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::health::notify::notifier::{AlertOutcome, Failure, Notifier, Parcel};
use parking_lot::Mutex;

#[derive(Debug, Clone, Default)]
pub(crate) struct Post {
    delivered: Arc<Mutex<Vec<Parcel>>>,
    outcomes: Arc<Mutex<Vec<AlertOutcome>>>,
    pub(crate) refuses: Arc<AtomicBool>,
}

impl Post {
    /// What arrived: channel and subject.
    pub(crate) fn delivered(&self) -> Vec<(String, String)> {
        let delivered = self.delivered.lock();
        let show = |parcel: &Parcel| (parcel.channel.name.clone(), parcel.notification.subject());
        delivered.iter().map(show).collect()
    }
}

impl Notifier for Post {
    fn submit(&mut self, parcel: Parcel) -> Result<(), Failure> {
        let (channel, number) = (parcel.channel.name.clone(), parcel.number);
        let result = if self.refuses.load(Ordering::Relaxed) && channel == "phone" {
            Err(Failure { said: "busy".into(), hint: "wait".into(), retry_after: None })
        } else {
            self.delivered.lock().push(parcel);
            Ok("taken".to_owned())
        };
        let mut outcomes = self.outcomes.lock();
        outcomes.push(AlertOutcome { channel, number, result });
        Ok(())
    }

    fn outcomes(&mut self) -> Vec<AlertOutcome> {
        std::mem::take(&mut self.outcomes.lock())
    }
}
