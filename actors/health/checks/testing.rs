//! A world to look at, for the tables of the checks.

use std::time::Duration;

use barograph_config::Settings;
use tokio::time::Instant;

use super::{Check, CheckInput, HealthMemory};
use crate::health::probes::{Outside, SystemSnapshot};
use crate::message::delivery::UnixMillis;
use crate::message::moment::Moment;
use crate::message::route::Router;
use crate::status::issue::Finding;
use crate::status::{ChildState, Published, Snapshot};
use crate::testing::harness::load;

/// Nothing is wrong in it, and time stands still unless told to pass.
pub(crate) struct Scene {
    pub(crate) settings: Settings,
    pub(crate) state: Snapshot,
    pub(crate) published: Published,
    pub(crate) outside: Outside,
    pub(crate) memory: HealthMemory,
    router: Router,
    began: Instant,
    seconds: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let settings = load("");
        let router = Router::new(settings.routes.clone());
        Self {
            state: Snapshot::default(),
            published: Published::default(),
            outside: Outside::default(),
            memory: HealthMemory::new(&router),
            settings,
            router,
            began: Instant::now(),
            seconds: 0,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let wall = UnixMillis(i64::try_from(self.seconds * 1_000).expect("small"));
        Moment { wall, steady: self.began + Duration::from_secs(self.seconds) }
    }

    /// So many seconds after the beginning.
    pub(crate) fn at(&mut self, seconds: u64) {
        self.seconds = seconds;
    }

    /// Time passes, and the judge looks.
    pub(crate) fn passes(&mut self, seconds: u64) {
        self.seconds += seconds;
        self.memory.look(self.now(), &self.state);
    }

    pub(crate) fn surveyed(&mut self, survey: SystemSnapshot) {
        self.memory.survey(self.now(), &survey);
        self.outside = Outside { last: Some((self.now(), survey)), asked: None };
    }

    pub(crate) fn child(&mut self, name: &'static str, state: &str, restarts: u32) {
        let (state, since) = (state.to_owned(), None);
        let child =
            ChildState { state, restarts, since, last_exit: Some("it panicked".to_owned()) };
        self.state.tree.children.insert(name, child);
    }

    pub(crate) fn look(&self) -> CheckInput<'_> {
        CheckInput {
            now: self.now(),
            state: &self.state,
            published: &self.published,
            router: &self.router,
            settings: &self.settings,
            outside: &self.outside,
            memory: &self.memory,
        }
    }

    pub(crate) fn finds(&self, check: Check) -> Vec<Finding> {
        check(&self.look())
    }
}

/// A world in order.
pub(crate) fn survey() -> SystemSnapshot {
    SystemSnapshot { read: Some(Ok(Duration::from_millis(1))), ..SystemSnapshot::default() }
}

/// `severity id` of each.
pub(crate) fn ids(findings: &[Finding]) -> Vec<&'static str> {
    let id = |finding: &Finding| format!("{} {}", finding.severity, finding.id);
    findings.iter().map(|finding| &*id(finding).leak()).collect()
}
