//! The settings in force. Each life of a child begins with those of its time.

use std::sync::Arc;

use barograph_config::Settings;
use parking_lot::RwLock;

use crate::message::route::Router;
use crate::message::routing::Routing;

/// The one place of the settings. Clones share it. The routes are [`crate::message::routing::Routing`]'s: they
/// change when nothing of the old ones is under way any more.
#[derive(Debug, Clone)]
pub struct InForce(Arc<RwLock<Arc<Settings>>>);

impl InForce {
    /// These settings are in force.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(settings))))
    }

    /// The settings in force.
    pub fn now(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read())
    }

    /// The routes in force, with the derived values in force: those take effect at once, because the data
    /// path does not know them.
    pub fn router(&self, routing: &Routing) -> Arc<Router> {
        Arc::new(routing.now().deriving(&self.now().routes))
    }

    /// Others take over.
    pub fn set(&self, settings: Settings) {
        *self.0.write() = Arc::new(settings);
    }
}
