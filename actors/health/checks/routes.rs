//! The sensors behind the routes.

use super::{CheckInput, warning};
use crate::status::issue::Finding;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
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
}
