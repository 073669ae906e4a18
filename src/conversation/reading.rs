//! What is said to the server about a statement that sets parameters for the session: its text in the
//! form that ends with the transaction, and the question, behind it in the same round trip, what the
//! parameters are now.

use super::record::Record;
use crate::protocol::frame::{HEADER, cstr, message, put_cstr};
use crate::sql::{Edit, Facts, Localized, ParameterName, ParameterUse, Statement, describe};
use crate::zone::NAME_LENGTH;

/// Parameters that are not kept for the session: those of the running transaction, which leave nothing
/// behind; those that are pinned, and set to what they are; who acts, which is no matter of this; and
/// one that cannot be read.
const NOT_KEPT: [&str; 8] = [
    "client_encoding",
    "role",
    "seed",
    "session_authorization",
    "standard_conforming_strings",
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
    let name = move |at: usize| {
        let touch = statement.parameters.get(at)?;
        match &touch.name {
            ParameterName::Named(name) if touch.how == ParameterUse::Session => {
                Some(&**name).filter(|name| keeps.has(name))
            }
            _ => None,
        }
    };
    let all = 0..statement.parameters.len();
    all.filter_map(move |at| {
        let found = name(at)?;
        let before = (0..at).any(|earlier| name(earlier) == Some(found));
        (!before).then_some(found)
    })
}

/// How the statement goes to the server in another form, if it does.
pub fn localized<'s>(statement: &'s Statement, keeps: Keeps<'_>) -> Option<&'s Localized> {
    let localized = statement.details.localized.as_deref()?;
    names(statement, keeps).next().map(|_| localized)
}

/// Does any statement set what is kept?
pub fn sets(facts: &Facts, keeps: Keeps<'_>) -> bool {
    facts
        .statements
        .iter()
        .any(|statement| localized(statement, keeps).is_some())
}

/// Appends the text of one statement with its edits: in its local form.
pub fn put_edited(out: &mut Vec<u8>, text: &[u8], edits: &[Edit]) {
    let mut at = 0;
    for edit in edits {
        let place = edit.at as usize;
        out.extend_from_slice(&text[at..place]);
        out.extend_from_slice(edit.kind.text());
        at = place + edit.kind.replaces();
    }
    out.extend_from_slice(&text[at..]);
}

/// A place where something was inserted: how many characters of the sent text stand before it, and how
/// many were inserted.
pub type Move = (u32, u32);

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

/// What is said behind a statement of the client's: a question for each parameter that it sets; where
/// it resets some, what they had in the startup packet, which the server does not know.
pub fn behind<'s>(
    statement: &'s Statement,
    keeps: Keeps<'_>,
    record: Option<&Record>,
) -> Vec<Behind<'s>> {
    if let Some(localized) = localized(statement, keeps) {
        let question = |name| Behind {
            text: question(name, localized),
            name: Some(name),
        };
        return names(statement, keeps).map(question).collect();
    }
    let mut all = Vec::new();
    if let (Some(record), Some(_)) = (record, &statement.details.localized) {
        for touch in &statement.parameters {
            match &touch.name {
                ParameterName::Named(name) => all.extend(record.origins(Some(name))),
                ParameterName::All => all.extend(record.origins(None)),
                ParameterName::Dynamic => {}
            }
        }
    }
    if all.is_empty() {
        return Vec::new();
    }
    let calls: Vec<String> = all
        .into_iter()
        .map(|(name, value, pooled)| {
            let [name, value] = [name, value].map(|text| text.replace('\'', "''"));
            format!("pg_catalog.set_config('{name}','{value}',{})", !pooled)
        })
        .collect();
    let text = format!("select {}", calls.join(","));
    vec![Behind { text, name: None }]
}

/// What became of the text of a Query.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// What was inserted where.
    pub moves: Vec<Move>,
    /// How many statements of ours stand behind each of the client's.
    pub behind: Vec<usize>,
}

