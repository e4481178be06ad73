//! A courier that delivers at once, or refuses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::health::notify::courier::{Courier, Failure, Outcome, Parcel};

#[derive(Debug, Clone, Default)]
pub(crate) struct Post {
    delivered: Arc<Mutex<Vec<Parcel>>>,
    outcomes: Arc<Mutex<Vec<Outcome>>>,
    pub(crate) refuses: Arc<AtomicBool>,
}

impl Post {
    /// What arrived: channel and subject.
    pub(crate) fn delivered(&self) -> Vec<(String, String)> {
        let delivered = self.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let show = |parcel: &Parcel| (parcel.channel.name.clone(), parcel.notification.subject());
        delivered.iter().map(show).collect()
    }
}

impl Courier for Post {
    fn submit(&mut self, parcel: Parcel) -> Result<(), Failure> {
        let (channel, number) = (parcel.channel.name.clone(), parcel.number);
        let result = if self.refuses.load(Ordering::Relaxed) && channel == "phone" {
            Err(Failure { said: "busy".into(), hint: "wait".into(), retry_after: None })
        } else {
            self.delivered.lock().unwrap_or_else(PoisonError::into_inner).push(parcel);
            Ok("taken".to_owned())
        };
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.push(Outcome { channel, number, result });
        Ok(())
    }

    fn outcomes(&mut self) -> Vec<Outcome> {
        std::mem::take(&mut self.outcomes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
