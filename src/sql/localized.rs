//! Statements in the form that leaves nothing behind on a connection that is handed on: what sets
//! parameters for the session, set for the transaction; DEALLOCATE of a name that the server does not
//! know. What has to change in the text.

use super::scan;
use super::settings;
use super::view::View;
use super::{Class, ClassSet, ParameterTouch, ParameterUse, Statement};

/// One change of the text: where, in bytes from the start of the message's text, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The byte where it begins.
    pub at: u32,
    /// What is changed there.
    pub kind: EditKind,
}

/// What is changed. Only the first moves what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditKind {
    /// `SET x` becomes `SET LOCAL x`: the word is inserted.
    Insert,
    /// `SET SESSION x` becomes `SET LOCAL   x`.
    Session,
    /// `set_config(n, v, false)` becomes `set_config(n, v, true )`.
    False,
    /// `DEALLOCATE s` becomes `UNLISTEN   s`.
    Deallocate,
    /// `PREPARE` behind it goes.
    Prepare,
}

impl EditKind {
    /// What is put there.
    pub fn text(self) -> &'static [u8] {
        match self {
            Self::Insert => b"LOCAL ",
            Self::Session => b"LOCAL  ",
            Self::False => b"true ",
            Self::Deallocate => b"UNLISTEN  ",
            Self::Prepare => b"       ",
        }
    }

    /// How many bytes of the text it takes the place of.
    pub fn replaces(self) -> usize {
        match self {
            Self::Insert => 0,
            _ => self.text().len(),
        }
    }
}

/// How a statement that sets parameters for the session is turned into its transaction-local form; one
/// that resets them stays as it is. Or DEALLOCATE, see `deallocates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Localized {
    /// What changes in the text, in order.
    pub edits: Box<[Edit]>,
    /// Where its last token ends: bytes from the start of the message's text.
    pub end: u32,
    /// By `set_config`: the call may not be reached, and the parameter need not be known to the server.
    pub by_query: bool,
    /// It is no parameter that is set: DEALLOCATE of this name, as PostgreSQL compares it.
    pub deallocates: Option<Box<str>>,
}

/// DEALLOCATE of one name becomes UNLISTEN of it, which is as quiet and fails in the same transactions;
/// where nobody can listen it does nothing. None where the name cannot be read.
fn of_deallocate(view: View<'_>, end: u32) -> Option<Box<Localized>> {
    let prepare = usize::from(view.is(1, "prepare") && view.tokens.len() > 2);
    let name = view.name(1 + prepare)?.into_boxed_str();
    let kinds = [EditKind::Deallocate, EditKind::Prepare];
    let edit = |(at, kind): (usize, EditKind)| Edit {
        at: view.tokens[at].start,
        kind,
    };
    let edits = kinds.into_iter().enumerate().take(1 + prepare).map(edit);
    Some(Box::new(Localized {
        edits: edits.collect(),
        end,
        by_query: false,
        deallocates: Some(name),
    }))
}

/// Statements in which a call of `set_config` is made when they run, and at no other time.
const QUERIES: ClassSet = ClassSet::of(Class::Read)
    .with(Class::Write)
    .with(Class::CopyOut);

/// The local form; none where nothing is set for the session, or where that cannot be told from the
/// text: a third argument of `set_config` other than the word `false`, a statement that only holds
/// the call for later.
pub(super) fn of(view: View<'_>, statement: &Statement) -> Option<Box<Localized>> {
    let for_session = |touch: &&ParameterTouch| touch.how == ParameterUse::Session;
    let count = statement.parameters.iter().filter(for_session).count();
    let end = view.tokens.last()?.end;
    if statement.tag == "DEALLOCATE" {
        return of_deallocate(view, end);
    }
    if count == 0 {
        let resets = view.is(0, "reset") || view.is(0, "set");
        let reset = |touch: &ParameterTouch| touch.how == ParameterUse::Reset;
        return (resets && statement.parameters.iter().any(reset)).then(|| {
            Box::new(Localized {
                edits: Box::default(),
                end,
                by_query: false,
                deallocates: None,
            })
        });
    }
    if view.is(0, "set") {
        let edit = Edit {
            at: view.tokens.get(1)?.start,
            kind: match settings::says_session(view) {
                true => EditKind::Session,
                false => EditKind::Insert,
            },
        };
        let edits = Box::new([edit]);
        return Some(Box::new(Localized {
            edits,
            end,
            by_query: false,
            deallocates: None,
        }));
    }
    if !statement.classes.minus(QUERIES).is_empty() {
        return None;
    }
    let edits: Box<[Edit]> = scan::places_of(view, "set_config")
        .filter_map(|at| settings::word_false(view, at + 1))
        .map(|at| Edit {
            at: view.tokens[at].start,
            kind: EditKind::False,
        })
        .collect();
    (edits.len() == count).then(|| {
        Box::new(Localized {
            edits,
            end,
            by_query: true,
            deallocates: None,
        })
    })
}
