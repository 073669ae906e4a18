//! What is said to the server about a statement that sets parameters for the session: its text in the
//! form that ends with the transaction, and the question, behind it in the same round trip, what the
//! parameters are now.

mod added;
mod question;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use super::bound::binds_names;
use super::record::Record;
use crate::protocol::frame::{HEADER, cstr, message, put_cstr};
use crate::sql::{
    Edit, EditKind, Facts, Localized, ParameterName, ParameterTouch, ParameterUse, Statement,
    describe,
};
pub use added::is_too_much;
pub use question::put_behind;

/// Parameters that are not kept for the session: those of the running transaction, which leave nothing
/// behind; those that are pinned, and set to what they are; who acts, which is no matter of this; one that
/// cannot be read; and one that cannot be set again behind a temporary table.
const NOT_KEPT: [&str; 9] = [
    "client_encoding",
    "role",
    "seed",
    "session_authorization",
    "standard_conforming_strings",
    "temp_buffers",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
];

/// Is this a parameter whose value is kept?
pub fn is_kept(name: &str) -> bool {
    !NOT_KEPT.contains(&name)
}

/// Of which parameters values are kept.
#[derive(Clone, Copy, Debug, Default)]
pub enum Keeps<'p> {
    /// Of all: the server connection is handed on.
    #[default]
    All,
    /// Of this one: the server connection is the client's own, and only its zone is set anew in every
    /// transaction.
    Only(&'p str),
}

impl Keeps<'_> {
    fn has(self, name: &str) -> bool {
        match self {
            Self::All => is_kept(name),
            Self::Only(parameter) => parameter == name,
        }
    }
}

/// The parameters that a statement sets for the session, and which are kept: each once.
pub fn names<'s>(statement: &'s Statement, keeps: Keeps<'_>) -> impl Iterator<Item = &'s str> {
    let mut seen = HashSet::new();
    named(statement, keeps).filter(move |name| seen.insert(*name))
}

/// The same, each as often as it stands there.
pub fn named<'s>(statement: &'s Statement, keeps: Keeps<'_>) -> impl Iterator<Item = &'s str> {
    let touches = statement.parameters.iter();
    touches.filter_map(move |touch| match &touch.name {
        ParameterName::Named(name) if touch.how == ParameterUse::Session => {
            Some(&**name).filter(|name| keeps.has(name))
        }
        _ => None,
    })
}

/// How the statement goes to the server in another form, if it does.
pub fn localized<'s>(statement: &'s Statement, keeps: Keeps<'_>) -> Option<&'s Localized> {
    let localized = statement.details.localized.as_deref()?;
    named(statement, keeps).next().map(|_| localized)
}

/// The same of a Parse: where names will be bound nobody knows yet whether they are kept, and what is not kept is
/// no worse for being set for the transaction.
pub fn localized_at_parse<'s>(statement: &'s Statement, keeps: Keeps<'_>) -> Option<&'s Localized> {
    let unknown = matches!(keeps, Keeps::All) && binds_names(statement);
    let form = statement.details.localized.as_deref();
    localized(statement, keeps).or(form.filter(|_| unknown))
}

/// The parameter that the statement resets for the session, where values of it are kept.
///
/// What resets a value that is set for the transaction, and is followed by another that is, leaves behind a value of the
/// session's own, as `pg_settings` calls it, which no longer follows the server's configuration. So it is set to the
/// default for the transaction, where the startup packet has another that goes behind it.
pub fn resets<'s>(statement: &'s Statement, keeps: Keeps<'_>) -> Option<&'s str> {
    let [touch] = &statement.parameters[..] else {
        return None;
    };
    let for_session = touch.how == ParameterUse::Reset && !touch.passing;
    match &touch.name {
        ParameterName::Named(name) if for_session && keeps.has(name) => Some(name),
        _ => None,
    }
}

/// One change of a text: so many bytes of it make room for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    at: usize,
    replaces: usize,
    text: Cow<'static, [u8]>,
}

impl From<&Edit> for Rewrite {
    fn from(edit: &Edit) -> Self {
        Self {
            at: edit.at as usize,
            replaces: edit.kind.replaces(),
            text: edit.kind.text().into(),
        }
    }
}

