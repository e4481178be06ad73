//! MQTT: one session over one connection, for two protocol versions.
//!
//! The packets are rumqttc's (its codecs for 3.1.1 and 5); the session is ours, because it is what
//! Barograph exists for. rumqttc's event loop was measured against the promise and does not fit it:
//! it keeps state across connections (a late acknowledgement goes out on the *next* one), calls a
//! QoS 2 release of an earlier connection an error for ever, sends and flushes each acknowledgement
//! alone, has no timeout on a flush with MQTT 5, and treats an oversized packet as fatal, again and
//! again. Here a session is born with its connection and dies with it, an acknowledgement is bytes
//! in its buffer, and an oversized packet is skipped with its first bytes kept.
//!
//! `broker` connects, `stream` is TCP or TLS, `session` speaks, `packet` is what both versions say
//! in one vocabulary, `v4` and `v5` are the thin adapters, `outgoing` numbers what we send,
//! `oversized` skips.

mod broker;
mod outgoing;
mod oversized;
mod packet;
mod session;
mod stream;
mod v4;
mod v5;

pub use broker::{MqttBroker, ProbedBroker};
pub use session::MqttSession;
