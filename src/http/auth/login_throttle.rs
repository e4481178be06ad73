//! Failed logins are delayed exponentially, per address. Pure: takes the time as an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// So many wrong tokens cost nothing: people mistype.
const FREE: u32 = 4;
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The same for this machine: a proxy's clients all come from there.
const WAIT_MAX_LOCAL: Duration = Duration::from_secs(8);
/// After so long without a wrong token all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(15 * 60);
/// Most addresses that are remembered.
const ADDRESSES_MAX: usize = 1_024;

/// Wrong tokens, by where they came from; `None`: through a Unix socket.
#[derive(Debug, Default)]
pub(super) struct LoginThrottle {
    tries: HashMap<Option<IpAddr>, Tries>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Instant,
}

impl LoginThrottle {
    /// How long until the next token from this address is checked.
    pub(super) fn wait(&self, from: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let tries = self.tries.get(&neighbourhood(from))?;
        let until = tries.last + pause_after(tries.wrong, from);
        let wait = until.saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// A wrong token.
    pub(super) fn wrong(&mut self, from: Option<IpAddr>, now: Instant) {
        let forgotten =
            |tries: &Tries| now.saturating_duration_since(tries.last) >= FORGOTTEN_AFTER;
        self.tries.retain(|_, tries| !forgotten(tries));
        let from = neighbourhood(from);
        if self.tries.len() >= ADDRESSES_MAX && !self.tries.contains_key(&from) {
            let oldest = self.tries.iter().min_by_key(|(_, tries)| tries.last);
            if let Some(oldest) = oldest.map(|(from, _)| *from) {
                self.tries.remove(&oldest);
            }
        }
        let tries = self.tries.entry(from).or_insert(Tries { wrong: 0, last: now });
        *tries = Tries { wrong: tries.wrong.saturating_add(1), last: now };
    }

    /// A right one.
    pub(super) fn right(&mut self, from: Option<IpAddr>) {
        self.tries.remove(&neighbourhood(from));
    }
}

fn pause_after(wrong: u32, from: Option<IpAddr>) -> Duration {
    let is_local = from.is_none_or(|from| from.to_canonical().is_loopback());
    let max = if is_local { WAIT_MAX_LOCAL } else { WAIT_MAX };
    match wrong.checked_sub(FREE) {
        None => Duration::ZERO,
        Some(more) => Duration::from_secs(1 << more.min(10)).min(max),
    }
}

/// A client with one IPv6 address has the whole /64 network.
fn neighbourhood(from: Option<IpAddr>) -> Option<IpAddr> {
    from.map(|from| match from.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn each_further_wrong_token_doubles_the_wait() {
        let (mut throttle, mut now) = (LoginThrottle::default(), Instant::now());
        let (them, others) = (address("10.0.0.1"), address("10.0.0.2"));
        let mut waits = Vec::new();
        for _ in 0..12 {
            throttle.wrong(them, now);
            let wait = throttle.wait(them, now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(throttle.wait(them, now), None, "the wait is over");
        }
        assert_eq!(waits, [0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        throttle.wrong(them, now);
        assert_eq!(throttle.wait(others, now), None);
        throttle.right(them);
        assert_eq!(throttle.wait(them, now), None);
    }

    #[test]
    fn a_proxy_on_this_machine_waits_less_and_a_network_is_one() {
        let (mut throttle, now) = (LoginThrottle::default(), Instant::now());
        for local in [address("127.0.0.1"), address("::1"), address("::ffff:127.0.0.1"), None] {
            (0..50).for_each(|_| throttle.wrong(local, now));
            assert_eq!(throttle.wait(local, now), Some(WAIT_MAX_LOCAL));
        }
        (0..50).for_each(|n| throttle.wrong(address(&format!("2001:db8::{n:x}")), now));
        assert_eq!(throttle.wait(address("2001:db8::ffff:1"), now), Some(WAIT_MAX));
        assert_eq!(throttle.wait(address("2001:db8:0:1::1"), now), None);
    }

    #[test]
    fn memory_is_bounded_and_forgives() {
        let (mut throttle, start) = (LoginThrottle::default(), Instant::now());
        for n in 0..5_000_u32 {
            let from = Some(IpAddr::from(n.to_be_bytes()));
            throttle.wrong(from, start + Duration::from_millis(u64::from(n)));
        }
        assert_eq!(throttle.tries.len(), ADDRESSES_MAX);
        throttle.wrong(address("10.0.0.1"), start + FORGOTTEN_AFTER * 2);
        assert_eq!(throttle.tries.len(), 1);
    }
}
