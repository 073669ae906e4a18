//! Which of the words occur in a statement that can do something in any place of it. Most statements
//! have none, and are not searched for what only these words can begin.

/// A set of such words. A word in it need not be a keyword there; one that is not in it occurs nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Words(u8);

impl Words {
    /// `SELECT ... INTO`.
    pub(super) const INTO: Self = Self(1);
    /// A CTE.
    pub(super) const WITH: Self = Self(1 << 1);
    /// `FOR UPDATE`.
    pub(super) const FOR: Self = Self(1 << 2);
    /// Can change the settings' view.
    pub(super) const UPDATE: Self = Self(1 << 3);
    /// Can change the settings' view.
    pub(super) const MERGE: Self = Self(1 << 4);
    /// INSERT or DELETE.
    pub(super) const OTHER_WRITE: Self = Self(1 << 5);
    /// Can call a function without its parentheses.
    pub(super) const TREAT: Self = Self(1 << 6);
    /// A further INTO.
    pub(super) const INTO_AGAIN: Self = Self(1 << 7);

    /// Both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Is any of `others` here?
    pub(super) const fn any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Adds a word, as it is spelled, if it is one of these.
    pub(super) fn add(&mut self, word: &[u8]) {
        let is = |keyword: &[u8]| word.eq_ignore_ascii_case(keyword);
        *self = self.and(match word.len() {
            3 if is(b"for") => Self::FOR,
            4 if is(b"into") && self.any(Self::INTO) => Self::INTO_AGAIN,
            4 if is(b"into") => Self::INTO,
            4 if is(b"with") => Self::WITH,
            5 if is(b"merge") => Self::MERGE,
            5 if is(b"treat") => Self::TREAT,
            6 if is(b"update") => Self::UPDATE,
            6 if is(b"insert") || is(b"delete") => Self::OTHER_WRITE,
            _ => return,
        });
    }
}
