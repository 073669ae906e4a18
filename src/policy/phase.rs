//! The two halves of a schema change that running code does not notice.

/// What a migration session was opened for, where its opener said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the release: the schema grows, and takes nothing from the code that still runs.
    Expand,
    /// After it: what no code needs any more is taken away.
    Contract,
}

impl Phase {
    /// Both, with their words.
    pub(crate) const WORDS: [(&'static str, Phase); 2] = [
        (Phase::Expand.id(), Phase::Expand),
        (Phase::Contract.id(), Phase::Contract),
    ];

    /// Both.
    pub const ALL: [Phase; 2] = [Phase::Expand, Phase::Contract];

    /// The word on the command line, on the console, in the registry and in test files.
    pub const fn id(self) -> &'static str {
        match self {
            Phase::Expand => "expand",
            Phase::Contract => "contract",
        }
    }

    /// The phase of a word, in upper or lower case.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|phase| id.eq_ignore_ascii_case(phase.id()))
    }
}
