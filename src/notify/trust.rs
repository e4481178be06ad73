//! Whom a channel trusts: the authorities of its `ca_file`, or the system's.

use barograph_actors::health::notify::notifier::Failure;
use barograph_config::Alert;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::failure;

/// The certificates of the authorities. Files are read at each attempt: a renewed one needs no restart.
pub(super) fn authorities(alert: &Alert) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let hint = "look at the alert's ca_file, or install the system's authorities (package \
                ca-certificates)";
    let certificates = match &alert.ca_file {
        None => rustls_native_certs::load_native_certs().certs,
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|error| failure(format!("ca_file {}: {error}", file.display()), hint))?,
    };
    if certificates.is_empty() {
        return Err(failure("there is no certificate authority to trust".into(), hint));
    }
    Ok(certificates)
}
