//! Looks whether the routes fit the messages that come: whether each column finds its field, and whether
//! the rows of several topics can be told apart.
//!
//! A route whose columns have all been seen, and whose topic is one or is recorded, costs two branches a
//! message.

use barograph_config::{MessagePart, Route};

use crate::message::account::Reason;
use crate::message::batch::{Body, Record, Value};
use crate::message::route::Router;
use crate::mqtt::decode::{FieldFate, fates_of_fields, takes_field};
use crate::status::route_faults::{RouteFault, RouteFaults};

/// After so many messages without a value of it, a column is a fault of the route.
const MESSAGES_UNTIL_JUDGED: u32 = 100;

/// Columns of one route that are named: if there are more, the settings are wrong as a whole.
const COLUMNS_NAMED_MAX: usize = 20;

/// The data path's side.
#[derive(Debug)]
pub(crate) struct IntakeWatch {
    shared: RouteFaults,
    routes: Vec<RouteIntake>,
}

#[derive(Debug)]
struct RouteIntake {
    /// At most [`MESSAGES_UNTIL_JUDGED`].
    messages: u32,
    /// Columns without a value so far, by index.
    unseen: Vec<usize>,
    sources: SourceWatch,
}

/// Which topics write to a table.
#[derive(Debug)]
enum SourceWatch {
    /// It does not matter, or is known.
    Off,
    NoneYet,
    One(String),
}

impl IntakeWatch {
    /// A new life. What the one before found is not found again.
    pub(crate) fn new(router: &Router, shared: RouteFaults) -> Self {
        let mut routes: Vec<RouteIntake> = router.routes().iter().map(RouteIntake::new).collect();
        for (id, fault) in shared.all() {
            let Some(route) = id.0.and_then(|index| routes.get_mut(usize::from(index))) else {
                continue;
            };
            match fault {
                RouteFault::SeveralSources { .. } => route.sources = SourceWatch::Off,
                RouteFault::ColumnNeverSeen { .. } => route.messages = MESSAGES_UNTIL_JUDGED,
            }
        }
        Self { shared, routes }
    }

    /// Looks at what became of a message.
    pub(crate) fn look(&mut self, record: &Record, router: &Router) {
        let id = record.route;
        let Some(watch) = id.0.and_then(|index| self.routes.get_mut(usize::from(index))) else {
            return;
        };
        if !watch.unseen.is_empty()
            && let Some(route) = router.get(id)
        {
            watch.look_at_columns(record, route, &self.shared);
        }
        watch.look_at_topic(record, &self.shared);
    }
}

impl RouteIntake {
    fn new(route: &Route) -> Self {
        let takes_topic = |part: &Option<MessagePart>| *part == Some(MessagePart::Topic);
        let is_told_apart = !route.key.is_empty()
            || route.columns.iter().any(|it| it.capture.is_some() || takes_topic(&it.from));
        let has_wildcard = route.filter.contains(['+', '#']);
        let fields = route.columns.iter().enumerate().filter(|(_, column)| takes_field(column));
        Self {
            messages: 0,
            unseen: fields.map(|(index, _)| index).collect(),
            sources: match has_wildcard && !is_told_apart {
                true => SourceWatch::NoneYet,
                false => SourceWatch::Off,
            },
        }
    }

    fn look_at_columns(&mut self, record: &Record, route: &Route, shared: &RouteFaults) {
        match &record.body {
            Body::Rows(rows) => {
                let is_judged = self.messages == MESSAGES_UNTIL_JUDGED;
                self.unseen.retain(|&column| {
                    let has_value = |row: &[Value]| row.get(column) != Some(&Value::Null);
                    let is_seen = rows.iter().any(has_value);
                    if is_seen && is_judged {
                        shared.column_is_seen(record.route, column);
                    }
                    !is_seen
                });
            }
            Body::Quarantined(refusal)
                if matches!(refusal.reason, Reason::NoField | Reason::MissingField) => {}
            Body::Quarantined(_) | Body::Filtered(_) => return,
        }
        if self.messages < MESSAGES_UNTIL_JUDGED {
            self.messages += 1;
            if self.messages == MESSAGES_UNTIL_JUDGED {
                self.judge(record, route, shared);
            }
        }
    }

    /// A column whose field is there, and null or bad each time, has the right field.
    fn judge(&mut self, record: &Record, route: &Route, shared: &RouteFaults) {
        self.unseen.truncate(COLUMNS_NAMED_MAX);
        let fates = fates_of_fields(record, route, &self.unseen);
        let mut fates = fates.into_iter();
        self.unseen.retain(|&column| match fates.next() {
            Some(FieldFate::Present) | None => false,
            Some(FieldFate::Absent { nearest }) => {
                shared.add(record.route, RouteFault::ColumnNeverSeen { column, nearest });
                true
            }
        });
    }

