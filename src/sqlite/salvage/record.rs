//! The rows on one page, decoded by hand. A page that is not exactly what SQLite would write is taken
//! for damaged as a whole: what random bytes decode to must not become a measurement.

use super::field::SalvagedValue;
use super::pages::{Encoding, Pages, be16, be32};

const TABLE_LEAF: u8 = 0x0d;
const INDEX_LEAF: u8 = 0x0a;
const LEAF_HEADER_BYTES: usize = 8;
/// The smallest cell: two lengths, a record of one byte.
const CELL_BYTES_MIN: usize = 4;

/// A row as it lies on a page.
#[derive(Debug)]
pub(super) struct RawRow {
    pub(super) id: i64,
    /// `None`: its overflow pages are not what they should be.
    pub(super) fields: Option<Vec<SalvagedValue>>,
}

/// Where a cell has what.
struct Cell {
    id: i64,
    /// Of the whole record, in bytes.
    payload: usize,
    /// Where the part on this page begins and ends.
    local: std::ops::Range<usize>,
    /// One byte past the cell.
    end: usize,
}

/// How much of a record stays on its page: the format's rule, for tables and for indexes.
fn local_bytes(payload: usize, usable: usize, most: usize) -> usize {
    if payload <= most {
        return payload;
    }
    let least = (usable - 12) * 32 / 255 - 23;
    let rest = least + (payload - least) % (usable - 4);
    if rest <= most { rest } else { least }
}

/// Whether a page that is not the first looks like a leaf of a table.
pub(super) fn is_leaf(page: &[u8], usable: usize) -> bool {
    cells(page, 0, usable, TABLE_LEAF).is_some()
}

/// Whether a page is the root of a table without rows.
pub(super) fn is_empty_leaf(page: &[u8], number: u32) -> bool {
    let start = Pages::tree_start(number);
    page.get(start) == Some(&TABLE_LEAF) && be16(page, start + 3) == 0
}

/// The rows of a leaf of a table; `None` for any other page and for a damaged one.
pub(super) fn rows(pages: &Pages, number: u32, page: &[u8]) -> Option<Vec<RawRow>> {
    let cells = cells(page, Pages::tree_start(number), pages.usable, TABLE_LEAF)?;
    if !cells.windows(2).all(|pair| pair[0].id < pair[1].id) {
        return None;
    }
    let mut rows = Vec::with_capacity(cells.len());
    for cell in cells {
        let whole = cell.local.len() == cell.payload;
        let fields =
            payload(pages, page, &cell).and_then(|payload| decode(&payload, pages.encoding));
        if whole && fields.is_none() {
            return None;
        }
        rows.push(RawRow { id: cell.id, fields });
    }
    Some(rows)
}

/// The records of a leaf of an index, or of a table WITHOUT ROWID.
pub(super) fn keyed_rows(
    pages: &Pages,
    number: u32,
    page: &[u8],
) -> Option<Vec<Vec<SalvagedValue>>> {
    let cells = cells(page, Pages::tree_start(number), pages.usable, INDEX_LEAF)?;
    cells.iter().map(|cell| decode(&payload(pages, page, cell)?, pages.encoding)).collect()
}

/// The cells of a leaf of this kind, if header, pointers and lengths fit together.
fn cells(page: &[u8], start: usize, usable: usize, kind: u8) -> Option<Vec<Cell>> {
    if *page.get(start)? != kind {
        return None;
    }
    let count = be16(page, start + 3);
    let pointers = start + LEAF_HEADER_BYTES;
    let pointers_end = pointers + 2 * count;
    if count == 0 || pointers_end + CELL_BYTES_MIN * count > usable {
        return None;
    }
    let mut cells = Vec::with_capacity(count);
    let mut used = 0;
    for at in 0..count {
        let pointer = be16(page, pointers + 2 * at);
        if pointer < pointers_end {
            return None;
        }
        let cell = cell(page, pointer, usable, kind)?;
        used += cell.end - pointer;
        cells.push(cell);
    }
    (used <= usable - pointers_end).then_some(cells)
}

fn cell(page: &[u8], pointer: usize, usable: usize, kind: u8) -> Option<Cell> {
    let bytes = page.get(..usable)?;
    let (payload, mut at) = varint(bytes, pointer)?;
    let mut id = 0;
    let most = if kind == TABLE_LEAF {
        (id, at) = varint(bytes, at)?;
        usable - 35
    } else {
        (usable - 12) * 64 / 255 - 23
    };
    let payload = usize::try_from(payload).ok().filter(|payload| *payload > 0)?;
    let local = local_bytes(payload, usable, most);
    let overflow = if local < payload { 4 } else { 0 };
    let end = at.checked_add(local)?.checked_add(overflow).filter(|end| *end <= usable)?;
    Some(Cell { id, payload, local: at..at + local, end })
}

