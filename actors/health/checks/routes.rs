//! The sensors behind the routes, and routes that do not fit what their sensors send.

use super::{CheckInput, warning};
use crate::status::issue::Finding;
use crate::status::route_faults::RouteFault;

/// A route's sensor says nothing, although broker and recorder are there to hear it.
pub(super) fn silent(look: &CheckInput<'_>) -> Vec<Finding> {
    let silent = look.memory.silences.iter().filter_map(|(name, (_, silence))| {
        let since = silence.silent_since()?;
        let summary = format!("nothing has come for {name} since {since} UTC");
        let hint = format!(
            "broker and recorder work{}: look at the sensor, its power and its topic; a sensor \
             that may be silent for longer has a longer silent_after",
            look.state.broker.hearing.proof()
        );
        Some(warning(format!("route_silent:{name}"), summary, hint))
    });
    silent.collect()
}

/// A column never found its field.
pub(super) fn never_seen(look: &CheckInput<'_>) -> Vec<Finding> {
    let faults = look.published.route_faults().all().into_iter();
    let finding = |(id, fault)| {
        let RouteFault::ColumnNeverSeen { column, nearest } = fault else { return None };
        let route = look.router.get(id)?;
        let column = route.columns.get(column)?;
        let (name, field) = (format!("{}.{}", route.table, column.name), &column.pointer);
        let field = column.message.as_ref().unwrap_or(field);
        let summary = format!("{name} never had a value: no message had the field {field}");
        let hint = match nearest {
            Some(nearest) => format!(
                "the messages have {nearest}: give the column that field, as in {} = {nearest:?}",
                column.name
            ),
            None => "look at a message (barograph check --topic, barograph quarantine list), and correct \
                     the column's field; remove a column that nothing fills"
                .to_owned(),
        };
        Some(warning(format!("column_never_seen:{name}"), summary, hint))
    };
    faults.filter_map(finding).collect()
}

/// The rows of several topics cannot be told apart.
pub(super) fn several_sources(look: &CheckInput<'_>) -> Vec<Finding> {
    let faults = look.published.route_faults().all().into_iter();
    let finding = |(id, fault)| {
        let RouteFault::SeveralSources { topics: [first, second] } = fault else { return None };
        let route = look.router.get(id)?;
        let (table, line) = (&route.table, naming_line(&route.filter, &first, &second));
        let summary = format!(
            "several topics write to {table}, and no column tells their rows apart: {first}, {second}"
        );
        let hint = format!(
            "name the level that differs, which makes a column of it: {line}; or add a column with \
             from = \"topic\""
        );
        Some(warning(format!("several_sources:{table}"), summary, hint))
    };
    faults.filter_map(finding).collect()
}

/// `topic = "..."` with names in place of the wildcards under which both topics differ.
fn naming_line(filter: &str, first: &str, second: &str) -> String {
    let (mut ours, mut theirs) = (first.split('/'), second.split('/'));
    let mut is_named = false;
    let mut levels = Vec::new();
    for (number, level) in filter.split('/').enumerate() {
        let name = if is_named { format!("level{}", number + 1) } else { "device".to_owned() };
        let named = match level {
            "+" if ours.next() != theirs.next() => Some(format!("{{{name}}}")),
            "#" => Some(format!("{{*{name}}}")),
            "+" => None,
            _ => {
                ours.next();
                theirs.next();
                None
            }
        };
        is_named |= named.is_some();
        levels.push(named.unwrap_or_else(|| level.to_owned()));
    }
    format!("topic = {:?}", levels.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
    use crate::message::account::RouteId;
    use crate::message::moment::Moment;

    /// The judge looks at every route.
    fn look_at_all(scene: &mut Scene, connected: Moment, heard: Option<Moment>) {
        let now = scene.now();
        for (_, silence) in scene.memory.silences.values_mut() {
            silence.look(now, Ok(connected), heard);
        }
    }

    #[test]
    fn a_silent_route_is_named() {
        let mut scene = Scene::new();
        let connected = scene.now();
        scene.passes(299);
        look_at_all(&mut scene, connected, None);
        assert!(scene.finds(silent).is_empty());
        scene.passes(1);
        look_at_all(&mut scene, connected, None);
        assert_eq!(
            ids(&scene.finds(silent)),
            ["warning route_silent:magnetic_flux_data", "warning route_silent:weather_data"]
        );
        let now = scene.now();
        look_at_all(&mut scene, connected, Some(now));
        assert!(scene.finds(silent).is_empty());
    }

    #[test]
    fn a_route_that_does_not_fit_its_messages_is_named_with_what_to_write() {
        let scene = Scene::new();
        let faults = scene.published.route_faults();
        let id = |index| RouteId(Some(index));
        let nearest = Some("/mag/x".to_owned());
        faults.add(id(1), RouteFault::ColumnNeverSeen { column: 0, nearest });
        faults.add(id(1), RouteFault::ColumnNeverSeen { column: 1, nearest: None });
        let topics = ["w/a", "w/b"].map(|place| format!("house/{place}/weathermeters/"));
        faults.add(id(0), RouteFault::SeveralSources { topics });
        let seen = scene.finds(never_seen);
        assert_eq!(
            ids(&seen),
            [
                "warning column_never_seen:magnetic_flux_data.x",
                "warning column_never_seen:magnetic_flux_data.y"
            ]
        );
        assert!(seen[0].summary.ends_with("no message had the field /x"));
        assert!(seen[0].hint.contains(r#"as in x = "/mag/x""#));
        let several = scene.finds(several_sources);
        assert_eq!(ids(&several), ["warning several_sources:weather_data"]);
        assert!(several[0].summary.contains("house/w/a/weathermeters/"));
        faults.column_is_seen(id(1), 0);
        assert_eq!(scene.finds(never_seen).len(), 1);
        faults.keep(|id| id == RouteId(Some(0)));
        assert!(scene.finds(never_seen).is_empty());
    }

    #[test]
    fn the_line_to_write_names_the_levels_that_differ() {
        let table = [
            ("sensors/+/+", "sensors/t/28EE", "sensors/t/28E6", r#""sensors/+/{device}""#),
            ("h/+/dc/+/+", "h/1/dc/0/power", "h/1/dc/0/voltage", r#""h/+/dc/+/{device}""#),
            ("h/+/dc/+", "h/1/dc/0", "h/2/dc/1", r#""h/{device}/dc/{level4}""#),
            ("N/+/#", "N/c/battery/1", "N/c/grid", r#""N/+/{*device}""#),
            ("N/+/#", "N/c/battery", "N/d/grid", r#""N/{device}/{*level3}""#),
        ];
        for (filter, first, second, expected) in table {
            assert_eq!(naming_line(filter, first, second), format!("topic = {expected}"));
        }
    }
}
