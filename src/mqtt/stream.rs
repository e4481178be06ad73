//! The bytes: TCP, or TLS over it.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use barograph_actors::ports::{Down, DownKind};
use barograph_config::Mqtt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Either kind.
pub(super) trait BrokerStream: AsyncRead + AsyncWrite + Unpin {
    /// The connection below, for its options.
    fn tcp(&self) -> &TcpStream;
}

impl BrokerStream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl BrokerStream for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Connects to the broker's port and, with `mqtts`, makes sure who it is.
pub(super) async fn connect(settings: &Mqtt) -> Result<Box<dyn BrokerStream>, Down> {
    let tcp = connect_tcp(settings).await?;
    if !settings.url.tls {
        return Ok(Box::new(tcp));
    }
    let config = tls_config(settings)
        .map_err(|error| Down { kind: DownKind::Tls, message: error.to_string() })?;
    let host = settings.url.host.clone();
    let name =
        ServerName::try_from(host).map_err(|error| tls_down(settings, &error.to_string()))?;
    let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    Ok(Box::new(tls.map_err(|error| tls_down(settings, &error.to_string()))?))
}

async fn connect_tcp(settings: &Mqtt) -> Result<TcpStream, Down> {
    let url = &settings.url;
    let addresses = lookup_host((url.host.as_str(), url.port)).await.map_err(|error| Down {
        kind: DownKind::Dns,
        message: format!(
            "the name {} in mqtt.url cannot be resolved ({error}); look at the name and at DNS",
            url.host
        ),
    })?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Acknowledgements are small and must not wait for company.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!("TCP_NODELAY: {error}");
                }
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(tcp_down(settings, &last))
}

fn tcp_down(settings: &Mqtt, error: &io::Error) -> Down {
    let url = &settings.url;
    if error.kind() == io::ErrorKind::TimedOut {
        return timed_out(settings);
    }
    let (kind, message) = if error.kind() == io::ErrorKind::ConnectionRefused {
        let advice = "is the broker running, and is the port right?";
        (DownKind::Refused, format!("nothing listens at {url} ({error}); {advice}"))
    } else {
        let advice = "look at the network and the firewall";
        (DownKind::Network, format!("{url} cannot be reached ({error}); {advice}"))
    };
    Down { kind, message }
}

pub(super) fn timed_out(settings: &Mqtt) -> Down {
    Down {
        kind: DownKind::Timeout,
        message: format!(
            "{} does not answer; look at the address, the network and the firewall",
            settings.url
        ),
    }
}

fn tls_down(settings: &Mqtt, detail: &str) -> Down {
    Down {
        kind: DownKind::Tls,
        message: format!(
            "no trusted connection to {}: {detail}; look at mqtt.ca_file, mqtt.client_cert and \
             the broker's certificate",
            settings.url
        ),
    }
}

/// TLS cannot be used as `[mqtt]` says.
#[derive(Debug, thiserror::Error)]
enum TlsSettingsError {
    /// A file cannot be used.
    #[error("{setting} {}: {cause}", file.display())]
    File {
        setting: &'static str,
        file: PathBuf,
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// Neither the settings nor the system name one.
    #[error(
        "no certificate authority to trust; set mqtt.ca_file, or install the system's (package \
         ca-certificates)"
    )]
    NoAuthority,
    /// Certificate and key do not belong together.
    #[error("mqtt.client_cert {} and its key: {cause}", file.display())]
    ClientAuth {
        file: PathBuf,
        #[source]
        cause: rustls::Error,
    },
    /// The library refuses.
    #[error(transparent)]
    Library(#[from] rustls::Error),
}

impl TlsSettingsError {
    fn file(
        setting: &'static str,
        file: &Path,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self::File { setting, file: file.to_owned(), cause: cause.into() }
    }
}

/// The files are read at each connection: a renewed certificate needs no restart.
fn tls_config(settings: &Mqtt) -> Result<ClientConfig, TlsSettingsError> {
    let mut roots = RootCertStore::empty();
    match &settings.ca_file {
        Some(file) => {
            for cert in certificates(file, "mqtt.ca_file")? {
                let refused = |error| TlsSettingsError::file("mqtt.ca_file", file, error);
                roots.add(cert).map_err(refused)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TlsSettingsError::NoAuthority);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match &settings.client_auth {
        None => Ok(builder.with_no_client_auth()),
        Some(auth) => {
            let chain = certificates(&auth.cert_file, "mqtt.client_cert")?;
            let key = PrivateKeyDer::from_pem_file(&auth.key_file).map_err(|error| {
                TlsSettingsError::file("mqtt.client_key", &auth.key_file, error)
            })?;
            builder.with_client_auth_cert(chain, key).map_err(|cause| {
                TlsSettingsError::ClientAuth { file: auth.cert_file.clone(), cause }
            })
        }
    }
}

fn certificates(
    file: &Path,
    setting: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsSettingsError> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let certs = read().map_err(|error| TlsSettingsError::file(setting, file, error))?;
    if certs.is_empty() {
        return Err(TlsSettingsError::file(setting, file, "it holds no certificate"));
    }
    Ok(certs)
}
