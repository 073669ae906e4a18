//! What goes out for one run of input: usually the very same bytes, written from where they were
//! read. Only when something is inserted or left out is a copy made.

use std::ops::Range;

/// The output for one run of input.
#[derive(Debug)]
pub struct Splice<'a> {
    input: &'a [u8],
    /// While nothing was inserted or left out: the run of `input` to carry.
    verbatim: Range<usize>,
    /// The copy, once one was needed. Scratch memory of the worker.
    copy: &'a mut Vec<u8>,
    copied: bool,
}

impl<'a> Splice<'a> {
    /// An empty output for `input`; `scratch` is cleared and used when a copy is needed.
    pub fn new(input: &'a [u8], scratch: &'a mut Vec<u8>) -> Self {
        scratch.clear();
        Self {
            input,
            verbatim: 0..0,
            copy: scratch,
            copied: false,
        }
    }

    /// Carries a range of the input.
    #[inline]
    pub fn keep(&mut self, range: Range<usize>) {
        if self.copied {
            self.copy.extend_from_slice(&self.input[range]);
        } else if self.verbatim.is_empty() {
            self.verbatim = range;
        } else if range.start == self.verbatim.end {
            self.verbatim.end = range.end;
        } else {
            let input = self.input;
            self.insert().extend_from_slice(&input[range]);
        }
    }

    /// Where bytes that are not in the input are appended.
    pub fn insert(&mut self) -> &mut Vec<u8> {
        if !self.copied {
            self.copied = true;
            self.copy
                .extend_from_slice(&self.input[self.verbatim.clone()]);
        }
        self.copy
    }

    /// How much there is to write so far, bytes, where it is no longer the very input.
    pub fn copied(&self) -> usize {
        self.copy.len()
    }

    /// The bytes to write.
    pub fn finish(self) -> &'a [u8] {
        if self.copied {
            self.copy
        } else {
            &self.input[self.verbatim]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_run_is_not_copied() {
        let (input, mut scratch) = (*b"abcdef", Vec::new());
        let mut out = Splice::new(&input, &mut scratch);
        out.keep(1..3);
        out.keep(3..5);
        let written = out.finish();
        assert_eq!(written, b"bcde");
        assert_eq!(written.as_ptr(), input[1..].as_ptr());
    }

    #[test]
    fn insertions_and_gaps_keep_the_order() {
        let (input, mut scratch) = (*b"abcdef", b"left over".to_vec());
        let mut out = Splice::new(&input, &mut scratch);
        out.keep(0..2);
        out.insert().extend_from_slice(b"XY");
        out.keep(2..3);
        out.keep(5..6);
        assert_eq!(out.finish(), b"abXYcf");
        let mut out = Splice::new(&input, &mut scratch);
        out.keep(0..1);
        out.keep(4..5);
        assert_eq!(out.finish(), b"ae");
        assert_eq!(Splice::new(&input, &mut scratch).finish(), b"");
    }
}
