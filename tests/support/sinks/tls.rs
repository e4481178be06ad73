//! The server's side of TLS.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Stream;
use crate::support::certs::Identity;

/// A certificate in use.
#[derive(Clone)]
pub(crate) struct Security(Arc<ServerConfig>);

impl Security {
    /// With this certificate, which need not be one that anybody trusts.
    pub(crate) fn new(identity: &Identity) -> Self {
        let certs = CertificateDer::pem_file_iter(&identity.cert).expect("made by openssl");
        let chain: Result<Vec<_>, _> = certs.collect();
        let key = PrivateKeyDer::from_pem_file(&identity.key).expect("made by openssl");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(chain.expect("made by openssl"), key);
        Self(Arc::new(config.expect("key and certificate belong together")))
    }

    /// Shakes hands.
    pub(super) fn accept(&self, mut tcp: TcpStream) -> io::Result<Box<dyn Stream>> {
        let mut server = ServerConnection::new(Arc::clone(&self.0)).map_err(io::Error::other)?;
        while server.is_handshaking() {
            server.complete_io(&mut tcp)?;
        }
        Ok(Box::new(StreamOwned::new(server, tcp)))
    }
}
