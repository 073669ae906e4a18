//! Which answer a message that was sent will get.

/// The answer that one sent message will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// ParseComplete; the head of `parses` becomes known then.
    Parse,
    /// ParseComplete of a Parse of ours that says again what the client has parsed before.
    OwnParse,
    /// CloseComplete ahead of it, of what had its name before.
    OwnClose,
    /// The same answers to a Describe of ours.
    OwnDescribe,
    /// ParseComplete again, under the client's name, for a pool that follows it; the head of `parses` becomes
    /// known then.
    FollowedParse,
    /// BindComplete; the head of `binds` becomes known then.
    Bind,
    /// RowDescription or NoData; of a statement, ParameterDescription before that. The head of
    /// `described` is what is described.
    Describe,
    /// CommandComplete, EmptyQueryResponse or PortalSuspended.
    Execute,
    /// The same, of a statement that changes the client's parameters.
    NotedExecute,
    /// CloseComplete; the head of `closes` becomes unknown then.
    Close,
    /// CommandComplete of what was sent for a DEALLOCATE; the head of `changes` becomes known then.
    Deallocate,
    /// The same of a Query, and ReadyForQuery.
    DeallocatingQuery,
    /// ReadyForQuery.
    Sync,
    /// Anything up to ReadyForQuery.
    Query,
    /// FunctionCallResponse or an error, and ReadyForQuery.
    Call,
    /// A Query behind [`crate::zone::QUERY_GUARD`]: the guard's RowDescription is to be swallowed.
    GuardedRow,
    /// The guard's CommandComplete is to be swallowed.
    GuardedTag,
    /// The guard is swallowed; positions are still too large by its length.
    Guarded,
    /// A message that was replaced by Execute of a portal that cannot exist: its error becomes the refusal.
    Refused,
    /// The same, of a Query or of a Parse of the unnamed statement, which drop the one before it.
    RefusedUnnamed,
    /// Execute of a portal that cannot exist, so that a transaction fails: an error that nobody sees.
    Abort,
    /// The zone prefix: CloseComplete.
    PrefixClose,
    /// ParseComplete.
    PrefixParse,
    /// BindComplete.
    PrefixBind,
    /// CommandComplete.
    PrefixExecute,
    /// CloseComplete.
    PrefixEnd,
    /// Removal of a failed prefix's name: CloseComplete.
    CleanupClose,
    /// ReadyForQuery.
    CleanupSync,
    /// A Query whose answers are counted: those to a statement of the client's.
    Planned,
    /// Those to a statement of ours, to be swallowed.
    PlannedOwn,
    /// The question what a parameter is: CloseComplete.
    ReadingClose,
    /// ParseComplete.
    ReadingParse,
    /// BindComplete.
    ReadingBind,
    /// DataRow, CommandComplete.
    ReadingExecute,
    /// CloseComplete, of the portal and of the statement.
    ReadingEnd,
    /// Everything up to ReadyForQuery: whether the pool follows names, which no client asked for.
    Question,
}

/// The five answers to a whole zone prefix.
pub(super) const PREFIX: [Expected; 5] = [
    Expected::PrefixClose,
    Expected::PrefixParse,
    Expected::PrefixBind,
    Expected::PrefixExecute,
    Expected::PrefixEnd,
];

/// The answers to the question what a parameter is.
pub(super) const READING: [Expected; 6] = [
    Expected::ReadingClose,
    Expected::ReadingParse,
    Expected::ReadingBind,
    Expected::ReadingExecute,
    Expected::ReadingEnd,
    Expected::ReadingEnd,
];

impl Expected {
    /// Does ReadyForQuery answer it?
    pub fn ends_batch(self) -> bool {
        matches!(
            self,
            Self::Sync | Self::Call | Self::CleanupSync | Self::Question
        ) || self.is_query()
    }

    /// A simple Query in any stage?
    pub fn is_query(self) -> bool {
        matches!(
            self,
            Self::Query
                | Self::GuardedRow
                | Self::GuardedTag
                | Self::Guarded
                | Self::DeallocatingQuery
        ) || self.is_planned()
    }

    /// A Query whose answers are counted, in any stage?
    pub fn is_planned(self) -> bool {
        matches!(self, Self::Planned | Self::PlannedOwn)
    }

    /// Between us and the pool, with no client's message before it?
    pub fn is_about_pool(self) -> bool {
        matches!(
            self,
            Self::Question | Self::CleanupClose | Self::CleanupSync
        )
    }

    /// Part of the question what a parameter is?
    pub fn is_reading(self) -> bool {
        READING.contains(&self)
    }

    /// Something of ours, of which the client knows nothing?
    pub fn is_unknown(self) -> bool {
        let cleans = matches!(self, Self::CleanupClose | Self::CleanupSync);
        self.is_prefix() || self.is_reading() || cleans || self == Self::Question
    }

    /// Part of the zone prefix?
    pub fn is_prefix(self) -> bool {
        PREFIX.contains(&self)
    }
}
