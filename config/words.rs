//! The words of the file for our enums, said once: reading, printing and suggesting use the same list.

use crate::alert::{AlertSeverity, ChannelKind, EmailTls};
use crate::settings::{Format, Kind, Level, OnBad, Protocol, Qos, Synchronous};

/// An enum that the file writes as one word.
pub(crate) trait Word: Copy + 'static {
    /// Every variant, in the order a message lists them.
    const ALL: &'static [Self];

    /// The word of this variant.
    fn word(self) -> &'static str;
}

/// Generates the list and both directions from one table; the `match` inside makes a new variant demand its word.
macro_rules! words {
    ($vis:vis $type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word the settings file uses.
            $vis fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Word for $type {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn word(self) -> &'static str {
                self.as_str()
            }
        }
    };
}

words!(pub Protocol { V311 = "3.1.1", V5 = "5" });
words!(pub Synchronous { Full = "full", Normal = "normal" });
words!(pub Level { Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace" });
words!(pub Format { Text = "text", Json = "json" });
words!(pub Kind {
    Integer = "integer",
    Real = "real",
    Text = "text",
    Boolean = "boolean",
    Json = "json"
});
words!(pub AlertSeverity { Warning = "warning", Critical = "critical" });
words!(pub(crate) ChannelKind {
    Webhook = "webhook",
    Slack = "slack",
    Discord = "discord",
    Ntfy = "ntfy",
    Telegram = "telegram",
    Email = "email",
    Mqtt = "mqtt",
    Command = "command"
});
words!(pub EmailTls { StartTls = "starttls", Tls = "tls", None = "none" });
words!(pub OnBad { Quarantine = "quarantine", Null = "null" });

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
