//! A certificate chain and its private key, always both: ours for the broker, and the page's.

use std::path::{Path, PathBuf};

use crate::declare::key::{Complaint, Key};
use crate::declare::text::quote;
use crate::field::{Field, line};
use crate::page::{Assignment, ShownValue};
use crate::read::section::Section;

/// PEM files of a certificate chain and of its private key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPair {
    /// PEM file with the certificate chain.
    pub cert_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
}

/// Our own certificate for the broker.
pub type ClientAuth = KeyPair;

/// The page's certificate.
pub type PageTls = KeyPair;

impl Field for Option<KeyPair> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        *self = take_pair(section, keys);
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        let Some(KeyPair { cert_file, key_file }) = self else { return Vec::new() };
        let quoted = |file: &Path| ShownValue::Plain(quote(&file.to_string_lossy()));
        keys.iter().zip([cert_file, key_file]).map(|(key, file)| line(key, quoted(file))).collect()
    }
}

fn take_pair(section: &mut Section<'_, '_>, keys: &'static [Key]) -> Option<KeyPair> {
    let [cert, key] = keys else { return None };
    let found = (section.path(cert), section.path(key));
    let (name, why, missing) = match found {
        (Some(cert_file), Some(key_file)) => return Some(KeyPair { cert_file, key_file }),
        (Some(_), None) if !section.is_bad(key.name) => {
            (cert.name, "a certificate needs its private key", key)
        }
        (None, Some(_)) if !section.is_bad(cert.name) => {
            (key.name, "a private key needs its certificate", cert)
        }
        (Some(_) | None, Some(_) | None) => return None,
    };
    if section.reader.is_whole() {
        let advice = format!("add: {} = {}", missing.name, missing.example());
        section.refuse(name, Complaint::advise(why, advice));
    }
    None
}
