//! Other routes: the journal is opened for them, or they are refused.

use std::sync::Arc;

use super::Writer;
use crate::message::account::{RouteId, Tally};
use crate::message::route::Router;
use crate::message::write::RerouteResult;
use crate::ports::{OpenError, Outlook};
use crate::status::Destination;

impl Writer {
    /// Takes over other routes, if the database can. While it cannot be used, they are taken over unseen:
    /// the spool holds deliveries, not rows, and what the database says to them is heard when it is back.
    pub(crate) fn reroute(&mut self, router: &Arc<Router>) -> RerouteResult {
        let before = self.setup.routing.now();
        if Arc::ptr_eq(&before, router) {
            return RerouteResult::Decided;
        }
        // What a failed commit left in doubt is settled by the routes of its time; and a handle that
        // alone still sees a deleted file is not thrown away.
        let writable = self.write_notes_to_journal().is_ok();
        if !writable && self.destination() == Destination::Database {
            return RerouteResult::NotNow;
        }
        self.journal = None;
        self.journal_port.reroute(router);
        if !writable {
            self.adopt(&before, router);
            return RerouteResult::Decided;
        }
        match self.journal_port.open() {
            Ok(journal) => {
                self.adopt(&before, router);
                // Without it the next use opens it, and tells of what is wrong.
                let _said_at_the_next_write = self.take_journal(journal);
                RerouteResult::Decided
            }
            Err(OpenError { cause, outlook, message }) => {
                self.journal_port.reroute(&before);
                let _said_at_the_next_write = self.open_journal();
                if cause.is_the_operators() || outlook == Outlook::NeedsAPerson {
                    self.setup.routing.refuse(router, message);
                    return RerouteResult::Decided;
                }
                RerouteResult::NotNow
            }
        }
    }

    /// What is known of the columns of a route that has others now would be read by the wrong names, and
    /// a trouble of a route that is gone would never end.
    fn adopt(&mut self, before: &Router, router: &Arc<Router>) {
        let is_as_it_was = |id: RouteId| before.agrees_on(id, router);
        self.published().rows.update(|rows| {
            rows.latest.retain(|id, _| is_as_it_was(*id));
            rows.previous.retain(|id, _| is_as_it_was(*id));
        });
        self.published().readings().keep(is_as_it_was);
        let is_the_same = |id: RouteId| is_as_it_was(id) && before.get(id) == router.get(id);
        self.published().route_faults().keep(is_the_same);
        self.setup.routing.adopt(router);
        self.reporter.follow(router);
    }

    /// Counted anew at each opening: what a failed commit left in doubt is then known. What the database
    /// has counted before the process began, or before a route was new, is not of this process.
    pub(super) fn count_anew(&self, account: &Tally) {
        let routes = self.setup.routing.now().routes().len();
        let counted = self.setup.memory.update(|memory| {
            let known = std::mem::replace(&mut memory.routes_counted, routes);
            let Some(base) = &mut memory.base else {
                memory.base = Some(account.clone());
                return Tally::default();
            };
            let is_new =
                |RouteId(index): RouteId| index.is_some_and(|index| usize::from(index) >= known);
            for (id, outcome, n) in account.iter().filter(|(id, _, _)| is_new(*id)) {
                base.add(id, outcome, n);
            }
            account.since(base)
        });
        self.published().storage.update(|storage| storage.tally = counted);
    }
}
