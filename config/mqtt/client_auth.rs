//! A certificate chain and its private key, always both: ours for the broker, and the page's.

use std::path::{Path, PathBuf};

use crate::declare::field::{Field, line};
use crate::declare::key::{Complaint, Key};
use crate::declare::text::quote;
use crate::page::{Line, Shown};
use crate::read::section::Section;

/// Our own certificate for the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientAuth {
    /// PEM file with our certificate chain.
    pub cert_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
}

/// The page's certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct PageTls {
    /// PEM file with the certificate chain.
    pub cert_file: PathBuf,
    /// PEM file with its private key.
    pub key_file: PathBuf,
}

impl Field for Option<ClientAuth> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        let pair = take_pair(section, keys);
        *self = pair.map(|(cert_file, key_file)| ClientAuth { cert_file, key_file });
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Line> {
        self.as_ref().map_or_else(Vec::new, |it| lines_of(keys, &it.cert_file, &it.key_file))
    }
}

impl Field for Option<PageTls> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        let pair = take_pair(section, keys);
        *self = pair.map(|(cert_file, key_file)| PageTls { cert_file, key_file });
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Line> {
        self.as_ref().map_or_else(Vec::new, |it| lines_of(keys, &it.cert_file, &it.key_file))
    }
}

fn take_pair(section: &mut Section<'_, '_>, keys: &'static [Key]) -> Option<(PathBuf, PathBuf)> {
    let [cert, key] = keys else { return None };
    let found = (section.path(cert), section.path(key));
    let (name, why, missing) = match found {
        (Some(cert), Some(key)) => return Some((cert, key)),
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

fn lines_of(keys: &'static [Key], cert_file: &Path, key_file: &Path) -> Vec<Line> {
    let files = keys.iter().zip([cert_file, key_file]);
    files.map(|(key, file)| line(key, Shown::Plain(quote(&file.to_string_lossy())))).collect()
}
