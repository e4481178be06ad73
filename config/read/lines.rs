//! From a byte offset of the file to the line and column a person's editor shows.

/// The file's text and where its lines begin.
pub(crate) struct Lines<'a> {
    text: &'a str,
    /// Byte offset of the first character of each line; never empty.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    /// Finds the lines of a text.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { text, starts }
    }

    /// Line and column of a byte offset, both from 1; the column counts characters, and a byte order mark is none.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().filter(|c| *c != '\u{feff}').count() + 1)
    }

    /// The text between two offsets; empty where they do not lie between characters.
    pub(crate) fn slice(&self, span: std::ops::Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn columns_count_characters_and_lines_end_at_newlines() {
        let lines = Lines::of("a = \"°C\" x\r\nb = 1\n");
        assert_eq!(lines.position(0), (1, 1));
        let x = "a = \"°C\" ".len();
        assert_eq!(lines.position(x), (1, 10));
        assert_eq!(lines.position(x + 3), (2, 1));
        assert_eq!(lines.position(1000), (3, 1), "the end of a text is a place too");
    }

    #[test]
    fn byte_order_mark_takes_no_column() {
        assert_eq!(Lines::of("\u{feff}a").position(3), (1, 1));
        assert_eq!(Lines::of("").position(0), (1, 1));
    }
}
