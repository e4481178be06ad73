//! Readings that are wrong in themselves.

use barograph_config::OnBad;

use super::{CheckInput, warning};
use crate::message::account::RouteId;
use crate::message::batch::Value;
use crate::status::issue::Finding;
use crate::status::readings::Trouble;

/// A value stands still, or is none that its column takes.
pub(super) fn wrong(look: &CheckInput<'_>) -> Vec<Finding> {
    let troubles = look.published.readings().troubles().into_iter();
    let finding = |(route, index, trouble): (RouteId, usize, Trouble)| {
        let route = look.router.routes().get(usize::from(route.0?))?;
        let column = route.columns.get(index)?;
        let name = format!("{}.{}", route.table, column.name);
        Some(match trouble {
            Trouble::Stuck { value, since } => warning(
                format!("value_stuck:{name}"),
                format!("{name} has been {} without a change since {since} UTC", shown(&value)),
                "look at the sensor: it may be stuck, frozen or cut off; one that may stand still for \
                 longer has a larger stuck_after",
            ),
            Trouble::Bad { detail, since } => warning(
                format!("value_out_of_bounds:{name}"),
                format!("bad values for {name} since {since} UTC: {detail}"),
                match column.on_bad {
                    OnBad::Quarantine => {
                        "look at the sensor, and at the column's type, min and max; the messages are kept \
                         in quarantine (barograph quarantine), and this is over with the next good one"
                    }
                    OnBad::Null => {
                        "look at the sensor, and at the column's type, min and max; NULL is stored in \
                         place of such a value, and this is over with the next good one"
                    }
                },
            ),
        })
    };
    troubles.filter_map(finding).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        Value::Time(time) => format!("{time} UTC"),
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
    use crate::message::batch::{Body, Record, Rows};
    use crate::message::delivery::UnixMillis;
    use crate::status::readings::ReadingWatch;
    use crate::testing::record;

    #[test]
    fn a_wrong_value_is_named_with_its_column() {
        let mut scene = Scene::new();
        let route = &mut scene.settings.routes[1];
        route.columns[0].stuck_after = Some(2);
        let shared = scene.published.readings().clone();
        let mut watch = ReadingWatch::new(&scene.settings.routes, shared);
        let reading = |x: f64| Record {
            route: RouteId(Some(1)),
            body: Body::Rows(Rows::one(vec![Value::Real(x), Value::Real(2.0), Value::Null])),
            received_at: UnixMillis(0),
            ..record(1)
        };
        watch.look(&reading(1.5));
        watch.notice(2, "field /z is \"far\"");
        watch.look(&reading(1.5));
        let found = scene.finds(wrong);
        assert_eq!(
            ids(&found),
            [
                "warning value_stuck:magnetic_flux_data.x",
                "warning value_out_of_bounds:magnetic_flux_data.z"
            ]
        );
        assert!(found[0].summary.contains("x has been 1.5 without a change since 1970"));
        assert!(found[1].summary.ends_with("UTC: field /z is \"far\""));
        assert!(found[1].hint.contains("barograph quarantine"));
        watch.look(&reading(1.6));
        assert_eq!(ids(&scene.finds(wrong)), ["warning value_out_of_bounds:magnetic_flux_data.z"]);
    }
}
