//! The places where the page can be served: a port, a Unix socket, a socket of systemd's.

use std::fs::{self, Permissions};
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use barograph_config::Listen;
use listenfd::ListenFd;

/// Who may connect through the file: its owner and its group (a proxy's user can be in it).
const MODE: u32 = 0o660;

/// A place that was had.
pub(crate) enum BoundListener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// The socket's file, removed when this is dropped. A file of another process stays.
#[derive(Debug)]
pub(super) struct ListenSocketFile {
    path: PathBuf,
    inode: u64,
}

impl Drop for ListenSocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("the socket {} is left behind: {error}", self.path.display());
        }
    }
}

/// Gets the place, and its file, if there is one.
///
/// # Errors
/// It cannot be bound; if another process has it: [`io::ErrorKind::AddrInUse`].
pub(super) fn bind(listen: &Listen) -> io::Result<(BoundListener, Option<ListenSocketFile>)> {
    match listen {
        Listen::Tcp(address) => Ok((BoundListener::Tcp(TcpListener::bind(address)?), None)),
        Listen::Unix(path) => unix(path),
        Listen::Systemd => Ok((handed_over()?, None)),
        Listen::Off => Err(io::Error::other("the page is off")),
    }
}

/// The file gets its name when all else is done: a client that finds it finds the right mode, and a server that
/// listens. What a process left that was killed is replaced.
fn unix(path: &Path) -> io::Result<(BoundListener, Option<ListenSocketFile>)> {
    if let Ok(there) = fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            return Err(io::Error::other("there is a file of that name that is no socket"));
        }
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Ok(_) | Err(_) => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let new = path.with_extension(format!("new-{}", std::process::id()));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&new)?;
    let placed = || {
        fs::set_permissions(&new, Permissions::from_mode(MODE))?;
        let inode = fs::symlink_metadata(&new)?.ino();
        fs::rename(&new, path)?;
        Ok(ListenSocketFile { path: path.to_owned(), inode })
    };
    let placed = placed().inspect_err(|_: &io::Error| {
        let _gone = fs::remove_file(&new);
    })?;
    Ok((BoundListener::Unix(listener), Some(placed)))
}

/// What systemd handed over stays open as long as the process: a client that connects while the page restarts waits,
/// and is served. No child inherits it.
enum Handed {
    Tcp(TcpListener),
    Unix(UnixListener),
    Nothing(String),
}

static HANDED: OnceLock<Handed> = OnceLock::new();

/// Takes what systemd handed over, before anything else of this process could have its number.
pub fn take_handed_over() {
    HANDED.get_or_init(take);
}

fn handed_over() -> io::Result<BoundListener> {
    match HANDED.get_or_init(take) {
        Handed::Tcp(listener) => Ok(BoundListener::Tcp(listener.try_clone()?)),
        Handed::Unix(listener) => Ok(BoundListener::Unix(listener.try_clone()?)),
        Handed::Nothing(why) => Err(io::Error::other(why.clone())),
    }
}

fn take() -> Handed {
    let ours = std::env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    let mut sockets = if ours { ListenFd::from_env() } else { ListenFd::empty() };
    if sockets.len() == 0 {
        let why = "systemd handed over no socket; is barograph.socket enabled, and was the service \
                   started by it?";
        return Handed::Nothing(why.to_owned());
    }
    if let Ok(Some(listener)) = sockets.take_tcp_listener(0) {
        return Handed::Tcp(listener);
    }
    match sockets.take_unix_listener(0) {
        Ok(Some(listener)) => Handed::Unix(listener),
        Ok(None) => Handed::Nothing("the socket was taken already".to_owned()),
        Err(error) => Handed::Nothing(format!("what systemd handed over is no listener: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_a_live_one_is_not_and_a_file_neither() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.sock");
        drop(UnixListener::bind(&path).unwrap());
        let (_listener, placed) = bind(&Listen::Unix(path.clone())).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, MODE);
        UnixStream::connect(&path).unwrap();
        let taken = bind(&Listen::Unix(path.clone())).err().unwrap();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
        drop(placed);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(&path, "somebody's").unwrap();
        assert!(bind(&Listen::Unix(path.clone())).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"somebody's");
    }
}