/// The whole record of a cell, with what lies on its overflow pages. The last of them must say that it
/// is the last.
fn payload(pages: &Pages, page: &[u8], cell: &Cell) -> Option<Vec<u8>> {
    let mut bytes = page.get(cell.local.clone())?.to_vec();
    if bytes.len() == cell.payload {
        return Some(bytes);
    }
    let room = u64::from(pages.count) * pages.usable as u64;
    if cell.payload as u64 > room {
        return None;
    }
    let mut next = be32(page, cell.local.end);
    while bytes.len() < cell.payload {
        let overflow = pages.read(next)?;
        let part = (cell.payload - bytes.len()).min(pages.usable - 4);
        bytes.extend_from_slice(overflow.get(4..4 + part)?);
        next = be32(&overflow, 0);
    }
    (next == 0).then_some(bytes)
}

/// The values of a record, if its parts fill it exactly.
fn decode(record: &[u8], encoding: Encoding) -> Option<Vec<SalvagedValue>> {
    let (header, mut at) = varint(record, 0)?;
    let header = usize::try_from(header).ok().filter(|header| *header <= record.len())?;
    let mut body = header;
    let mut fields = Vec::new();
    while at < header {
        let (kind, after) = varint(record, at)?;
        let size = size_of(kind)?;
        let bytes = record.get(body..body.checked_add(size)?)?;
        fields.push(value(kind, bytes, encoding));
        (at, body) = (after, body + size);
    }
    (at == header && body == record.len()).then_some(fields)
}

/// How many bytes a value of this serial type has; `None` for those that SQLite never stores.
fn size_of(kind: i64) -> Option<usize> {
    match kind {
        0 | 8 | 9 => Some(0),
        1..=4 => usize::try_from(kind).ok(),
        5 => Some(6),
        6 | 7 => Some(8),
        12.. => usize::try_from((kind - 12) / 2).ok(),
        _ => None,
    }
}

fn value(kind: i64, bytes: &[u8], encoding: Encoding) -> SalvagedValue {
    match kind {
        0 => SalvagedValue::Null,
        7 => SalvagedValue::Real(f64::from_bits(integer(bytes).cast_unsigned())),
        8 => SalvagedValue::Integer(0),
        9 => SalvagedValue::Integer(1),
        1..=6 => SalvagedValue::Integer(integer(bytes)),
        _ if kind % 2 == 0 => SalvagedValue::Blob(bytes.to_vec()),
        _ => SalvagedValue::Text(text(bytes, encoding)),
    }
}

/// Big-endian, in two's complement, of any length up to eight bytes.
fn integer(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

fn text(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|two| unit([two[0], two[1]]));
        let text: String =
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        text.into_bytes()
    };
    match encoding {
        Encoding::Utf8 => bytes.to_vec(),
        Encoding::Utf16Le => wide(u16::from_le_bytes),
        Encoding::Utf16Be => wide(u16::from_be_bytes),
    }
}

/// A number of one to nine bytes, and where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let mut number = 0_u64;
    for (index, byte) in bytes.get(at..)?.iter().take(9).enumerate() {
        if index == 8 {
            return Some(((number << 8 | u64::from(*byte)).cast_signed(), at + 9));
        }
        number = number << 7 | u64::from(*byte & 0x7f);
        if *byte < 0x80 {
            return Some((number.cast_signed(), at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{integer, local_bytes, varint};

    #[test]
    fn numbers_are_sqlites() {
        assert_eq!(varint(&[0x7f], 0), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0x00], 0), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9], 0), Some((-1, 9)));
        assert_eq!(varint(&[0xff; 8], 0), None);
        assert_eq!(varint(&[], 0), None);
        assert_eq!(integer(&[0xff]), -1);
        assert_eq!(integer(&[0x80, 0, 0]), -8_388_608);
        assert_eq!(integer(&[0x7f, 0xff]), 32767);
    }

    #[test]
    fn what_overflows_is_the_formats_rule() {
        // Of a page of 4096 bytes: up to 4061 stay; the least that stays of more is 489.
        assert_eq!(local_bytes(4061, 4096, 4061), 4061);
        assert_eq!(local_bytes(4062, 4096, 4061), 489);
        assert_eq!(local_bytes(4092 + 500, 4096, 4061), 500);
    }
}