    fn look_at_topic(&mut self, record: &Record, shared: &RouteFaults) {
        let is_row = matches!(record.body, Body::Rows(_));
        match &self.sources {
            SourceWatch::NoneYet if is_row => self.sources = SourceWatch::One(record.topic.clone()),
            SourceWatch::One(first) if is_row && *first != record.topic => {
                let topics = [first.clone(), record.topic.clone()];
                shared.add(record.route, RouteFault::SeveralSources { topics });
                self.sources = SourceWatch::Off;
            }
            SourceWatch::Off | SourceWatch::NoneYet | SourceWatch::One(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use barograph_config::{Column, Kind};
    use bytes::Bytes;

    use super::*;
    use crate::message::account::RouteId;
    use crate::message::batch::{RowRefusal, Rows};
    use crate::testing::{column, record, route};

    const ROUTE: RouteId = RouteId(Some(0));

    fn router(columns: Vec<Column>) -> Router {
        Router::new(vec![route("s/+", "s", columns)])
    }

    fn power_and_energy() -> Router {
        let power = Column { pointer: "/ENERGY.Power".to_owned(), ..column("power", Kind::Real) };
        router(vec![power, column("time", Kind::Text)])
    }

    fn row(topic: &str, values: Vec<Value>, payload: &'static str) -> Record {
        let (topic, payload) = (topic.to_owned(), Bytes::from_static(payload.as_bytes()));
        Record { body: Body::Rows(Rows::one(values)), topic, payload, ..record(1) }
    }

    fn without_power() -> Record {
        let payload = r#"{"time":"x","ENERGY":{"Power":12,"Today":0.123}}"#;
        row("s/1", vec![Value::Null, Value::Text("x".to_owned())], payload)
    }

    #[test]
    fn a_column_that_never_had_a_value_is_a_fault_with_the_field_that_is_meant() {
        let (router, shared) = (power_and_energy(), RouteFaults::default());
        let mut watch = IntakeWatch::new(&router, shared.clone());
        for _ in 1..MESSAGES_UNTIL_JUDGED {
            watch.look(&without_power(), &router);
        }
        assert_eq!(shared.all(), []);
        watch.look(&without_power(), &router);
        let nearest = Some("/ENERGY/Power".to_owned());
        let fault = (ROUTE, RouteFault::ColumnNeverSeen { column: 0, nearest });
        assert_eq!(shared.all(), std::slice::from_ref(&fault));
        watch.look(&without_power(), &router);
        let mut next_life = IntakeWatch::new(&router, shared.clone());
        next_life.look(&without_power(), &router);
        assert_eq!(shared.all(), [fault]);
        let with_power = || row("s/1", vec![Value::Real(1.0), Value::Null], "{}");
        next_life.look(&with_power(), &router);
        assert_eq!(shared.all(), [], "it has a value now");
    }

    #[test]
    fn a_field_that_is_always_null_is_the_right_one() {
        let (router, shared) = (power_and_energy(), RouteFaults::default());
        let mut watch = IntakeWatch::new(&router, shared.clone());
        for _ in 0..MESSAGES_UNTIL_JUDGED {
            let null = vec![Value::Null, Value::Null];
            watch.look(&row("s/1", null, r#"{"ENERGY.Power":null,"time":null}"#), &router);
        }
        assert_eq!(shared.all(), []);
    }

    #[test]
    fn messages_without_any_field_count_and_bad_ones_do_not() {
        let refused = |reason| {
            let refusal = RowRefusal { reason, detail: String::new() };
            Record { body: Body::Quarantined(refusal), ..without_power() }
        };
        for (reason, faults) in [(Reason::NoField, 2), (Reason::WrongType, 0)] {
            let power = column("power", Kind::Real);
            let (router, shared) =
                (router(vec![power, column("t", Kind::Real)]), RouteFaults::default());
            let mut watch = IntakeWatch::new(&router, shared.clone());
            for _ in 0..MESSAGES_UNTIL_JUDGED {
                watch.look(&refused(reason), &router);
            }
            assert_eq!(shared.all().len(), faults, "{reason:?}");
        }
    }

    #[test]
    fn several_topics_without_a_column_that_tells_them_apart_are_a_fault() {
        let of_topic = |topic: &str| row(topic, vec![Value::Real(1.0)], "{}");
        let faults = |router: &Router| {
            let shared = RouteFaults::default();
            let mut watch = IntakeWatch::new(router, shared.clone());
            for topic in ["s/1", "s/1", "s/2", "s/3"] {
                watch.look(&of_topic(topic), router);
            }
            shared.all()
        };
        let value = || column("value", Kind::Real);
        let topics = ["s/1".to_owned(), "s/2".to_owned()];
        let several = vec![(ROUTE, RouteFault::SeveralSources { topics })];
        assert_eq!(faults(&router(vec![value()])), several);
        let topic = Column { from: Some(MessagePart::Topic), ..column("topic", Kind::Text) };
        assert_eq!(faults(&router(vec![value(), topic])), []);
        let keyed = Route { key: vec!["value".to_owned()], ..route("s/+", "s", vec![value()]) };
        assert_eq!(faults(&Router::new(vec![keyed])), []);
    }
}
