//! Plain text that fits 80 columns, and payloads as text.

/// Columns of a terminal by default.
pub(crate) const WIDTH: usize = 80;

/// Breaks a text into lines that fit, each behind `indent` blanks. A word that is too long for a line
/// stands alone.
pub(crate) fn wrapped(text: &str, indent: usize) -> String {
    wrapped_at(text, indent, WIDTH)
}

/// The same for another width.
pub(crate) fn wrapped_at(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let length = lines.last().map_or(0, |line| line.chars().count());
        if length > 0 && length + 1 + word.chars().count() > room {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let indent = " ".repeat(indent);
    lines.iter().map(|line| format!("{indent}{line}\n")).collect()
}

/// A table: the first column to the left, the others to the right. Where it would be too wide, the
/// first column stands on a line of its own.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let numbers: usize = widths.iter().skip(1).map(|width| width + 2).sum();
    let beside = widths.first().copied().unwrap_or(0) + numbers <= WIDTH;
    let mut text = String::new();
    for row in rows {
        let mut cells = row.iter().zip(&widths);
        let Some((name, width)) = cells.next() else { continue };
        let mut line = if beside { format!("{name:<width$}") } else { format!("{name}\n") };
        cells.for_each(|(cell, width)| line += &format!("  {cell:>width$}"));
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The beginning of some bytes on one line: whatever they hold, it moves no cursor and rings no bell.
pub(crate) fn glimpse(bytes: &[u8], chars_max: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    let mut count = 0;
    for c in text.chars() {
        let escaped: String = if c.is_control() || is_disguise(c) || c == '\\' {
            c.escape_default().collect()
        } else {
            c.to_string()
        };
        count += escaped.chars().count();
        if count > chars_max {
            shown.push('…');
            break;
        }
        shown += &escaped;
    }
    shown
}

/// A text of many lines, safe to print: everything but line feeds is escaped as in [`glimpse`].
pub(crate) fn safe_lines(text: &str) -> String {
    text.lines().map(|line| glimpse(line.as_bytes(), usize::MAX) + "\n").collect()
}

/// Characters that change the direction of what follows, or have no width.
fn is_disguise(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Sixteen bytes a line, as numbers and as text.
pub(crate) fn hex_dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (number, line) in bytes.chunks(16).enumerate() {
        let hex: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        let plain = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        let ascii: String = line.iter().map(plain).collect();
        text += &format!("{:08x}  {hex:<48} {ascii}\n", number * 16);
    }
    text
}

/// Base64 (RFC 4648), padded.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) & 63;
            let is_padding = digit > group.len();
            text.push(if is_padding { '=' } else { char::from(DIGITS[index as usize]) });
        }
    }
    text
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(n: i64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_no_word() {
        let text = "what is wrong, since when, what is safe, what to do ".repeat(9);
        let lines = wrapped(&text, 4);
        assert!(lines.lines().all(|line| line.len() <= WIDTH && line.starts_with("    ")));
        assert_eq!(lines.split_whitespace().count(), text.split_whitespace().count());
    }

    #[test]
    fn a_table_that_is_too_wide_gives_the_first_column_its_own_line() {
        let row = |name: &str, number: &str| vec![name.to_owned(), number.to_owned()];
        assert_eq!(table(&[row("a", "1"), row("bc", "20")]), "a    1\nbc  20\n");
        let wide = "w".repeat(WIDTH);
        assert_eq!(table(&[row(&wide, "1"), row("b", "20")]), format!("{wide}\n   1\nb\n  20\n"));
    }

    #[test]
    fn no_payload_reaches_the_terminal_raw() {
        assert_eq!(glimpse(b"a\x1b[2J\n\\", 80), r"a\u{1b}[2J\n\\");
        assert_eq!(glimpse("\u{202e}x°C".as_bytes(), 80), r"\u{202e}x°C");
        assert_eq!(glimpse(&[b'x'; 50], 10), "xxxxxxxxxx…");
        assert_eq!(safe_lines("a\r\nb\x07\n"), "a\nb\\u{7}\n");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xff, 0xfe, 0xfd]), "//79");
    }

    #[test]
    fn a_dump_shows_numbers_and_text() {
        let dump = hex_dump(b"\x00temperature: 21.5");
        assert!(dump.starts_with("00000000  00 74 65 6d"), "{dump}");
        assert!(dump.lines().all(|line| line.len() <= WIDTH) && dump.contains(".temperature: 21"));
    }
}
