//! MQTT's quality of service.

use toml::de::DeValue;

use crate::declare::key::{Complaint, Key, Spec};
use crate::declare::values::{Scalar, unexpected};

/// MQTT quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// At most once.
    AtMostOnce = 0,
    /// At least once (exactly once in the database).
    AtLeastOnce = 1,
    /// Exactly once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The number MQTT and the settings file use: 0, 1 or 2.
    pub fn number(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }

    /// The quality of service with this number, if there is one.
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

impl Scalar for Qos {
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, Complaint> {
        Self::from_number(u16::read(value, key)?.into()).ok_or_else(|| unexpected(value, key))
    }

    fn print(&self, _spec: &Spec) -> String {
        self.number().to_string()
    }
}
