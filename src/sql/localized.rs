//! Statements in the form that leaves nothing behind on a connection that is handed on: what sets
//! parameters for the session, set for the transaction; DEALLOCATE of a name that the server does not
//! know. What has to change in the text.

use super::lexer::Lexer;
use super::scan;
use super::set_config::{self, Argument, Arguments, To};
use super::settings;
use super::token::Kind;
use super::view::View;
use super::{Class, ClassSet, ParameterName, ParameterTouch, ParameterUse, Statement};

/// One change of the text: where, in bytes from the start of the message's text, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The byte where it begins.
    pub at: u32,
    /// What is changed there.
    pub kind: EditKind,
}

/// What is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditKind {
    /// `SET x` becomes `SET LOCAL x`: the word is inserted behind SET, which a quoted name may follow at once.
    Insert,
    /// `SET SESSION x` becomes `SET LOCAL   x`.
    Session,
    /// `set_config(n, v, false)` becomes `set_config(n, v, true )`.
    False,
    /// `set_config(n, v, $1)` becomes `set_config(n, v, (true or $1))`, in which the parameter is a boolean as before.
    Or,
    /// The end of that.
    OrEnd,
    /// `DEALLOCATE s` becomes `UNLISTEN   s`.
    Deallocate,
    /// `PREPARE` behind it goes.
    Prepare,
    /// `RESET x` becomes `SET   LOCAL x TO DEFAULT`.
    Reset,
    /// The end of that.
    ToDefault,
    /// The same of `RESET TIME ZONE`.
    Default,
}

impl EditKind {
    /// What is put there.
    pub fn text(self) -> &'static [u8] {
        match self {
            Self::Insert => b" LOCAL",
            Self::Session => b"LOCAL  ",
            Self::False => b"true ",
            Self::Or => b"(true or ",
            Self::OrEnd => b")",
            Self::Deallocate => b"UNLISTEN  ",
            Self::Prepare => b"       ",
            Self::Reset => b"SET  ",
            Self::ToDefault => b" TO DEFAULT",
            Self::Default => b" DEFAULT",
        }
    }

    /// How many bytes of the text it takes the place of.
    pub fn replaces(self) -> usize {
        match self {
            Self::Insert | Self::Or | Self::OrEnd | Self::ToDefault | Self::Default => 0,
            _ => self.text().len(),
        }
    }
}

/// The second argument of a `set_config` for the session: NULL, or a bound value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unset {
    /// Which of the statement's parameters, whose name the text says.
    pub touch: u16,
    /// Where it begins: bytes from the start of the message's text.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

/// How a statement that sets parameters for the session is turned into its transaction-local form; one
/// that resets one, into what sets its default for the transaction. Or DEALLOCATE, see `deallocates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Localized {
    /// What changes in the text, in order.
    pub edits: Box<[Edit]>,
    /// Where its last token ends: bytes from the start of the message's text.
    pub end: u32,
    /// By `set_config`: the call may not be reached, and the parameter need not be known to the server.
    pub by_query: bool,
    /// Values that may be NULL, which sets what the session has begun with; in order.
    pub unset: Box<[Unset]>,
    /// It is no parameter that is set: DEALLOCATE of this name, as PostgreSQL compares it.
    pub deallocates: Option<Box<str>>,
}

impl Localized {
    /// These parameters of the statement are set for the transaction as the text stands: nothing changes for them.
    /// `touches`: as the text has them.
    pub(super) fn leave(&mut self, touches: &[ParameterTouch], local: &[bool]) {
        let stays = |touch: usize| local.get(touch) == Some(&true);
        let all = touches.iter().enumerate();
        let mut all = all.filter(|(_, touch)| touch.how == ParameterUse::Session);
        let mut left = false;
        let edits = self.edits.iter().filter(|edit| {
            if edit.kind != EditKind::OrEnd {
                left = all.next().is_some_and(|(touch, _)| stays(touch));
            }
            !left
        });
        self.edits = edits.copied().collect();
        let unset = self.unset.iter();
        let unset = unset.filter(|unset| !stays(usize::from(unset.touch)));
        self.unset = unset.copied().collect();
    }
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
        unset: Box::default(),
        deallocates: Some(name),
    }))
}

/// Where the last token ends, with its UESCAPE, which is none of its own.
fn end(view: View<'_>) -> Option<u32> {
    let last = view.tokens.last()?;
    if !matches!(last.kind, Kind::UnicodeString | Kind::UnicodeQuoted) {
        return Some(last.end);
    }
    let behind = view.text.get(last.end as usize..)?;
    let mut lexer = Lexer::new(behind);
    let mut next = || lexer.next().ok().flatten();
    let escape = next()
        .filter(|word| word.of(behind).eq_ignore_ascii_case(b"uescape"))
        .and_then(|_| next())
        .filter(|token| token.kind.is_string());
    Some(last.end + escape.map_or(0, |token| token.end))
}

/// Statements in which a call of `set_config` is made when they run, and at no other time.
const QUERIES: ClassSet = ClassSet::of(Class::Read)
    .with(Class::Write)
    .with(Class::CopyOut);

