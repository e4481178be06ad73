use proptest::prelude::*;

use super::*;

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    let mask = [7, 1, 200, 90];
    bytes.extend_from_slice(&mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn all_of(bytes: &[u8]) -> Result<Vec<ClientFrame>, CloseReason> {
    let mut reader = FrameReader::default();
    reader.bytes.extend_from_slice(bytes);
    let mut said = Vec::new();
    while let Some(next) = reader.next()? {
        said.push(next);
    }
    Ok(said)
}

#[test]
fn messages_are_understood_whole_and_in_fragments() {
    let bytes = [
        frame(0x81, b"whole"),
        frame(0x01, b"in "),
        frame(0x89, b"between"),
        frame(0x00, b"three "),
        frame(0x80, "pïeces".as_bytes()),
        frame(0x8a, b""),
        frame(0x81, &[b'x'; MESSAGE_LEN_MAX]),
        frame(0x88, b"\x03\xe8done"),
    ]
    .concat();
    let expected = vec![
        ClientFrame::Text,
        ClientFrame::Fragment,
        ClientFrame::Ping(b"between".to_vec()),
        ClientFrame::Fragment,
        ClientFrame::Text,
        ClientFrame::Pong,
        ClientFrame::Text,
        ClientFrame::Close(CloseReason::new(1000, "")),
    ];
    assert_eq!(all_of(&bytes), Ok(expected.clone()));
    let mut reader = FrameReader::default();
    let mut said = Vec::new();
    for byte in bytes {
        reader.bytes.extend_from_slice(&[byte]);
        said.extend(reader.next().unwrap());
    }
    assert_eq!(said, expected, "however it comes");
}

#[test]
fn what_is_no_message_earns_its_goodbye_as_soon_as_it_is_declared() {
    let declared = |first: u8, len: u64| [&[first, 0xff][..], &len.to_be_bytes(), &[0; 4]].concat();
    let table: [(&str, Vec<u8>, u16); 16] = [
        ("too long, and only declared", declared(0x81, 4097), TOO_BIG),
        ("2^62 bytes", declared(0x81, 1 << 62), TOO_BIG),
        ("2^64 - 1 bytes", declared(0x81, u64::MAX), TOO_BIG),
        ("fragments", [frame(1, &[b'x'; 4000]), declared(0, 97)].concat(), TOO_BIG),
        ("binary", frame(0x82, b"x"), UNSUPPORTED),
        ("text that is none", frame(0x81, b"\xff\xfe"), BAD_DATA),
        ("reserved bits", frame(0xc1, b""), PROTOCOL),
        ("no mask", vec![0x81, 0x00], PROTOCOL),
        ("no such kind", frame(0x83, b""), PROTOCOL),
        ("a fragment of nothing", frame(0x80, b""), PROTOCOL),
        ("one within another", [frame(1, b"a"), frame(1, b"b")].concat(), PROTOCOL),
        ("a ping in fragments", frame(0x09, b""), PROTOCOL),
        ("a long ping", declared(0x89, 126), PROTOCOL),
        ("half a code", frame(0x88, b"\x03"), PROTOCOL),
        ("a code of nobody's", frame(0x88, b"\x03\xed"), PROTOCOL),
        ("a reason that is no text", frame(0x88, b"\x03\xe8\xff"), BAD_DATA),
    ];
    for (what, bytes, code) in table {
        assert_eq!(all_of(&bytes).map_err(|goodbye| goodbye.code), Err(code), "{what}");
    }
}

proptest! {
    /// Whatever comes, in whatever pieces: no panic, and no more is kept than a message and its head.
    #[test]
    fn nothing_is_kept_beyond_the_longest_message(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..40),
    ) {
        let mut reader = FrameReader::default();
        'pieces: for piece in pieces {
            reader.bytes.extend_from_slice(&piece);
            loop {
                match reader.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'pieces,
                }
            }
            prop_assert!(reader.bytes.len() <= MESSAGE_LEN_MAX + 14);
            prop_assert!(reader.message.as_ref().map_or(0, Vec::len) <= MESSAGE_LEN_MAX);
        }
    }
}
