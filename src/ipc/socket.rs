//! The socket's file. Its name may be longer than the 107 bytes of a socket's address: it is reached
//! through `/proc/self/fd`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::os::paths::folder_of;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 16;

/// The socket of the recorder whose lock this is: `barograph.lock` has `barograph.sock`.
pub fn path_beside(lock_file: &Path) -> PathBuf {
    let name = lock_file.file_name().unwrap_or_default();
    let stem = match (lock_file.extension(), lock_file.file_stem()) {
        (Some(extension), Some(stem)) if extension == "lock" => stem,
        _ => name,
    };
    let mut name = OsString::from(stem);
    name.push(".sock");
    lock_file.with_file_name(name)
}

/// The socket's file, as long as it is ours.
#[derive(Debug)]
pub struct OperatorSocketFile {
    path: PathBuf,
    inode: u64,
}

impl OperatorSocketFile {
    /// Takes it away, while the lock is still held. A socket of another process stays.
    pub fn remove(&self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("the socket {} is left behind: {error}", self.path.display());
        }
    }
}

/// A socket that listens, and its file.
#[derive(Debug)]
pub struct Listening {
    /// Takes connections.
    pub listener: UnixListener,
    /// Its file.
    pub placed: OperatorSocketFile,
}

/// Makes the socket. It gets its name when all else is done: whoever finds it finds mode 0600 and somebody
/// who listens, and what a killed process left under that name is replaced.
///
/// # Errors
/// It cannot be made there.
pub fn listen(path: &Path) -> io::Result<Listening> {
    let folder = open_path(&folder_of(path), OFlags::DIRECTORY)?;
    let new = format!(".{}.sock", std::process::id());
    let new_path = folder_of(path).join(&new);
    match fs::remove_file(&new_path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let socket = unconnected()?;
    rustix::net::bind(&socket, &through(&folder, Some(OsStr::new(&new)))?)?;
    let placed = || {
        // No client can connect before it listens.
        fs::set_permissions(&new_path, Permissions::from_mode(0o600))?;
        rustix::net::listen(&socket, BACKLOG)?;
        let inode = fs::symlink_metadata(&new_path)?.ino();
        fs::rename(&new_path, path)?;
        Ok(OperatorSocketFile { path: path.to_owned(), inode })
    };
    let placed = placed().inspect_err(|_: &io::Error| {
        let _gone = fs::remove_file(&new_path);
    })?;
    Ok(Listening { listener: UnixListener::from(socket), placed })
}

/// Connects; waits no longer than `within` for a listener that does not accept.
///
/// # Errors
/// There is none, or no process listens, or permission is denied.
pub fn connect(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let file = open_path(path, OFlags::NOFOLLOW)?;
    let socket = unconnected()?;
    set_socket_timeout(&socket, Timeout::Send, Some(within))?;
    rustix::net::connect(&socket, &through(&file, None)?)?;
    Ok(UnixStream::from(socket))
}

fn unconnected() -> io::Result<OwnedFd> {
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    Ok(rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?)
}

fn open_path(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty())?)
}

/// A short name for an open file, or for one in an open folder.
fn through(file: &OwnedFd, name: Option<&OsStr>) -> io::Result<SocketAddrUnix> {
    let mut path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    path.extend(name);
    Ok(SocketAddrUnix::new(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_is_named_after_the_lock() {
        let table = [
            ("/data/barograph.lock", "/data/barograph.sock"),
            ("/data/my", "/data/my.sock"),
            ("/data/my.file", "/data/my.file.sock"),
            ("x.lock", "x.sock"),
        ];
        for (lock, socket) in table {
            assert_eq!(path_beside(Path::new(lock)), Path::new(socket));
        }
    }

    #[test]
    fn a_socket_has_mode_0600_replaces_a_stale_one_and_may_have_a_long_path() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
        fs::create_dir_all(&deep).unwrap();
        let path = deep.join("f".repeat(200) + ".sock");
        drop(UnixListener::from(unconnected().unwrap()));
        let stale = listen(&path).unwrap();
        drop(stale.listener);
        let refused = connect(&path, Duration::from_secs(1)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        let ours = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        connect(&path, Duration::from_secs(1)).unwrap();
        stale.placed.remove();
        assert!(path.exists(), "it is not the stale one any more");
        ours.placed.remove();
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    }
}