/// What changes in the text of a statement in its local form. `origin`: what the client's startup packet says of a
/// parameter. The server does not know that, and NULL sets what the session has begun with.
pub fn rewrites<'o>(
    statement: &Statement,
    keeps: Keeps<'_>,
    origin: impl Fn(&str) -> Option<&'o str>,
) -> Vec<Rewrite> {
    let is_reset = |touch: &ParameterTouch| touch.how == ParameterUse::Reset;
    let of_reset = statement.parameters.first().is_some_and(is_reset);
    if of_reset && resets(statement, keeps).and_then(&origin).is_none() {
        return Vec::new();
    }
    let mut all: Vec<Rewrite> = edits(statement, keeps).map(Rewrite::from).collect();
    let unset = statement.details.localized.iter();
    let unset = unset.flat_map(|it| it.unset.iter()).filter_map(|unset| {
        let touch = statement.parameters.get(usize::from(unset.touch))?;
        match &touch.name {
            ParameterName::Named(name) if keeps.has(name) => Some((unset, origin(name)?)),
            _ => None,
        }
    });
    for (unset, origin) in unset {
        let put = |at: u32, text: String| Rewrite {
            at: at as usize,
            replaces: 0,
            text: text.into_bytes().into(),
        };
        let origin = origin.replace('\'', "''");
        all.push(put(unset.start, "coalesce(".to_owned()));
        all.push(put(unset.end, format!(",'{origin}')")));
    }
    all.sort_by_key(|it| it.at);
    all
}

/// What of it does not depend on the client. Where one parameter alone is kept, a query may set others beside it,
/// which are the server's to keep.
fn edits<'s>(statement: &'s Statement, keeps: Keeps<'_>) -> impl Iterator<Item = &'s Edit> {
    let localized = statement.details.localized.iter();
    let all = localized.flat_map(|it| it.edits.iter());
    // One for each call of set_config that sets something for the session, in their order.
    let mut touches = statement.parameters.iter();
    let mut changes = true;
    all.filter(move |edit| {
        if edit.kind == EditKind::OrEnd {
            return changes;
        }
        let touch = touches.find(|touch| touch.how == ParameterUse::Session);
        let by_call = matches!(edit.kind, EditKind::False | EditKind::Or);
        changes = match (keeps, touch.map(|touch| &touch.name)) {
            (Keeps::Only(parameter), Some(ParameterName::Named(name))) => {
                !by_call || **name == *parameter
            }
            (Keeps::Only(_), _) => !by_call,
            (Keeps::All, _) => true,
        };
        changes
    })
}

/// Does any statement set what is kept?
pub fn sets(facts: &Facts, keeps: Keeps<'_>) -> bool {
    facts
        .statements
        .iter()
        .any(|statement| localized(statement, keeps).is_some())
}

/// Appends the text of one statement with what changes in it: in its local form.
pub fn put_rewritten(out: &mut Vec<u8>, text: &[u8], rewrites: &[Rewrite]) {
    let mut at = 0;
    for rewrite in rewrites {
        out.extend_from_slice(&text[at..rewrite.at]);
        out.extend_from_slice(&rewrite.text);
        at = rewrite.at + rewrite.replaces;
    }
    out.extend_from_slice(&text[at..]);
}

/// A place where something was inserted: how many characters of the sent text stand before it, and how
/// many were inserted.
pub type Move = (u32, u32);

/// What was inserted into the text of one statement, if anything was; in order.
pub type Moves = Option<Arc<Vec<Move>>>;

/// What these changes of a text insert.
pub fn moves(text: &[u8], rewrites: &[Rewrite]) -> Moves {
    let (mut at, mut place) = (0, 0);
    let mut all = Vec::new();
    for rewrite in rewrites.iter().filter(|it| it.replaces == 0) {
        place += crate::sql::characters(&text[at..rewrite.at]);
        at = rewrite.at;
        let length = crate::sql::characters(&rewrite.text);
        all.push((place, length));
        place += length;
    }
    (!all.is_empty()).then(|| Arc::new(all))
}

/// A statement of ours behind one of the client's.
#[derive(Debug, PartialEq, Eq)]
pub struct Behind<'s> {
    pub text: String,
    /// The parameter that it asks about; none: it sets what a RESET returns to.
    pub name: Option<&'s str>,
}

