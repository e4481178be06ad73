//! The sensors behind the routes.

use super::{Look, warning};
use crate::issue::Finding;

/// A route's sensor says nothing, although broker and recorder are there to hear it.
pub(super) fn silent(look: &Look<'_>) -> Vec<Finding> {
    let silent = look.memory.silences.iter().filter_map(|(route, silence)| {
        let (name, since) = (look.router.name(*route), silence.silent_since()?);
        let sentence = format!("nothing has come for {name} since {since} UTC");
        let hint = "broker and recorder are there to hear it: look at the sensor, its power and its \
                    topic; a sensor that may be silent for longer has a longer silent_after";
        Some(warning(format!("route_silent:{name}"), sentence, hint))
    });
    silent.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issues::testing::{Scene, ids};

    #[test]
    fn a_silent_route_is_named() {
        let mut scene = Scene::new();
        let connected = Ok(scene.now());
        assert!(scene.finds(silent).is_empty());
        scene.passes(299);
        let now = scene.now();
        scene.memory.silences.values_mut().for_each(|it| drop(it.look(now, connected, None)));
        assert!(scene.finds(silent).is_empty());
        scene.passes(1);
        let now = scene.now();
        scene.memory.silences.values_mut().for_each(|it| drop(it.look(now, connected, None)));
        let found = scene.finds(silent);
        assert_eq!(
            ids(&found),
            ["warning route_silent:weather_data", "warning route_silent:magnetic_flux_data"]
        );
        scene.memory.silences.values_mut().for_each(|it| drop(it.look(now, connected, Some(now))));
        assert!(scene.finds(silent).is_empty());
    }
}
