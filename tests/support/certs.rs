//! A private certificate authority, made with the openssl command, as an operator would.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::folder::Folder;
use super::process;

/// Where the PEM files are.
pub(crate) struct Authority {
    folder: PathBuf,
}

/// A certificate and its key.
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    /// A new authority.
    pub(crate) fn new(folder: &Folder, name: &str) -> Self {
        let authority = Self { folder: folder.path(name) };
        fs::create_dir(&authority.folder).expect("our own folder");
        authority.openssl(&format!(
            "req -x509 {NEW_KEY} -keyout ca.key -out ca.pem -days 2 -subj /CN={name}"
        ));
        authority
    }

    /// Its own certificate: what a client is told to trust.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Signs a certificate for `localhost` (as a server) or for a client of this name.
    pub(crate) fn sign(&self, name: &str) -> Identity {
        let san = "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
        fs::write(self.folder.join("san"), san).expect("our own folder");
        self.openssl(&format!("req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 \
             -extfile san -out {name}.pem"
        ));
        let file = |end: &str| self.folder.join(format!("{name}.{end}"));
        Identity { cert: file("pem"), key: file("key") }
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(&self.folder);
        let outcome = process::outcome(command, Duration::from_secs(30));
        assert_eq!(outcome.code, Some(0), "openssl {arguments}: {}", outcome.stderr);
    }
}

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
