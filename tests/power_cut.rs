//! The power fails under load, fifty times: what was not pressed onto the disk is gone, and everything acknowledged is there.
//!
//! The incident behind it: with `synchronous = "normal"` acknowledged rows were gone after 45 of 76 pulled plugs, and after
//! none of 86 with `"full"`. Killing the process alone never shows that: the kernel keeps what it has not yet written.
//!
//! The recorder is frozen before the disk loses its power, because a power cut stops both at once. Shutting a file system
//! down under a program that runs on is harder than any power cut: in 4 of 150 such cuts the kernel answered the fsync
//! of a growing file, under way just then, with success, and the data was not there (a loop of pwrite and fsync, without SQLite).

use std::thread;

use crate::support::aloud;
use crate::support::database::Database;
use crate::support::disk::Disk;
use crate::support::heavy;
use crate::support::needs::{self, Need};
use crate::support::publisher::{Load, Publisher};
use crate::support::random::Random;
use crate::support::scene::Scene;

const CUTS: usize = 50;

#[test]
fn fifty_power_cuts_under_load_lose_and_double_nothing() {
    if !needs::are_met(&[Need::Mounts, Need::PowerSwitch]) {
        return;
    }
    let _turn = heavy::turn();
    let mut random = Random::new();
    let mut scene = Scene::new();
    let mut disk = Disk::ext4(&scene.folder, "disk", 96);
    scene.database = Database::at(disk.path("data.db"));
    let settings = scene.settings().path("database", "path", scene.database.path());
    let mut recorder = scene.recorder(&settings);
    let publisher = Publisher::start(scene.broker.port(), Load::numbered(1).rate(1_500));
    for _ in 0..CUTS {
        thread::sleep(random.between(20, 300)); // the random moment
        recorder.process.freeze();
        disk.cut_power();
        recorder.kill();
        disk.restore_power();
        recorder = scene.recorder(&settings);
    }
    let published = publisher.finish();
    let account = scene.settle(recorder, &published);
    aloud::say(&format!(
        "{CUTS} power cuts, {} published: 0 lost, 0 twice, {account:?}",
        published.certain()
    ));
}
