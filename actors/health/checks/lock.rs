//! The lock that makes this the only instance.

use super::{CheckInput, critical};
use crate::status::issue::Finding;

/// It does not keep other instances out any more.
pub(super) fn lost(look: &CheckInput<'_>) -> Vec<Finding> {
    let Some((since, why)) = &look.state.tree.lock_lost else { return Vec::new() };
    let hint = "restart this recorder, and exclude the lock file from cleaning: two recorders with \
         one client id disconnect each other";
    vec![critical("lock_lost", format!("{why} (seen at {since} UTC)"), hint)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::checks::testing::{Scene, ids};
    use crate::message::delivery::UnixMillis;

    #[test]
    fn a_lost_lock_stays_lost() {
        let mut scene = Scene::new();
        assert!(scene.finds(lost).is_empty());
        scene.state.tree.lock_lost = Some((UnixMillis(0), "the lock file is gone".to_owned()));
        assert_eq!(ids(&scene.finds(lost)), ["critical lock_lost"]);
    }
}
