//! What a column can take of a message besides its fields, how payloads are decoded, and words of routes.

use toml::de::DeValue;

use crate::declare::key::{Complaint, Key, Spec};
use crate::declare::nearest::nearest;
use crate::declare::text::quote;
use crate::declare::values::{Scalar, text};
use crate::word::words;

/// What a column takes of a message besides its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessagePart {
    /// The topic.
    Topic,
    /// The payload's bytes.
    Payload,
    /// The RETAIN flag.
    Retain,
    /// The quality of service of the delivery.
    Qos,
    /// The position, counted from 0, or the member name within the route's `rows`.
    Index,
    /// An MQTT 5 user property.
    Property(String),
}

/// Begins the name of a user property.
const PROPERTY: &str = "property:";

/// The words of the others.
const PARTS: [(&str, MessagePart); 5] = [
    ("topic", MessagePart::Topic),
    ("payload", MessagePart::Payload),
    ("retain", MessagePart::Retain),
    ("qos", MessagePart::Qos),
    ("index", MessagePart::Index),
];

impl MessagePart {
    /// As the settings file writes it.
    pub fn word(&self) -> String {
        match self {
            Self::Property(name) => format!("{PROPERTY}{name}"),
            Self::Topic | Self::Payload | Self::Retain | Self::Qos | Self::Index => {
                let word = PARTS.iter().find(|(_, part)| part == self).map(|(word, _)| *word);
                word.unwrap_or_default().to_owned()
            }
        }
    }
}

impl Scalar for MessagePart {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        let word = text(value, key)?;
        if let Some(name) = word.strip_prefix(PROPERTY).filter(|name| !name.is_empty()) {
            return Ok(Self::Property(name.to_owned()));
        }
        if let Some((_, part)) = PARTS.into_iter().find(|(known, _)| *known == word) {
            return Ok(part);
        }
        let near = nearest(&word, PARTS.iter().map(|(word, _)| *word)).unwrap_or("topic");
        let why =
            "expected \"topic\", \"payload\", \"retain\", \"qos\", \"index\" or \"property:NAME\"";
        Err(Complaint::write(why, quote(near)))
    }

    fn print(&self, _spec: &Spec) -> String {
        quote(&self.word())
    }
}

words! {
    /// How a payload is decoded.
    pub enum PayloadFormat, as_str {
        /// JSON.
        Json = "json",
        /// The whole text is one value.
        Text = "text",
        /// Names and values: `temp=21.5 hum=40`.
        Keyvalue = "keyvalue",
        /// RFC 4180.
        Csv = "csv",
        /// Nothing is decoded.
        Bytes = "bytes",
    }
}

words! {
    /// What becomes of messages from before the subscription.
    pub enum Retained, as_str {
        /// They are recorded, each once.
        Record = "record",
        /// They are filtered.
        Ignore = "ignore",
    }
}

words! {
    /// What separates the fraction of a number.
    pub enum DecimalMark, as_str {
        /// `21.5`
        Point = ".",
        /// `21,5`
        Comma = ",",
    }
}