impl Behind<'static> {
    /// A statement whose answer tells nothing.
    pub fn saying(text: String) -> Self {
        Self { text, name: None }
    }
}

/// What decides what is said behind a statement.
#[derive(Clone, Copy, Default)]
pub struct Says<'r> {
    pub keeps: Keeps<'r>,
    /// The client's parameters, if there are any.
    pub record: Option<&'r Record>,
    /// The zone's parameter, where the client has begun with the empty one. Whoever gives it back by a NULL that is bound beside
    /// its name has what role or database have as their default, until this says otherwise.
    pub zone: Option<&'r str>,
}

/// What is said behind a statement of the client's: a question for each parameter that it sets; where
/// it resets some, what they had in the startup packet, which the server does not know.
pub fn behind<'s>(statement: &'s Statement, says: &Says<'_>) -> Vec<Behind<'s>> {
    let mut calls = Vec::new();
    let mut call = |name: &str, value: &str, local: bool| {
        let [name, value] = [name, value].map(quoted);
        calls.push(format!("pg_catalog.set_config({name},{value},{local})"));
    };
    let form = localized(statement, says.keeps);
    if form.is_none() {
        let all = says
            .record
            .into_iter()
            .flat_map(|it| returns(statement, it));
        all.for_each(|(name, value, local)| call(name, value, local));
    }
    if let Some(zone) = says.zone.filter(|zone| empties(statement, zone)) {
        call(zone, "", true);
    }
    let said = (!calls.is_empty()).then(|| Behind {
        text: format!("select {}", calls.join(",")),
        name: None,
    });
    let asked = form.into_iter().flat_map(|form| {
        names(statement, says.keeps).map(|name| Behind {
            text: question(name, form),
            name: Some(name),
        })
    });
    said.into_iter().chain(asked).collect()
}

/// Does the statement set the parameter to the empty text, or to a NULL that is bound, for the session?
fn empties(statement: &Statement, parameter: &str) -> bool {
    statement.parameters.iter().any(|touch| {
        matches!(&touch.name, ParameterName::Named(name) if **name == *parameter)
            && touch.how == ParameterUse::Session
            && touch.value.as_deref() == Some("")
    })
}

/// Is the statement answered as a SET for the transaction, because it resets what the startup packet has set?
pub fn is_answered_as_set(statement: &Statement, keeps: Keeps<'_>, record: &Record) -> bool {
    resets(statement, keeps).is_some_and(|name| record.origins(Some(name)).next().is_some())
}

/// Is anything said behind a statement that has no local form: does it reset what the startup packet has set?
pub fn returns_to_origin(statement: &Statement, record: &Record) -> bool {
    returns(statement, record).next().is_some()
}

/// What the statement resets, as the startup packet has it, and whether for the transaction only: what the pool keeps
/// is the session's.
fn returns<'r>(
    statement: &Statement,
    record: &'r Record,
) -> impl Iterator<Item = (&'r str, &'r str, bool)> {
    let localized = statement.details.localized.iter();
    let touches = localized.flat_map(|_| &statement.parameters);
    let all = touches.filter_map(|touch| match &touch.name {
        ParameterName::Named(name) => Some((Some(&**name), touch.passing)),
        ParameterName::All => Some((None, false)),
        ParameterName::Dynamic => None,
    });
    all.flat_map(|(name, passing)| {
        let origins = record.origins(name);
        origins.map(move |(name, value, pooled)| (name, value, passing || !pooled))
    })
}

/// A constant that is the same whether or not backslashes escape: behind a RESET the role's own default may say so.
fn quoted(text: &str) -> String {
    if !text.contains('\\') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let tag = free_tag(text);
    format!("{tag}{text}{tag}")
}

/// A tag for dollar quotes that the text does not hold, nor half of it at its end.
fn free_tag(text: &str) -> String {
    let rest = text
        .match_indices("$p")
        .map(|(at, start)| &text[at + start.len()..]);
    let taken: HashSet<usize> = rest
        .filter_map(|rest| {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = rest.split_at(digits);
            let is_tag = rest.is_empty() || rest.starts_with('$');
            number.parse().ok().filter(|_| is_tag)
        })
        .collect();
    let mut free = (0..).filter(|number| !taken.contains(number));
    format!("$p{}$", free.next().unwrap_or_default())
}

