//! User and password of the broker: from the keys, from the URL, from a file; the stronger layer wins.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::problems::{Complaint, Spot};
use crate::reader::Reader;
use crate::section::Section;
use crate::settings::{Mqtt, Protocol, Secret};
use crate::values;

/// Longest file with a secret, in bytes: what MQTT can send, and a line end.
const SECRET_FILE_BYTES_MAX: u64 = values::TEXT_BYTES_MAX as u64 + 2;

/// What a file's mode says of those who are neither its owner nor in its group.
const OTHERS: u32 = 0o007;

/// What the URL said about user and password, and where the URL stands.
pub(crate) struct UrlCredentials {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) spot: Spot,
}

/// A password that was said, or the file that holds it.
enum Source<'p> {
    Word(Secret),
    File(&'p Path),
}

/// Reads `username`, `password`, `password_file` and joins them with the URL's. `password_file` is read only if it
/// is the one that counts.
pub(crate) fn read(
    section: &mut Section<'_, '_>,
    from_url: Option<UrlCredentials>,
    cwd: &Path,
    mqtt: &mut Mqtt,
) {
    let usernames = section.text("username");
    let words = section.take("password", |value, key| values::text(value, key).map(Secret::new));
    let files = section.path("password_file");
    let judgeable = !(usernames.is_bad() || words.is_bad() || files.is_bad());
    let (url_name, url_word, url_spot) = match from_url {
        Some(url) => (url.username, url.password, Some(url.spot)),
        None => (None, None, None),
    };
    if let Some(spot) = url_spot.as_ref().filter(|_| url_word.is_some()) {
        warn_of_flag(section.reader, spot);
    }
    let names = [usernames.good(), url_name.zip(url_spot.clone())];
    mqtt.username = strongest(section.reader, names).map(|(name, _)| name);

    let file = files.good();
    let passwords = [
        words.good().map(|(word, spot)| (Source::Word(word), spot)),
        file.as_ref().map(|(path, spot)| (Source::File(path), spot.clone())),
        url_word.map(Source::Word).zip(url_spot),
    ];
    let Some((source, spot)) = strongest(section.reader, passwords) else { return };
    mqtt.password = match source {
        Source::Word(word) => Some(word),
        Source::File(path) => match read_secret(&cwd.join(path)) {
            Ok(password) => Some(password),
            Err(complaint) => {
                section.reader.refuse(&spot, complaint);
                return;
            }
        },
    };
    let nameless = mqtt.username.is_none() && mqtt.protocol == Protocol::V311;
    if nameless && judgeable && section.reader.is_whole() {
        let why = "MQTT 3.1.1 knows no password without a user";
        let advice = "set mqtt.username too, or mqtt.protocol = \"5\"";
        section.reader.refuse(&spot, Complaint::advise(why, advice));
    }
}

/// The one of the strongest layer; two of that layer contradict each other, even if they say the same.
fn strongest<T, const N: usize>(
    reader: &mut Reader<'_>,
    said: [Option<(T, Spot)>; N],
) -> Option<(T, Spot)> {
    let mut winner: Option<(T, Spot)> = None;
    for (value, spot) in said.into_iter().flatten() {
        match &winner {
            Some((_, best)) if best.place.strength() > spot.place.strength() => {}
            Some((_, best)) if best.place.strength() == spot.place.strength() => {
                let (first, second) = (best.clone(), spot);
                let later = if first.place > second.place { &first } else { &second };
                let other = if first.place > second.place { &second } else { &first };
                let why = format!("{} ({}) says this, too", other.path, other.place);
                reader.refuse(later, Complaint::advise(why, "keep only one of them"));
            }
            Some(_) | None => winner = Some((value, spot)),
        }
    }
    winner
}

fn warn_of_flag(reader: &mut Reader<'_>, spot: &Spot) {
    if matches!(spot.place, crate::Place::Flag(_)) {
        let text = "every user of this machine can read a password on the command line; \
                    better: mqtt.password_file";
        reader.warn(spot, text);
    }
}

/// The same of a file that opens our own door: one that every user of this machine can read opens it to all of them.
/// A group may read it: systemd's credentials and many an administrator give it to one.
pub(crate) fn read_private(path: &Path) -> Result<Secret, Complaint> {
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.is_file()
        && metadata.mode() & OTHERS != 0
    {
        let why = "every user of this machine can read or change the file, and so knows the secret";
        let advice = format!("type: chmod 600 {}", path.display());
        return Err(Complaint::advise(why, advice));
    }
    read_secret(path)
}

/// The only text of a file; a line end after it does not count.
pub(crate) fn read_secret(path: &Path) -> Result<Secret, Complaint> {
    let advice = "make it a file that holds the secret and nothing else, readable for this process";
    let complain = |why: String| Complaint::advise(why, advice);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| complain(format!("the file cannot be read: {error}")))?;
    if bytes.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(complain("the file is larger than any secret (65535 bytes)".to_owned()));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| complain("the file's text is not UTF-8".to_owned()))?;
    let word = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if word.is_empty() {
        return Err(complain("the file is empty".to_owned()));
    }
    if word.contains('\0') || word.len() > values::TEXT_BYTES_MAX {
        return Err(complain(
            "the file holds a NUL character, or more than 65535 bytes".to_owned(),
        ));
    }
    Ok(Secret::new(word))
}
