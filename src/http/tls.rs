//! The page's certificate. It is read again at each reload; files that cannot be used change nothing, as long as
//! there is one that was read before.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use barograph_actors::message::event;
use barograph_actors::status::Published;
use barograph_actors::status::issue::{Finding, Severity};
use barograph_config::PageTls;
use parking_lot::RwLock;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tracing::{info, warn};

use crate::os::world;

/// Under which its finding is published.
const BY: &str = "watchtower_certificate";
/// The id of the finding that new files cannot be used.
const STALE: &str = "page_certificate_stale";

/// The certificate in force. Clones share it: each new connection gets the newest.
#[derive(Clone, Default)]
pub(super) struct Certificate {
    current: Arc<RwLock<Option<Arc<CertifiedKey>>>>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads the files. Where they cannot be used, the last good ones stay, and a finding says so.
    ///
    /// # Errors
    /// They cannot be used, and there is none yet: why.
    pub(super) fn read(&self, files: &PageTls, published: &Published) -> Result<(), String> {
        match certified(files) {
            Ok(new) => {
                let new = Arc::new(new);
                let mut current = self.current.write();
                let differs = current.as_ref().is_none_or(|old| old.cert != new.cert);
                *current = Some(new);
                published.found(BY, None);
                if differs {
                    let file = files.cert_file.display();
                    info!(
                        event = event::PAGE_CERTIFICATE,
                        "the page's certificate was read: {file}"
                    );
                }
                Ok(())
            }
            Err(why) if self.now().is_some() => {
                warn!(
                    event = event::PAGE_CERTIFICATE,
                    "the page's new certificate cannot be used, and the old one stays: {why}"
                );
                published.note(event::PAGE_CERTIFICATE, world::now(), why.clone());
                published.found(BY, Some(stale(&why)));
                Ok(())
            }
            Err(why) => Err(why),
        }
    }

    /// It is not needed any more.
    pub(super) fn forget(&self, published: &Published) {
        *self.current.write() = None;
        published.found(BY, None);
    }

    fn now(&self) -> Option<Arc<CertifiedKey>> {
        self.current.read().clone()
    }

    /// Speaks TLS with it.
    ///
    /// # Errors
    /// The library has no protocol in common with itself.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, String> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(NewestCertificate(self.clone())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn stale(why: &str) -> Finding {
    Finding {
        id: STALE.to_owned(),
        severity: Severity::Warning,
        summary: format!("the page keeps its old certificate: {why}"),
        hint: "correct the files that watchtower.cert_file and watchtower.key_file name, and \
               reload; when the old one expires, browsers refuse the page"
            .to_owned(),
    }
}

/// Asked at each handshake.
#[derive(Debug)]
struct NewestCertificate(Certificate);

impl ResolvesServerCert for NewestCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.now()
    }
}

fn certified(files: &PageTls) -> Result<CertifiedKey, String> {
    let PageTls { cert_file, key_file } = files;
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert_file)
        .and_then(Iterator::collect)
        .map_err(|error| said("watchtower.cert_file", cert_file, &error))?;
    if chain.is_empty() {
        return Err(said("watchtower.cert_file", cert_file, &"it holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| said("watchtower.key_file", key_file, &error))?;
    // This also finds a key that is another certificate's.
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| said("watchtower.cert_file", cert_file, &format!("with its key: {error}")))
}

fn said(setting: &str, file: &Path, why: &dyn fmt::Display) -> String {
    format!("{setting} {}: {why}", file.display())
}
