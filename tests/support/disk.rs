//! File systems of a test's own, that fill, turn read-only and lose their power. Unmounted when dropped, also when the test
//! fails: so a disk is declared before the recorder that uses it, and after the folder that it is in.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::folder::Folder;
use super::process::{self, Outcome};
use super::wait;

const PATIENCE: Duration = Duration::from_secs(10);
const BALLAST: &str = "ballast";

/// A mounted file system.
pub(crate) struct Disk {
    /// The arguments of mount, before the directory.
    mount: Vec<String>,
    directory: PathBuf,
    is_mounted: bool,
}

impl Disk {
    /// An ext4 on a loop device, in a file of this many MiB.
    pub(crate) fn ext4(folder: &Folder, name: &str, mib: u64) -> Self {
        let image = folder.path(&format!("{name}.ext4"));
        let file = File::create(&image).expect("our own folder");
        file.set_len(mib << 20).expect("a sparse file");
        must(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
        let image = image.to_str().expect("our paths are UTF-8").to_owned();
        // mount frees the loop device when it is unmounted
        Self::mounted(folder, name, vec!["-o".to_owned(), "loop".to_owned(), image])
    }

    /// A file system in memory, of this many MiB.
    pub(crate) fn tmpfs(folder: &Folder, name: &str, mib: u64) -> Self {
        let options = ["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"].map(str::to_owned);
        Self::mounted(folder, name, options.into())
    }

    fn mounted(folder: &Folder, name: &str, mount: Vec<String>) -> Self {
        let directory = folder.path(name);
        fs::create_dir(&directory).expect("our own folder");
        let mut disk = Self { mount, directory, is_mounted: false };
        disk.mount();
        disk
    }

    /// Something on it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A large file takes all the room that is left.
    pub(crate) fn fill(&self) {
        let mut ballast = File::create(self.path(BALLAST)).expect("at least its name has room");
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    /// The large file goes.
    pub(crate) fn make_room(&self) {
        fs::remove_file(self.path(BALLAST)).expect("filled before");
    }

    /// It turns read-only under everyone, as an ext4 does after an error.
    pub(crate) fn turn_read_only(&self) {
        must(Command::new("mount").args(["-o", "remount,abort"]).arg(&self.directory));
    }

    /// It is checked, and mounted anew at the same place. Whoever still holds files of the old mount keeps those.
    pub(crate) fn repair(&mut self) {
        must(Command::new("umount").arg("-l").arg(&self.directory));
        self.is_mounted = false;
        // mount would find the old loop device, which stays as long as someone holds it
        let image = self.mount.last().expect("an ext4 in a file");
        let found = run(Command::new("losetup").args(["--find", "--show"]).arg(image));
        let device = found.stdout.trim();
        must(Command::new("mount").arg(device).arg(&self.directory));
        self.is_mounted = true;
        // detached now, the device goes with its mount
        must(Command::new("losetup").args(["--detach", device]));
    }

    /// The power is gone: what was not pressed onto the disk never was, and from now on every call fails. Whoever
    /// used it must die, then it can be repaired.
    pub(crate) fn cut_power(&self) {
        must(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.directory));
    }

    /// The power is back: mounted anew, with what its journal says.
    pub(crate) fn restore_power(&mut self) {
        self.unmount();
        self.mount();
    }

    fn mount(&mut self) {
        must(Command::new("mount").args(&self.mount).arg(&self.directory));
        self.is_mounted = true;
    }

    fn unmount(&mut self) {
        let directory = self.directory.clone();
        let unmounted = || run(Command::new("umount").arg(&directory)).code == Some(0);
        wait::until_true("nobody uses it any more", PATIENCE, unmounted);
        self.is_mounted = false;
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.is_mounted {
            // no panic in a drop, and nothing left mounted: a straggler's files go when it closes them
            let _ = Command::new("umount").arg("-l").arg(&self.directory).status();
        }
    }
}

fn must(command: &mut Command) {
    let outcome = run(command);
    assert_eq!(outcome.code, Some(0), "{command:?}: {}", outcome.stderr);
}

fn run(command: &mut Command) -> Outcome {
    let mut owned = Command::new(command.get_program());
    owned.args(command.get_args());
    process::outcome(owned, PATIENCE)
}
