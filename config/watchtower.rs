//! `[watchtower]`: where the page is served, and who may look.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::settings::Secret;

/// `[watchtower]`
#[derive(Debug, Clone, PartialEq)]
pub struct Watchtower {
    /// Where the page is served; default `127.0.0.1:8000`.
    pub listen: Listen,
    /// Everybody who reaches the page may read it, without a token; default: only where it is served to this machine alone.
    pub anonymous_read: bool,
    /// Whoever has it may read, and tell the recorder what to do (from `admin_token_file`).
    pub admin_token: Option<Secret>,
    /// Whoever has it may read (from `read_token_file`).
    pub read_token: Option<Secret>,
    /// PEM files with the page's certificate chain and its key, always both; read again at a reload.
    pub tls: Option<PageTls>,
    /// Further names under which browsers may call the page (a proxy's), besides addresses and names of this machine; in
    /// lower case, without a port.
    pub hosts: Vec<String>,
    /// Most connections at a time; default 1536.
    pub max_connections: u32,
    /// Most connections at a time from one address that is not this machine's; default 64.
    pub max_connections_per_address: u32,
}

impl Watchtower {
    /// Whether who reads must show a token: where one is set, and where others than this machine reach the page, unless
    /// everybody may read it.
    pub fn reading_needs_a_token(&self) -> bool {
        self.read_token.is_some() || !self.listen.is_local() && !self.anonymous_read
    }
}

/// The page's certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct PageTls {
    /// PEM file with the certificate chain.
    pub cert_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
}

/// Where the page is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere: `"off"`.
    Off,
    /// An address of this machine and a port; port 0 is any free one.
    Tcp(SocketAddr),
    /// A Unix socket: `"unix:/run/barograph/page.sock"`.
    Unix(PathBuf),
    /// The socket that systemd hands over (`barograph.socket`): `"systemd"`.
    Systemd,
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Off | Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Systemd => false,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd => f.write_str("systemd"),
        }
    }
}
