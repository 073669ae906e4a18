//! Tokens.

/// What a token is. Spelling and case stay in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An unquoted identifier or keyword.
    Word,
    /// `"..."`
    Quoted,
    /// `U&"..."`, with its UESCAPE.
    UnicodeQuoted,
    /// `'...'`
    String,
    /// `N'...'`: to PostgreSQL a `bpchar`, which loses its blanks at the end where it becomes text.
    NationalString,
    /// `E'...'`
    EscapeString,
    /// `U&'...'`, with its UESCAPE.
    UnicodeString,
    /// `$tag$...$tag$`
    DollarString,
    /// `B'...'`, `X'...'`
    Bits,
    Number,
    /// `$1`
    Parameter,
    Operator,
    Open,
    Close,
    Comma,
    Dot,
    Semicolon,
    /// Brackets, `:`, `::`, `:=`, `..` and bytes that no token can start with.
    Other,
}

impl Kind {
    /// Can it be the name of something?
    pub(super) fn is_name(self) -> bool {
        matches!(self, Kind::Word | Kind::Quoted | Kind::UnicodeQuoted)
    }

    /// A string constant whose value is text as it is written.
    pub(super) fn is_string(self) -> bool {
        matches!(
            self,
            Kind::String | Kind::EscapeString | Kind::UnicodeString | Kind::DollarString
        )
    }

    /// A constant or parameter: what a fingerprint leaves out.
    pub(super) fn is_value(self) -> bool {
        let other = matches!(
            self,
            Kind::NationalString | Kind::Bits | Kind::Number | Kind::Parameter
        );
        self.is_string() || other
    }
}

/// A token: `text[start..end]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The escape character of a `U&` token.
    pub(super) escape: u8,
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Token {
    /// Bytes.
    pub(super) fn length(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Its bytes.
    pub(super) fn of<'a>(&self, text: &'a [u8]) -> &'a [u8] {
        &text[self.start as usize..self.end as usize]
    }
}

/// The escape character of a `U&` token when it cannot be told: no text holds it.
pub(super) const UNKNOWN_ESCAPE: u8 = 0;
