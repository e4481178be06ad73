//! Secrets: from a key of the file, or from a file of their own.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::declare::key::{Complaint, Key, Spec, Wants};
use crate::declare::text::quote;
use crate::declare::values;
use crate::field::{Field, line};
use crate::page::{Assignment, ShownValue};
use crate::read::problems::Spot;
use crate::read::reader::Mark;
use crate::read::redact::{HIDDEN, printed_url};
use crate::read::section::{Section, strongest};
use crate::secret::Secret;

/// Longest file with a secret, in bytes: what MQTT can send, and a line end.
const SECRET_FILE_BYTES_MAX: u64 = values::TEXT_BYTES_MAX as u64 + 2;

/// The bits of a file's mode for users that are neither its owner nor in its group.
const OTHERS: u32 = 0o007;

impl Field for Option<Secret> {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        match keys {
            [word, file] => *self = take_secret(section, word, file),
            [file] => *self = take_private(section, file),
            _ => unreachable!("a secret has a key, that of a file, or both"),
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        let (Some(secret), Some(key)) = (self, keys.first()) else { return Vec::new() };
        let is_url = matches!(key.spec.wants, Wants::SecretUrl);
        let shown = if is_url { printed_url(secret.expose()) } else { HIDDEN.to_owned() };
        vec![line(key, ShownValue::Secret(quote(&shown), secret.clone()))]
    }
}

impl Field for Secret {
    fn take(&mut self, section: &mut Section<'_, '_>, keys: &'static [Key]) {
        let mut secret = None;
        Field::take(&mut secret, section, keys);
        if let Some(secret) = secret {
            *self = secret;
        }
    }

    fn lines(&self, keys: &'static [Key]) -> Vec<Assignment> {
        Some(self.clone()).lines(keys)
    }
}

/// A secret that stands in the file, or in a file of its own. Its place is that of the one that counts.
fn take_secret(section: &mut Section<'_, '_>, word: &'static Key, file: &Key) -> Option<Secret> {
    if word.spec.is_needed
        && section.value(word.name).is_none()
        && section.value(file.name).is_none()
    {
        let why = format!("missing, and so is {}", file.name);
        section.refuse_lack(word.name, Complaint::write(why, word.example()));
        return None;
    }
    let optional = Key { spec: Spec { is_needed: false, ..word.spec }, ..*word };
    let word_set = section.take(&optional, |value, key| values::text(value, key).map(Secret::new));
    let word_set = word_set.map(Ok).zip(section.spot(word.name));
    let path = section.path(file).map(Err).zip(section.spot(file.name));
    let (source, spot) = strongest(section.reader, [word_set, path])?;
    let secret = match source {
        Ok(secret) => Ok(secret),
        Err(path) => read_secret(&section.reader.in_cwd(&path)).and_then(|secret| {
            let check = |check: crate::declare::key::TextCheck| check(secret.expose(), word);
            word.spec.check.map_or(Ok(String::new()), check).map_err(|complaint| {
                let example = word.example();
                let advice = format!("write into that file a text like {example}, without quotes");
                Complaint::advise(complaint.why, advice)
            })?;
            Ok(secret)
        }),
    };
    keep(section, word.name, spot, secret)
}

/// A token that opens our own door, in a file.
fn take_private(section: &mut Section<'_, '_>, file: &Key) -> Option<Secret> {
    // The check of the key is that of the token, not of the path.
    let plain = Key { spec: Spec { check: None, ..file.spec }, ..*file };
    let path = section.path(&plain)?;
    let spot = section.spot(file.name)?;
    let secret = read_private(&section.reader.in_cwd(&path)).and_then(|secret| {
        let check = file.spec.check.map(|check| check(secret.expose(), file));
        check.transpose().map(|_| secret)
    });
    keep(section, file.name, spot, secret)
}

fn keep(
    section: &mut Section<'_, '_>,
    name: &str,
    spot: Spot,
    secret: Result<Secret, Complaint>,
) -> Option<Secret> {
    match secret {
        Ok(secret) => {
            section.mark(name, Mark::Good(spot));
            Some(secret)
        }
        Err(complaint) => {
            section.reader.refuse(&spot.bare(), complaint);
            section.mark(name, Mark::Bad);
            None
        }
    }
}

/// The secret of a file that others than its owner and group cannot read: systemd's credentials and many an administrator
/// give it to a group.
fn read_private(path: &Path) -> Result<Secret, Complaint> {
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.is_file()
        && metadata.mode() & OTHERS != 0
    {
        let why = "every user of this machine can read or change the file, and so knows the secret";
        return Err(Complaint::advise(why, format!("run: chmod 600 {}", path.display())));
    }
    read_secret(path)
}

/// The only text of a file; a line end after it does not count.
fn read_secret(path: &Path) -> Result<Secret, Complaint> {
    let advice = "make it a file that holds the secret and nothing else, readable for this process";
    let complain = |why: String| Complaint::advise(why, advice);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| complain(format!("cannot read {}: {error}", path.display())))?;
    let too_long = bytes.len() as u64 > SECRET_FILE_BYTES_MAX;
    let text = String::from_utf8(bytes)
        .map_err(|_| complain("the file's text is not UTF-8".to_owned()))?;
    let word = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if word.is_empty() {
        return Err(complain("the file is empty".to_owned()));
    }
    if too_long || word.contains('\0') || word.len() > values::TEXT_BYTES_MAX {
        let why = "the file holds a NUL character, or more than 65535 bytes";
        return Err(complain(why.to_owned()));
    }
    Ok(Secret::new(word))
}
