//! Who wants something to be done.

use tokio::net::UnixStream;

use crate::os::process::Holder;

/// A person or program that gives a command.
#[derive(Debug, Clone)]
pub(crate) enum Peer {
    /// A process on the operator's socket, by the kernel's word.
    Process {
        /// Its id.
        pid: Option<u32>,
        /// Its user's.
        uid: Option<u32>,
    },
    /// A client of the page with the admin token, and its address.
    Page(String),
}

impl Peer {
    /// Of a connection to the operator's socket.
    pub(super) fn of(stream: &UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        let pid = credentials.and_then(|known| known.pid());
        Self::Process {
            pid: pid.and_then(|pid| u32::try_from(pid).ok()),
            uid: credentials.map(|known| known.uid()),
        }
    }

    /// For the event that tells of it: "asked for …".
    pub(super) fn sentence(&self) -> String {
        let (pid, uid) = match self {
            Self::Process { pid, uid } => (*pid, *uid),
            Self::Page(from) => return format!("on the page, from {from}"),
        };
        let known = |id: Option<u32>| id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let command = pid.and_then(Holder::of_pid).and_then(|holder| holder.command);
        let command = command.filter(|command| !command.is_empty()).unwrap_or_else(|| "?".into());
        let command: String = command.chars().take(200).collect();
        format!("by uid {}, pid {} ({command})", known(uid), known(pid))
    }
}
