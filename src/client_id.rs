//! Our client id at the broker: made once, kept in the database and beside the lock, and used from there. The broker
//! keeps the session under it, so neither another name of the host nor a lost database may change it.

use std::fs;
use std::path::{Path, PathBuf};

use barograph_actors::message::event;
use barograph_actors::status::Published;
use barograph_config::{Loaded, Settings};
use tracing::{debug, warn};

use crate::os::paths::real_path;
use crate::os::replace::replace;
use crate::os::world;
use crate::sqlite::kept_client_id;

/// Six hexadecimal digits tell two recorders on hosts of one name apart.
const DIGITS_MASK: i64 = 0xff_ffff;

/// The copy that outlives the database, beside the lock.
pub fn file_beside(lock_file: &Path) -> PathBuf {
    lock_file.with_extension("client-id")
}

/// The one that is kept: by the database, or beside the lock where it cannot be read.
pub fn kept(settings: &Settings) -> Option<String> {
    let database = real_path(&settings.database.path).ok();
    let of_database = database.and_then(|path| kept_client_id(&path, &settings.spool.dir));
    of_database.or_else(|| {
        let text = fs::read_to_string(file_beside(&settings.instance.lock_file)).ok()?;
        let id = text.trim_end_matches('\n');
        (!id.is_empty() && !id.contains(['\0', '\n'])).then(|| id.to_owned())
    })
}

/// The settings get the client id that is kept, if `mqtt.client_id` is not set.
pub fn recall(loaded: &mut Loaded) {
    if !loaded.client_id_is_set
        && let Some(kept) = kept(&loaded.settings)
    {
        loaded.settings.use_client_id(&kept);
    }
}

/// Decides under which client id a run begins, and keeps it; `is_set`: `mqtt.client_id` is set. That another one
/// than the kept one is set is an event.
pub fn settle(settings: &mut Settings, is_set: bool, published: &Published) {
    let kept = kept(settings);
    let set = settings.mqtt.client_id.clone();
    let id = match &kept {
        _ if is_set => set,
        Some(kept) => kept.clone(),
        None => format!("{set}-{:06x}", (world::REAL.random)() & DIGITS_MASK),
    };
    settings.use_client_id(&id);
    if let Some(kept) = kept.filter(|kept| *kept != id) {
        note_change(&kept, &id, published);
    }
    keep(settings);
}

/// A reload: without `mqtt.client_id` the one in force stays.
pub fn follow(old: &Settings, new: &mut Settings, is_set: bool, published: &Published) {
    let in_force = &old.mqtt.client_id;
    if !is_set {
        return new.use_client_id(in_force);
    }
    if new.mqtt.client_id != *in_force {
        note_change(in_force, &new.mqtt.client_id, published);
        keep(new);
    }
}

fn note_change(before: &str, now: &str, published: &Published) {
    let told = format!(
        "the client id is {now} from now on (mqtt.client_id), and was {before}: what the broker keeps under {before} \
         does not arrive; set mqtt.client_id = \"{before}\" again to have it"
    );
    warn!(event = event::CLIENT_ID_CHANGED, "{told}");
    published.note(event::CLIENT_ID_CHANGED, world::now(), told);
}

/// The copy beside the lock. Where it cannot be written, the database keeps the client id.
fn keep(settings: &Settings) {
    let path = file_beside(&settings.instance.lock_file);
    let text = format!("{}\n", settings.mqtt.client_id);
    if fs::read_to_string(&path).is_ok_and(|kept| kept == text) {
        return;
    }
    if let Err(error) = replace(&path, text.as_bytes(), true) {
        debug!("{}: the client id is not kept there: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &Path, host: &str) -> Settings {
        let mut settings = Settings::default_with(host);
        settings.database.path = folder.join("data.db");
        settings.instance.lock_file = folder.join("barograph.lock");
        settings.spool.dir = folder.join("spool");
        settings
    }

    #[test]
    fn it_is_made_once_kept_beside_the_lock_and_changed_by_a_setting_only() {
        let folder = tempfile::tempdir().unwrap();
        let published = Published::default();
        let settled = |host: &str, set: Option<&str>| {
            let mut settings = settings(folder.path(), host);
            if let Some(set) = set {
                settings.use_client_id(set);
            }
            settle(&mut settings, set.is_some(), &published);
            settings.mqtt.client_id
        };
        let made = settled("attic", None);
        let digits = made.strip_prefix("barograph-attic-").unwrap();
        assert!(digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{made}");
        assert_eq!(settled("cellar", None), made, "the host has another name");
        assert_eq!(settled("attic", Some(&made)), made);
        assert!(published.waiting_events().is_empty(), "nothing has changed");
        assert_eq!(settled("attic", Some("barograph-attic")), "barograph-attic");
        let events = published.waiting_events();
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].name, event::CLIENT_ID_CHANGED);
        assert!(events[0].detail.contains(&made), "{events:?}");
        assert_eq!(settled("attic", None), "barograph-attic");
        let other = tempfile::tempdir().unwrap();
        let mut second = settings(other.path(), "attic");
        settle(&mut second, false, &published);
        assert_ne!(second.mqtt.client_id, made, "a second recorder on this host");
    }
}
