//! The hub as all connections and the mischief handle share it.
//!
//! A plain mutex, held for the handling of some packets and never across an await. Each connection
//! has a bell, rung when another connection left something for it or ended it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rumqttc::mqttbytes::v4::{Connect, ConnectReturnCode};
use tokio::sync::Notify;

use super::Limits;
use super::hub::{ConnectionId, Hub};

/// The hub behind its lock.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    hub: Hub,
    bells: BTreeMap<ConnectionId, Arc<Notify>>,
}

impl Shared {
    /// A hub that knows nobody.
    pub(super) fn new(limits: Limits) -> Shared {
        Shared { state: Mutex::new(State { hub: Hub::new(limits), bells: BTreeMap::new() }) }
    }

    /// Does something with the hub, then rings for whoever is concerned.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Hub) -> T) -> T {
        self.with_state(|state| act(&mut state.hub))
    }

    fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = act(&mut state);
        for connection in state.hub.take_stirred() {
            if let Some(bell) = state.bells.get(&connection) {
                bell.notify_one();
            }
        }
        result
    }
}

/// A connection's place in the hub. Dropping it ends the connection there: also when its task is
/// aborted or panics.
#[derive(Debug)]
pub(super) struct Membership {
    shared: Arc<Shared>,
    connection: ConnectionId,
    bell: Arc<Notify>,
}

impl Membership {
    /// Asks the hub to let a client in.
    ///
    /// # Errors
    /// The return code to refuse it with.
    pub(super) fn join(
        shared: Arc<Shared>,
        connect: Connect,
    ) -> Result<Membership, ConnectReturnCode> {
        let bell = Arc::new(Notify::new());
        let connection = shared.with_state(|state| {
            let connection = state.hub.connect(connect)?;
            state.bells.insert(connection, Arc::clone(&bell));
            Ok(connection)
        })?;
        Ok(Membership { shared, connection, bell })
    }

    /// Does something with the hub on behalf of this connection.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Hub, ConnectionId) -> T) -> T {
        self.shared.with(|hub| act(hub, self.connection))
    }

    /// Waits until another connection left something for this one or ended it. A ring while nobody
    /// waits is kept.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.with_state(|state| {
            state.hub.leave(self.connection);
            state.bells.remove(&self.connection);
        });
    }
}
