//! Characters of a file -> line and column.

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines {
    /// In characters, from 0; ascending, the first is 0.
    starts: Vec<usize>,
    /// The same in bytes.
    bytes: Vec<usize>,
}

impl Lines {
    /// One pass over the text.
    pub fn of(text: &str) -> Self {
        let ends = text
            .char_indices()
            .enumerate()
            .filter(|(_, (_, c))| *c == '\n');
        let (mut starts, mut bytes) = (vec![0], vec![0]);
        for (at, (byte, _)) in ends {
            starts.push(at + 1);
            bytes.push(byte + 1);
        }
        Self { starts, bytes }
    }

    /// The text from a line (from 1) on; `text`: the one that [`Self::of`] was given.
    pub fn from<'t>(&self, text: &'t str, line: usize) -> &'t str {
        let start = self.bytes.get(line.saturating_sub(1));
        start.and_then(|start| text.get(*start..)).unwrap_or("")
    }

    /// Line and column, both from 1, of a position in characters from 1; of 0: the beginning.
    pub fn place(&self, position: usize) -> (usize, usize) {
        let at = position.saturating_sub(1);
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts.get(line.saturating_sub(1)).copied();
        (line, at - start.unwrap_or(0) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let lines = Lines::of("é\r\nab\n\nc");
        let places = [0, 1, 3, 4, 5, 6, 7, 8, 9];
        let expected = [
            (1, 1),
            (1, 1),
            (1, 3),
            (2, 1),
            (2, 2),
            (2, 3),
            (3, 1),
            (4, 1),
            (4, 2),
        ];
        assert_eq!(places.map(|position| lines.place(position)), expected);
        assert_eq!(Lines::of("").place(0), (1, 1));
        let text = "é\r\nab\n\nc";
        assert_eq!(
            [1, 2, 4, 9].map(|line| lines.from(text, line)),
            [text, "ab\n\nc", "c", ""]
        );
    }
}