/// Appends the text of a Query, statement by statement in its local form and with ours behind.
pub fn put_query(
    out: &mut Vec<u8>,
    guard: &[u8],
    text: &[u8],
    facts: &Facts,
    keeps: Keeps<'_>,
    record: Option<&Record>,
) -> Sent {
    let mut sent = Sent::default();
    let (mut at, mut place) = (0, 0);
    let mut insert = |out: &mut Vec<u8>, place: &mut u32, bytes: &[u8]| {
        sent.moves.push((*place, characters(bytes)));
        *place += characters(bytes);
        out.extend_from_slice(bytes);
    };
    if !guard.is_empty() {
        insert(out, &mut place, guard);
    }
    for statement in &facts.statements {
        let ours = behind(statement, keeps, record);
        sent.behind.push(ours.len());
        let Some(localized) = statement
            .details
            .localized
            .as_ref()
            .filter(|_| !ours.is_empty())
        else {
            continue;
        };
        for edit in &localized.edits {
            let start = edit.at as usize;
            out.extend_from_slice(&text[at..start]);
            place += characters(&text[at..start]);
            at = start + edit.kind.replaces();
            if edit.kind.replaces() == 0 {
                insert(out, &mut place, edit.kind.text());
            } else {
                out.extend_from_slice(edit.kind.text());
                place += characters(edit.kind.text());
            }
        }
        let end = localized.end as usize;
        out.extend_from_slice(&text[at..end]);
        place += characters(&text[at..end]);
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
                put_query(out, guard, text, &facts, Keeps::All, None);
                out.push(0);
            });
            sets(&facts, Keeps::All).then_some(out)
        }
        b'P' => {
            let (name, rest) = cstr(body)?;
            let (text, types) = cstr(rest)?;
            let facts = describe(text);
            let statement = facts.statements.first();
            let localized = localized(statement?, Keeps::All)?;
            message(&mut out, b'P', |out| {
                put_cstr(out, name);
                put_edited(out, text, &localized.edits);
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

fn characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u32
}

/// The text that asks what a parameter is. SHOW takes no snapshot: SET TRANSACTION may still follow.
/// Behind a query that is no matter, and the parameter may not be known.
fn question(name: &str, localized: &Localized) -> String {
    if localized.by_query {
        let name = name.replace('\'', "''");
        return format!("select pg_catalog.current_setting('{name}',true)");
    }
    let parts: Vec<String> = name
        .split('.')
        .map(|part| format!("\"{}\"", part.replace('"', "\"\"")))
        .collect();
    format!("SHOW {}", parts.join("."))
}

/// Appends it behind an Execute, without Sync: Close, Parse, Bind, Execute, and Close of both, under a
/// name of this connection's own. The client's unnamed portal stays.
pub fn put_behind(out: &mut Vec<u8>, own: &[u8; NAME_LENGTH], behind: &Behind<'_>) {
    let close = |out: &mut Vec<u8>, kind| {
        message(out, b'C', |out| {
            out.push(kind);
            put_cstr(out, own);
        });
    };
    close(out, b'S');
    message(out, b'P', |out| {
        put_cstr(out, own);
        put_cstr(out, behind.text.as_bytes());
        out.extend_from_slice(&0u16.to_be_bytes());
    });
    message(out, b'B', |out| {
        put_cstr(out, own);
        put_cstr(out, own);
        out.extend_from_slice(&[0; 6]); // no formats, no values, no formats of results
    });
    message(out, b'E', |out| {
        put_cstr(out, own);
        out.extend_from_slice(&0u32.to_be_bytes());
    });
    close(out, b'P');
    close(out, b'S');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> (String, Vec<Move>) {
        let facts = describe(text.as_bytes());
        let mut out = Vec::new();
        let sent = put_query(&mut out, b"", text.as_bytes(), &facts, Keeps::All, None);
        (String::from_utf8(out).unwrap(), sent.moves)
    }

    #[test]
    fn a_reset_returns_to_the_startup_packet_at_once() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let record = Record::new(&[pair("jit", "o'ff")], &[pair("timezone", "UTC")]);
        for (text, sent) in [
            (
                "RESET jit -- c",
                "RESET jit;select pg_catalog.set_config('jit','o''ff',true) -- c",
            ),
            (
                "SET TIME ZONE LOCAL;",
                "SET TIME ZONE LOCAL;select pg_catalog.set_config('timezone','UTC',false);",
            ),
            (
                "RESET ALL",
                "RESET ALL;select pg_catalog.set_config('jit','o''ff',true),pg_catalog.set_config('timezone','UTC',false)",
            ),
            ("RESET work_mem", "RESET work_mem"),
            ("DISCARD ALL", "DISCARD ALL"),
        ] {
            let facts = describe(text.as_bytes());
            let mut out = Vec::new();
            let said = put_query(
                &mut out,
                b"",
                text.as_bytes(),
                &facts,
                Keeps::All,
                Some(&record),
            );
            assert_eq!(String::from_utf8(out).unwrap(), sent);
            assert_eq!(said.behind, [usize::from(text != sent)]);
        }
    }

    #[test]
    fn a_query_is_sent_in_its_local_form_with_a_question_behind_each_statement() {
        for (text, sent) in [
            ("SET x = 1 -- c", "SET LOCAL x = 1;SHOW \"x\" -- c"),
            (
                "set Session App.X to 'é';",
                "set LOCAL   App.X to 'é';SHOW \"app\".\"x\";",
            ),
            (
                "SET x = 1; SET LOCAL y = 2; SELECT 1",
                "SET LOCAL x = 1;SHOW \"x\"; SET LOCAL y = 2; SELECT 1",
            ),
            (
                "select set_config('a', 'b', FALSE), set_config('c.d', $$e$$, /**/false)",
                "select set_config('a', 'b', true ), set_config('c.d', $$e$$, /**/true );select pg_catalog.current_setting('a',true);select pg_catalog.current_setting('c.d',true)",
            ),
            (
                "SET TIME ZONE 'UTC'",
                "SET LOCAL TIME ZONE 'UTC';SHOW \"timezone\"",
            ),
            (
                "set session characteristics as transaction read only",
                "set LOCAL session characteristics as transaction read only;SHOW \"default_transaction_read_only\"",
            ),
            // Nothing that is kept.
            (
                "SET client_encoding = 'UTF8'",
                "SET client_encoding = 'UTF8'",
            ),
            ("RESET x", "RESET x"),
            ("SET x TO DEFAULT", "SET x TO DEFAULT"),
            (
                "SET local.x = 1",
                "SET LOCAL local.x = 1;SHOW \"local\".\"x\"",
            ),
            (
                "SET session.x = 1",
                "SET LOCAL session.x = 1;SHOW \"session\".\"x\"",
            ),
        ] {
            assert_eq!(query(text).0, sent);
        }
    }

    #[test]
    fn positions_are_those_of_the_clients_text() {
        let text = "SET x = 'é'; SELECT nothing";
        let (sent, moves) = query(text);
        let place = |text: &str, word: &str| {
            let at = text.find(word).unwrap();
            text[..at].chars().count() as u32 + 1
        };
        for word in ["SET", "x =", "SELECT", "nothing"] {
            assert_eq!(
                moved(&moves, place(&sent, word)),
                Some(place(text, word)),
                "{word}"
            );
        }
        assert_eq!(moved(&moves, place(&sent, "SHOW")), None);
        assert_eq!(moved(&moves, place(&sent, "LOCAL")), None);
    }

    #[test]
    fn what_cannot_be_said_for_one_transaction_has_no_local_form() {
        for text in [
            "select set_config('a', 'b', $1)",
            "select set_config('a', 'b', 'f')",
            "select set_config('a', 'b', false::bool)",
            "select set_config('a', 'b', false or false)",
            "declare c cursor for select set_config('a', 'b', false)",
            "prepare p as select set_config('a', 'b', false)",
            "explain analyze select set_config('a', 'b', false)",
            "select set_config('a', 'b', false), set_config('c', 'd', 1 = 2)",
        ] {
            let facts = describe(text.as_bytes());
            assert!(facts.statements[0].details.localized.is_none(), "{text}");
        }
    }
}
