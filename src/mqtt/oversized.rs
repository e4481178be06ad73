//! A packet larger than is taken in: its head and first bytes are kept, the rest is read and
//! forgotten, so that it neither fills the memory nor stops the session. (An error would bring it
//! again at each reconnect, for ever; announcing a limit would make the broker drop it without a
//! word.)

use barograph_actors::mqtt::decode::OVERSIZED_KEPT_BYTES;
use barograph_config::Qos;
use bytes::{Buf, Bytes, BytesMut};

use super::packet::{MalformedPacket, Publish};

/// Bytes that a PUBLISH may have before its payload, of which we can make sense: topic (2 +
/// 65,535), packet id, and properties of that order.
const HEAD_MAX: usize = 256 * 1024;

/// A packet being skipped.
#[derive(Debug)]
pub(super) struct Oversized {
    first_byte: u8,
    /// Bytes after the fixed header that have not come yet.
    missing: usize,
    /// Size of the whole packet.
    packet_size: u64,
    /// Bytes after the fixed header, as many as are kept.
    kept: BytesMut,
}

impl Oversized {
    /// Starts to skip the packet that `input` begins with.
    pub(super) fn begin(input: &mut BytesMut, header: usize, length: usize) -> Self {
        let first_byte = input[0];
        input.advance(header);
        let packet_size = (header + length) as u64;
        Self { first_byte, missing: length, packet_size, kept: BytesMut::new() }
    }

    /// Takes what has come of it; true when it is complete.
    pub(super) fn take(&mut self, input: &mut BytesMut) -> bool {
        let come = self.missing.min(input.len());
        let room = (HEAD_MAX + OVERSIZED_KEPT_BYTES).saturating_sub(self.kept.len()).min(come);
        self.kept.extend_from_slice(&input[..room]);
        input.advance(come);
        self.missing -= come;
        self.missing == 0
    }

    /// The message with its first bytes, the size of its payload, and the size of the packet; an
    /// error where it is no PUBLISH that can be read.
    pub(super) fn finish(
        self,
        has_properties: bool,
    ) -> Result<(Publish, u64, u64), MalformedPacket> {
        let kind = self.first_byte >> 4;
        if kind != 3 {
            return Err(MalformedPacket::TooLarge { kind, size: self.packet_size });
        }
        let after_header = self.packet_size - fixed_header_size(self.packet_size);
        let mut rest = self.kept.freeze();
        let whole = rest.len();
        let topic_len = usize::from(rest.try_get_u16().map_err(|_| MalformedPacket::Head)?);
        let topic = split(&mut rest, topic_len).ok_or(MalformedPacket::Head)?;
        let topic = String::from_utf8(topic.to_vec()).map_err(|_| MalformedPacket::Head)?;
        let qos = match (self.first_byte >> 1) & 3 {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            2 => Qos::ExactlyOnce,
            _ => return Err(MalformedPacket::Qos),
        };
        let packet_id = match qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce | Qos::ExactlyOnce => {
                rest.try_get_u16().map_err(|_| MalformedPacket::Head)?
            }
        };
        if has_properties {
            let length = varint(&mut rest).ok_or(MalformedPacket::Head)?;
            split(&mut rest, length).ok_or(MalformedPacket::Head)?;
        }
        let payload_size = after_header - (whole - rest.len()) as u64;
        let payload = rest.slice(..rest.len().min(OVERSIZED_KEPT_BYTES));
        let (retain, dup) = (self.first_byte & 1 == 1, self.first_byte & 8 == 8);
        Ok((
            Publish {
                topic,
                payload,
                qos,
                retain,
                dup,
                packet_id,
                properties: Vec::new(),
                subscription: None,
            },
            payload_size,
            self.packet_size,
        ))
    }
}

/// An oversized packet always has a length of three or four bytes, or it would not be oversized;
/// derived again rather than carried along.
fn fixed_header_size(packet_size: u64) -> u64 {
    match packet_size {
        0..=129 => 2,
        130..=16_386 => 3,
        16_387..=2_097_155 => 4,
        _ => 5,
    }
}

fn split(bytes: &mut Bytes, length: usize) -> Option<Bytes> {
    (bytes.len() >= length).then(|| bytes.split_to(length))
}

fn varint(bytes: &mut Bytes) -> Option<usize> {
    let mut value = 0;
    for index in 0..4 {
        let byte = bytes.try_get_u8().ok()?;
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::packet::frame;

    fn skip(
        bytes: &[u8],
        piece: usize,
        has_properties: bool,
    ) -> Result<(Publish, u64, u64), MalformedPacket> {
        let (header, length) = frame(bytes).expect("a frame").expect("a whole header");
        let mut input = BytesMut::from(&bytes[..header]);
        let mut oversized = Oversized::begin(&mut input, header, length);
        let mut done = length == 0;
        for piece in bytes[header..].chunks(piece) {
            done = oversized.take(&mut BytesMut::from(piece));
        }
        assert!(done);
        oversized.finish(has_properties)
    }

    #[test]
    fn it_keeps_topic_packet_id_first_bytes_and_size_whatever_the_pieces() {
        let publish = rumqttc::mqttbytes::v4::Publish {
            dup: true,
            qos: rumqttc::QoS::AtLeastOnce,
            retain: false,
            topic: "a/b".into(),
            pkid: 77,
            payload: Bytes::from(vec![b'x'; 3_000_000]),
        };
        let mut bytes = BytesMut::new();
        publish.write(&mut bytes).expect("it can be written");
        for piece in [1000, 65_536, 5_000_000] {
            let (p, payload_size, packet_size) =
                skip(&bytes, piece, false).expect("it can be read");
            assert_eq!((p.topic.as_str(), p.packet_id, p.dup, p.retain), ("a/b", 77, true, false));
            assert_eq!((p.payload.len(), payload_size), (OVERSIZED_KEPT_BYTES, 3_000_000));
            assert_eq!(packet_size, bytes.len() as u64);
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        assert!(skip(&[0x90, 0x03, 0, 1, 0], 10, false).is_err());
        assert!(skip(&[0x30, 0x01, 0], 10, false).is_err());
    }
}
