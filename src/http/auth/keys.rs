//! The tokens, and what each allows. Only digests are compared, and in constant time, so that neither a
//! token's length nor its beginning can be measured.

use std::fmt;

use barograph_config::Watchtower;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A digest of something secret.
pub(super) type Print = [u8; 32];

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Look.
    Reader,
    /// Look, and tell the recorder what to do.
    Admin,
}

/// The tokens in force.
#[derive(Clone, Default)]
pub(super) struct Keys {
    admin: Option<Print>,
    read: Option<Print>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    pub(super) fn of(settings: &Watchtower) -> Self {
        let print = |token: &Option<barograph_config::Secret>| {
            token.as_ref().map(|token| print_of(token.expose().as_bytes()))
        };
        Self { admin: print(&settings.admin_token), read: print(&settings.read_token) }
    }

    /// Whether there is a token for commands.
    pub(super) fn have_admin(&self) -> bool {
        self.admin.is_some()
    }

    /// What this token allows, and its digest.
    pub(super) fn open(&self, token: &str) -> Option<(Role, Print)> {
        let shown = print_of(token.as_bytes());
        Some((self.role_of(&shown)?, shown))
    }

    /// What the token with this digest allows now.
    pub(super) fn role_of(&self, shown: &Print) -> Option<Role> {
        // Both are compared, whatever the first one says.
        let admin = is_same(self.admin.as_ref(), shown);
        let read = is_same(self.read.as_ref(), shown);
        match (admin, read) {
            (true, _) => Some(Role::Admin),
            (false, true) => Some(Role::Reader),
            (false, false) => None,
        }
    }
}

fn is_same(kept: Option<&Print>, shown: &Print) -> bool {
    kept.is_some_and(|kept| bool::from(kept.ct_eq(shown)))
}

pub(super) fn print_of(secret: &[u8]) -> Print {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_opens_what_it_is_for() {
        let keys = Keys {
            admin: Some(print_of(b"the admin's long token")),
            read: Some(print_of(b"the reader's long token")),
        };
        let table = [
            ("the admin's long token", Some(Role::Admin)),
            ("the reader's long token", Some(Role::Reader)),
            ("the admin's long toke", None),
            ("the admin's long token ", None),
            ("", None),
        ];
        for (token, role) in table {
            assert_eq!(keys.open(token).map(|(role, _)| role), role, "{token}");
        }
        assert_eq!(Keys::default().open(""), None, "no token is no token");
    }
}
