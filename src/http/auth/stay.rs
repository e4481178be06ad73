//! How long a connection that was opened by a session may last.

use std::sync::Arc;

use axum::http::request::Parts;
use tokio::sync::watch;

use super::{Area, Gate, access, login};

/// As long as the session lasts; for ever without one, and where everybody may look. (Tokens that change renew
/// the page, and with it every connection.)
pub(in crate::http) struct Stay {
    by: Option<SessionWatch>,
}

struct SessionWatch {
    gate: Arc<Gate>,
    numbers: Vec<String>,
    signed_out: watch::Receiver<()>,
}

impl Stay {
    /// Of this request.
    pub(in crate::http) fn of(request: &Parts) -> Self {
        let numbers = login::numbers(request);
        let gate = request.extensions.get::<Arc<Gate>>();
        let gate =
            gate.filter(|gate| !gate.anonymous || Area::of(request.uri.path()) == Area::Command);
        let counts = access(request).by_token && !numbers.is_empty();
        let by = gate.filter(|_| counts).map(|gate| SessionWatch {
            gate: Arc::clone(gate),
            numbers,
            signed_out: gate.door.shared.signed_out.subscribe(),
        });
        Self { by }
    }

    /// Completes when it is over.
    pub(in crate::http) async fn ends(&mut self) {
        let Some(SessionWatch { gate, numbers, signed_out }) = &mut self.by else {
            return std::future::pending().await;
        };
        while gate.knows(numbers) {
            if signed_out.changed().await.is_err() {
                return;
            }
        }
    }
}
