//! The routes in force, and those that are to come. A change has a place here until it is made, so
//! that the next life completes it when one dies over it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use barograph_config::Route;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::message::route::Router;

/// Routes that a process can tell apart, those included that were removed: their numbers have 16 bits.
const ROUTES_EVER_MAX: usize = 65_535;

/// What became of a change of routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerouted {
    /// The new routes are in force.
    Done,
    /// The old ones stay, for this reason.
    Refused(String),
    /// Another change was asked for before this one was made.
    Superseded,
}

/// Who waits for it.
type Tell = Box<dyn FnOnce(Rerouted) + Send>;

struct RoutingState {
    now: Arc<Router>,
    wanted: Option<(Arc<Router>, Tell)>,
    /// Filters that the broker may still have subscriptions for in our name.
    to_leave: Vec<String>,
}

/// The one place of the routes. Clones share it.
#[derive(Clone)]
pub struct Routing {
    state: Arc<Mutex<RoutingState>>,
    /// Changes whenever something here does.
    news: watch::Sender<()>,
}

impl Routing {
    /// These routes are in force.
    pub fn new(routes: Vec<Route>) -> Self {
        let now = Arc::new(Router::new(routes));
        let state = RoutingState { now, wanted: None, to_leave: Vec::new() };
        Self { state: Arc::new(Mutex::new(state)), news: watch::Sender::new(()) }
    }

    /// The routes in force.
    pub fn now(&self) -> Arc<Router> {
        Arc::clone(&self.state().now)
    }

    /// Asks for other routes. `tell` is told what came of it, as soon as that is known.
    pub fn want(&self, routes: &[Route], tell: impl FnOnce(Rerouted) + Send + 'static) {
        let before = {
            let mut state = self.state();
            let router = Arc::new(state.now.changed_to(routes));
            if router.routes().len() > ROUTES_EVER_MAX {
                let why = "this process has had 65535 routes, and can number no more: restart it";
                return tell(Rerouted::Refused(why.to_owned()));
            }
            state.wanted.replace((router, Box::new(tell)))
        };
        if let Some((_, tell)) = before {
            tell(Rerouted::Superseded);
        }
        self.news.send_replace(());
    }

    /// Other routes are not wanted any more.
    pub fn want_no_change(&self) {
        let before = self.state().wanted.take();
        if let Some((_, tell)) = before {
            tell(Rerouted::Superseded);
        }
    }

    /// The routes that are to come.
    pub fn wanted(&self) -> Option<Arc<Router>> {
        self.state().wanted.as_ref().map(|(router, _)| Arc::clone(router))
    }

    /// Something was changed, or asked for.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        let mut news = self.news.subscribe();
        news.mark_changed();
        news
    }

    /// The writer: these routes are in force from now on.
    pub(crate) fn adopt(&self, router: &Arc<Router>) {
        let wanted = {
            let mut state = self.state();
            let filters = |router: &Router| -> Vec<String> {
                router.cover().iter().map(|part| part.filter.clone()).collect()
            };
            let after: HashSet<String> = filters(router).into_iter().collect();
            let before = filters(&state.now);
            state.to_leave.extend(before);
            state.to_leave.retain(|filter| !after.contains(filter));
            state.to_leave.sort_unstable();
            state.to_leave.dedup();
            state.now = Arc::clone(router);
            take_if_same(&mut state, router)
        };
        if let Some(tell) = wanted {
            tell(Rerouted::Done);
        }
        self.news.send_replace(());
    }

    /// The writer: these routes cannot be.
    pub(crate) fn refuse(&self, router: &Arc<Router>, why: String) {
        let wanted = take_if_same(&mut self.state(), router);
        if let Some(tell) = wanted {
            tell(Rerouted::Refused(why));
        }
    }

    /// Filters that were subscribed to for other routes: the broker may still send for them.
    pub(crate) fn to_leave(&self) -> Vec<String> {
        self.state().to_leave.clone()
    }

    /// The broker has ended these subscriptions.
    pub(crate) fn left(&self, filters: &[String]) {
        self.state().to_leave.retain(|filter| !filters.contains(filter));
    }

    fn state(&self) -> MutexGuard<'_, RoutingState> {
        self.state.lock()
    }
}

fn take_if_same(state: &mut RoutingState, router: &Arc<Router>) -> Option<Tell> {
    let wanted = state.wanted.take_if(|(wanted, _)| Arc::ptr_eq(wanted, router));
    wanted.map(|(_, tell)| tell)
}

impl fmt::Debug for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Routing")
            .field("now", &state.now)
            .field("changes", &state.wanted.is_some())
            .finish_non_exhaustive()
    }
}