/// What became of the text of a Query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// What was inserted where.
    pub moves: Vec<Move>,
    /// How many statements of ours stand behind each of the client's.
    pub behind: Vec<usize>,
    /// The parameters that these ask about, as in [`Behind::name`].
    pub asked: Vec<Option<Box<str>>>,
}

/// Appends the text of a Query, statement by statement in its local form and with ours behind.
pub fn put_query(
    out: &mut Vec<u8>,
    guard: &[u8],
    text: &[u8],
    facts: &Facts,
    says: &Says<'_>,
) -> Sent {
    let mut sent = Sent::default();
    let (mut at, mut place) = (0, 0);
    let mut insert = |out: &mut Vec<u8>, place: &mut u32, bytes: &[u8]| {
        sent.moves.push((*place, crate::sql::characters(bytes)));
        *place += crate::sql::characters(bytes);
        out.extend_from_slice(bytes);
    };
    if !guard.is_empty() {
        insert(out, &mut place, guard);
    }
    for statement in &facts.statements {
        let form = statement.details.localized.as_ref();
        let ours = form.map_or_else(Vec::new, |_| behind(statement, says));
        sent.behind.push(ours.len());
        let asked = ours.iter().map(|ours| ours.name.map(Box::from));
        sent.asked.extend(asked);
        let Some(localized) = form.filter(|_| !ours.is_empty()) else {
            continue;
        };
        let origin = |name: &str| Some(says.record?.origins(Some(name)).next()?.1);
        for rewrite in rewrites(statement, says.keeps, origin) {
            out.extend_from_slice(&text[at..rewrite.at]);
            place += crate::sql::characters(&text[at..rewrite.at]);
            at = rewrite.at + rewrite.replaces;
            if rewrite.replaces == 0 {
                insert(out, &mut place, &rewrite.text);
            } else {
                out.extend_from_slice(&rewrite.text);
                place += crate::sql::characters(&rewrite.text);
            }
        }
        let end = localized.end as usize;
        out.extend_from_slice(&text[at..end]);
        place += crate::sql::characters(&text[at..end]);
        at = end;
        for ours in ours {
            insert(out, &mut place, &[b";", ours.text.as_bytes()].concat());
        }
    }
    out.extend_from_slice(&text[at..]);
    sent
}

/// The local form of a Query or Parse, whole messages, if it has another. `guard`: what stands ahead of
/// the text of a Query.
pub fn local_form(sent: &[u8], guard: &[u8]) -> Option<Vec<u8>> {
    let body = sent.get(HEADER..)?;
    let mut out = Vec::new();
    match sent.first()? {
        b'Q' => {
            let (text, _) = cstr(body)?;
            let facts = describe(text);
            message(&mut out, b'Q', |out| {
                put_query(out, guard, text, &facts, &Says::default());
                out.push(0);
            });
            sets(&facts, Keeps::All).then_some(out)
        }
        b'P' => {
            let (name, rest) = cstr(body)?;
            let (text, types) = cstr(rest)?;
            let facts = describe(text);
            let statement = facts.statements.first();
            let statement = statement?;
            localized_at_parse(statement, Keeps::All)?;
            message(&mut out, b'P', |out| {
                put_cstr(out, name);
                put_rewritten(out, text, &rewrites(statement, Keeps::All, |_| None));
                out.push(0);
                out.extend_from_slice(types);
            });
            Some(out)
        }
        _ => None,
    }
}

/// Where a position in the sent text is in the client's own; none for what it did not send.
pub fn moved(moves: &[Move], position: u32) -> Option<u32> {
    let mut less = 0;
    for (before, length) in moves {
        if position <= *before {
            break;
        }
        if position <= before + length {
            return None;
        }
        less += length;
    }
    Some(position - less)
}

/// The text that asks what a parameter is. SHOW takes no snapshot: SET TRANSACTION may still follow.
/// Behind a query that is no matter, and the parameter may not be known.
fn question(name: &str, localized: &Localized) -> String {
    if localized.by_query {
        let name = name.replace('\'', "''");
        return format!("select pg_catalog.current_setting('{name}',true)");
    }
    format!("SHOW {}", crate::sql::quote::parameter(name))
}

#[cfg(test)]
mod tests;