/// The local form; none where nothing is set for the session, or where that cannot be told from the
/// text: a third argument of `set_config` other than a constant or a bound value, a statement that only
/// holds the call for later.
pub(super) fn of(view: View<'_>, statement: &Statement) -> Option<Box<Localized>> {
    let for_session = |touch: &&ParameterTouch| touch.how == ParameterUse::Session;
    let count = statement.parameters.iter().filter(for_session).count();
    let end = end(view)?;
    if statement.tag == "DEALLOCATE" {
        return of_deallocate(view, end);
    }
    if count == 0 {
        let resets = view.is(0, "reset") || view.is(0, "set");
        let reset = |touch: &ParameterTouch| touch.how == ParameterUse::Reset;
        return (resets && statement.parameters.iter().any(reset)).then(|| {
            Box::new(Localized {
                edits: of_reset(view, statement, end),
                end,
                by_query: false,
                unset: Box::default(),
                deallocates: None,
            })
        });
    }
    if view.is(0, "set") {
        let edits = Box::new([of_set(view)?]);
        return Some(Box::new(Localized {
            edits,
            end,
            by_query: false,
            unset: Box::default(),
            deallocates: None,
        }));
    }
    if settings::is_cut(&statement.parameters) || !statement.classes.minus(QUERIES).is_empty() {
        return None;
    }
    let mut edits = Vec::new();
    let places = scan::places_of(view, "set_config").enumerate();
    let calls = places.filter(|(touch, at)| put_edits(view, statement, *touch, at + 1, &mut edits));
    (calls.count() == count).then(|| {
        Box::new(Localized {
            edits: edits.into(),
            end,
            by_query: true,
            unset: unset(view, statement),
            deallocates: None,
        })
    })
}

/// What makes SET one for the transaction.
fn of_set(view: View<'_>) -> Option<Edit> {
    let (at, kind) = match settings::says_session(view) {
        true => (view.tokens.get(1)?.start, EditKind::Session),
        false => (view.tokens.first()?.end, EditKind::Insert),
    };
    Some(Edit { at, kind })
}

/// The same of a statement that resets one parameter for the session; nothing changes in another.
fn of_reset(view: View<'_>, statement: &Statement, end: u32) -> Box<[Edit]> {
    let [touch] = &statement.parameters[..] else {
        return Box::default();
    };
    if touch.passing || !matches!(touch.name, ParameterName::Named(_)) {
        return Box::default();
    }
    if view.is(0, "set") {
        return of_set(view).into_iter().collect();
    }
    let is_zone = view.is(1, "time") && view.is(2, "zone");
    let default = match is_zone {
        true => EditKind::Default,
        false => EditKind::ToDefault,
    };
    let first = view.tokens.first();
    let edits = first.into_iter().flat_map(|reset| {
        let edit = |at, kind| Edit { at, kind };
        [
            edit(reset.start, EditKind::Reset),
            edit(reset.end, EditKind::Insert),
            edit(end, default),
        ]
    });
    edits.collect()
}

/// What changes in the call whose arguments open at `open`; false: it has no local form, or needs none.
fn put_edits(
    view: View<'_>,
    statement: &Statement,
    touch: usize,
    open: usize,
    edits: &mut Vec<Edit>,
) -> bool {
    let Some(local) = Arguments::at(view, open).map(|call| call.local) else {
        return false;
    };
    let edit = |at, kind| Edit { at, kind };
    let Argument { first, last } = local;
    if first == last && view.is(first, "false") {
        edits.push(edit(view.tokens[first].start, EditKind::False));
        return true;
    }
    let mut all = statement.details.bound.iter().flat_map(|it| it.0.iter());
    let is_bound = all.any(|it| usize::from(it.touch) == touch && it.local.is_some());
    if !is_bound && !set_config::is_for_session(view, local) {
        return false;
    }
    edits.extend([
        edit(view.tokens[first].start, EditKind::Or),
        edit(view.tokens[last].end, EditKind::OrEnd),
    ]);
    true
}

/// What may be NULL in a statement whose parameters are all set by `set_config`.
fn unset(view: View<'_>, statement: &Statement) -> Box<[Unset]> {
    let places: Vec<usize> = scan::places_of(view, "set_config").collect();
    if places.len() != statement.parameters.len() {
        return Box::default();
    }
    let places = places.into_iter().zip(&statement.parameters).zip(0..);
    let all = places.filter_map(|((place, parameter), touch)| {
        let argument = Arguments::at(view, place + 1)?.value;
        let (value, _) = set_config::token(view, argument, To::Text)?;
        let may_be_null = view.is(value, "null") || view.is_kind(value, Kind::Parameter);
        let named = matches!(parameter.name, ParameterName::Named(_));
        let kept = named && parameter.how == ParameterUse::Session;
        (kept && may_be_null).then(|| Unset {
            touch,
            start: view.tokens[argument.first].start,
            end: view.tokens[argument.last].end,
        })
    });
    all.collect()
}
