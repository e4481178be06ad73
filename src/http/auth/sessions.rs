//! Signed-in sessions. A session is known by the digest of its number, and holds as long as the token that it
//! was opened with; it is in memory only. Pure: the time comes in.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::keys::{Keys, Print, Role, print_of};

/// Most sessions: the one that was used least recently gives way.
const SESSIONS_MAX: usize = 1_000;
/// How long an unused session lasts.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The sessions.
#[derive(Default)]
pub(super) struct Sessions {
    open: HashMap<Print, LoginSession>,
}

struct LoginSession {
    /// The digest of the token that it was opened with.
    token: Print,
    used: Instant,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Opens one with a token, and gives its number.
    pub(super) fn open(&mut self, token: Print, now: Instant) -> String {
        self.open.retain(|_, session| now.saturating_duration_since(session.used) < IDLE_MAX);
        if self.open.len() >= SESSIONS_MAX {
            let oldest = self.open.iter().min_by_key(|(_, session)| session.used);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                self.open.remove(&oldest);
            }
        }
        let secret: [u8; 32] = rand::random();
        let number: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        self.open.insert(print_of(number.as_bytes()), LoginSession { token, used: now });
        number
    }

    /// Who comes with this number.
    pub(super) fn find(&mut self, number: &str, keys: &Keys, now: Instant) -> Option<Role> {
        let id = print_of(number.as_bytes());
        let session = self.open.get_mut(&id)?;
        let idle = now.saturating_duration_since(session.used);
        match keys.role_of(&session.token) {
            Some(role) if idle < IDLE_MAX => {
                session.used = now;
                Some(role)
            }
            Some(_) | None => {
                self.open.remove(&id);
                None
            }
        }
    }

    /// Ends it.
    pub(super) fn close(&mut self, number: &str) {
        self.open.remove(&print_of(number.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use barograph_config::{Secret, Settings};

    use super::*;

    fn keys(admin: &str) -> Keys {
        let mut settings = Settings::default_with("here").watchtower;
        settings.admin_token = Some(Secret::new(admin));
        Keys::of(&settings)
    }

    #[test]
    fn a_session_lasts_as_long_as_its_token_and_its_use() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let number = sessions.open(print_of(b"a token of some length"), start);
        assert_eq!(number.len(), 64);
        let right = keys("a token of some length");
        let later = start + IDLE_MAX - Duration::from_secs(1);
        assert_eq!(sessions.find(&number, &right, later), Some(Role::Admin));
        assert_eq!(sessions.find(&number, &right, later + IDLE_MAX / 2), Some(Role::Admin), "used");
        assert_eq!(sessions.find("0", &right, later), None);
        assert_eq!(sessions.find(&number, &right, later + IDLE_MAX * 2), None, "idle");
        let number = sessions.open(print_of(b"a token of some length"), start);
        assert_eq!(sessions.find(&number, &keys("another token"), start), None);
        assert_eq!(sessions.find(&number, &right, start), None, "it does not come back");
        let number = sessions.open(print_of(b"a token of some length"), start);
        sessions.close(&number);
        assert_eq!(sessions.find(&number, &right, start), None);
    }

    #[test]
    fn there_are_not_more_than_so_many_and_the_least_used_goes() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let right = keys("a token of some length");
        let token = print_of(b"a token of some length");
        let numbers: Vec<_> = (0..SESSIONS_MAX)
            .map(|n| sessions.open(token, start + Duration::from_secs(n as u64)))
            .collect();
        let now = start + Duration::from_secs(SESSIONS_MAX as u64);
        assert!(sessions.find(&numbers[0], &right, now).is_some());
        sessions.open(token, now);
        assert_eq!(sessions.open.len(), SESSIONS_MAX);
        assert!(sessions.find(&numbers[0], &right, now).is_some(), "it was used");
        assert!(sessions.find(&numbers[1], &right, now).is_none());
    }
}
