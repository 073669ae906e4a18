//! PURE. The bytes that set a zone for one transaction.
//!
//! Ahead of the client's untouched batch goes, without Sync: Close, Parse, Bind, Execute, Close of
//! one constant text, or those of them that a [`Form`] needs. The values are bound, never spliced;
//! names are this connection's own.
//!
//! At the signed level the same statement enters the zone with a token of this transaction's own
//! ([`signed`]), which is bound like the values.

pub mod keys;
pub mod signed;
pub mod spelling;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::protocol::frame::{message, put_cstr};
use signed::{Audience, Signer};
use spelling::Spelling;

/// Sets any number of parameters for the transaction; answers `SELECT 0`.
/// (ANDed calls of set_config would set only the first.)
///
/// Names are qualified: a search_path of the client's with pg_catalog last must not put functions or
/// types of its own in their place. (PostgreSQL's grammar takes `unnest` of several arrays for
/// pg_catalog's, and only when it is not qualified.)
const TEXT: &[u8] = b"select 1 from unnest($1::pg_catalog.text[],$2::pg_catalog.text[]) t(n,v) \
where pg_catalog.set_config(n,v,true) is null";

/// The same at the signed level, where the name that is empty stands for the token.
const SIGNED_TEXT: &[u8] =
    b"select 1 from unnest($1::pg_catalog.text[],$2::pg_catalog.text[]) t(n,v) \
where case when n operator(pg_catalog.=) '' then portcullis.enter(v) is null \
else pg_catalog.set_config(n,v,true) is null end";

/// The same where the client sets its zone itself: behind a `=` stands the name of the parameter, and the
/// token's zone is entered only if that is what the parameter is by then. What is no token reaches
/// `portcullis.enter()` in any case, which refuses it; and so does, as the empty token, a transaction that is in
/// another zone than the parameter says, where nothing can be entered.
const CHOSEN_TEXT: &[u8] =
    b"select 1 from unnest($1::pg_catalog.text[],$2::pg_catalog.text[]) t(n,v) \
where case when n operator(pg_catalog.=) '' then portcullis.enter(v) is null \
when pg_catalog.starts_with(n,'=') then case \
when pg_catalog.split_part(v,'.',5) operator(pg_catalog.=) any (array['',pg_catalog.encode(\
pg_catalog.convert_to(pg_catalog.current_setting(pg_catalog.substr(n,2),true),'UTF8'),'hex')]) \
then portcullis.enter(v) is null \
when portcullis.zone() operator(pg_catalog.<>) \
coalesce(pg_catalog.current_setting(pg_catalog.substr(n,2),true),'') \
then portcullis.enter('') is null end \
else pg_catalog.set_config(n,v,true) is null end";

/// Goes before the text of a simple Query that runs in an implicit transaction: on PostgreSQL 18 a
/// single-statement Query behind an unfinished extended prefix loses its write while answering
/// success; a multi-statement Query is safe. Its RowDescription and `SELECT 0` are swallowed.
pub const QUERY_GUARD: &[u8] = b"select where false;";

/// Bytes of a name of Portcullis's own on the server: `pc_` and 16 hex digits.
pub const NAME_LENGTH: usize = 19;

/// A name that is unique to one client connection.
pub fn name(random: u64) -> [u8; NAME_LENGTH] {
    let mut name = *b"pc_0000000000000000";
    let digits = name[3..].iter_mut().rev();
    for (place, digit) in digits.enumerate() {
        *digit = b"0123456789abcdef"[(random >> (4 * place)) as usize & 0xf];
    }
    name
}

/// What a prefix does with its name on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Close, Parse, Bind, Execute, Close: it leaves no name behind, and needs none.
    Whole,
    /// Close, Parse, Bind, Execute: the name stays.
    First,
    /// Bind, Execute: of the name that stayed.
    Again,
}

/// The prefix for one set of values, with blanks where the connection's name goes: shared by all
/// connections of a login, so that an idle connection holds none of it.
#[derive(Debug)]
pub struct Prefix {
    values: Box<[(Box<str>, Box<str>)]>,
    bytes: Box<[u8]>,
    /// Where the name stands in `bytes`.
    names: [usize; 4],
    /// Bind and Execute.
    again: Range<usize>,
    /// The token that it enters the zone with.
    token: Option<Token>,
    /// A name was lost that should have stayed.
    loses_names: AtomicBool,
}

/// What a transaction enters at the signed level.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The zone.
    pub zone: Box<str>,
    /// Whom its tokens are for.
    pub audience: Arc<Audience>,
    /// Only where this parameter is the zone by then. In a prefix [`of_choice`](Prefix::of_choice).
    pub parameter: Option<Arc<str>>,
}

/// Where the token goes.
#[derive(Debug)]
struct Token {
    entry: Entry,
    /// Its place in the bytes.
    at: usize,
    /// The lengths that do not know of it: the Bind's, and the second value's.
    lengths: [usize; 2],
}

impl Prefix {
    /// The prefix that sets each (name, value), and enters the zone of `entry` before, if there is one.
    pub fn new(values: &[(&str, &str)], entry: Option<Entry>) -> Self {
        let text = entry.as_ref().map_or(TEXT, |_| SIGNED_TEXT);
        Self::with_text(text, values, entry)
    }

    /// The same for a client that sets its zone itself, at the signed level: of one text, whether it enters
    /// a zone or not.
    pub fn of_choice(values: &[(&str, &str)], entry: Option<Entry>) -> Self {
        Self::with_text(CHOSEN_TEXT, values, entry)
    }

    fn with_text(text: &[u8], values: &[(&str, &str)], entry: Option<Entry>) -> Self {
        let condition = entry.as_ref().and_then(|entry| entry.parameter.as_ref());
        let entered = condition.map_or_else(String::new, |parameter| format!("={parameter}"));
        let mut bytes = Vec::new();
        let mut names = [0; 4];
        let blank = |out: &mut Vec<u8>| {
            let at = out.len();
            put_cstr(out, &[b'_'; NAME_LENGTH]);
            at
        };
        message(&mut bytes, b'C', |out| {
            out.push(b'S');
            names[0] = blank(out);
        });
        message(&mut bytes, b'P', |out| {
            names[1] = blank(out);
            put_cstr(out, text);
            out.extend_from_slice(&0u16.to_be_bytes());
        });
        let bind = bytes.len();
        let mut second = 0;
        message(&mut bytes, b'B', |out| {
            names[2] = out.len() + 1; // behind the unnamed portal's NUL
            let entered = entry.iter().map(|_| (&*entered, ""));
            let all: Vec<_> = entered.chain(values.iter().copied()).collect();
            second = put_arrays(out, &[b'_'; NAME_LENGTH], &all);
        });
        let token = entry.map(|entry| Token {
            entry,
            at: second + 4 + 2, // behind `{"`
            lengths: [bind + 1, second],
        });
        message(&mut bytes, b'E', |out| {
            put_cstr(out, b"");
            out.extend_from_slice(&0u32.to_be_bytes());
        });
        let again = bind..bytes.len();
        message(&mut bytes, b'C', |out| {
            out.push(b'S');
            names[3] = blank(out);
        });
        let values = values
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        Self {
            values: values.collect(),
            bytes: bytes.into(),
            names,
            again,
            token,
            loses_names: AtomicBool::new(false),
        }
    }

    /// The same, which sets this as well.
    pub fn with(&self, value: (&str, &str)) -> Self {
        let values = self.values.iter().map(|(name, value)| (&**name, &**value));
        let values: Vec<_> = values.chain([value]).collect();
        Self::new(&values, self.entry().cloned())
    }

    /// What it sets.
    pub fn values(&self) -> &[(Box<str>, Box<str>)] {
        &self.values
    }

    /// What it enters, at the signed level.
    pub fn entry(&self) -> Option<&Entry> {
        self.token.as_ref().map(|token| &token.entry)
    }

    /// Appends the prefix under the connection's name, with a new token of `signer`'s at the signed level.
    pub fn put(
        &self,
        out: &mut Vec<u8>,
        name: &[u8; NAME_LENGTH],
        form: Form,
        signer: &dyn Signer,
    ) {
        let part = match form {
            Form::Whole => 0..self.bytes.len(),
            Form::First => 0..self.again.end,
            Form::Again => self.again.clone(),
        };
        let start = out.len();
        let mut longer = 0;
        match &self.token {
            None => out.extend_from_slice(&self.bytes[part.clone()]),
            Some(token) => {
                out.extend_from_slice(&self.bytes[part.start..token.at]);
                let Entry { zone, audience, .. } = &token.entry;
                let before = out.len();
                signer.put_token(zone, audience, out);
                longer = out.len() - before;
                out.extend_from_slice(&self.bytes[token.at..part.end]);
                for at in token.lengths {
                    lengthen(&mut out[start + at - part.start..], longer);
                }
            }
        }
        for at in self.names.into_iter().filter(|at| part.contains(at)) {
            let behind = self.token.as_ref().is_some_and(|token| at > token.at);
            let moved = if behind { longer } else { 0 };
            out[start + at - part.start + moved..][..NAME_LENGTH].copy_from_slice(name);
        }
    }

    /// Spells the text of one that was put there.
    pub fn respell(&self, put: &mut [u8], form: Form, spelling: &Spelling) {
        if form != Form::Again {
            spelling.respell(&mut put[self.names[1] + NAME_LENGTH + 1..]);
        }
    }

    /// A name that should have stayed on the server was lost: no connection of this login, whichever
    /// pool it is led to, is to rely on that again.
    pub fn name_lost(&self) {
        self.loses_names.store(true, Ordering::Relaxed);
    }

    /// Was a name lost that should have stayed?
    pub fn loses_names(&self) -> bool {
        self.loses_names.load(Ordering::Relaxed)
    }
}

/// A length of the protocol, made longer.
fn lengthen(bytes: &mut [u8], by: usize) {
    if let Some(length) = bytes.first_chunk_mut::<4>() {
        let by = u32::try_from(by).unwrap_or(u32::MAX);
        *length = u32::from_be_bytes(*length).saturating_add(by).to_be_bytes();
    }
}

/// Appends a whole batch, Sync included, that asks whether a statement that was parsed under `name` is
/// known to PostgreSQL by this name. One row: it is. None: the pool between has given it a name of its
/// own, to follow it from one server connection to the next (PgBouncer from 1.21 on).
pub fn put_question(out: &mut Vec<u8>, name: &[u8; NAME_LENGTH]) {
    const TEXT: &[u8] = b"select 1 from pg_catalog.pg_prepared_statements \
where name operator(pg_catalog.=) $1::pg_catalog.text";
    let close = |out: &mut Vec<u8>| {
        message(out, b'C', |out| {
            out.push(b'S');
            put_cstr(out, name);
        });
    };
    close(out);
    message(out, b'P', |out| {
        put_cstr(out, name);
        put_cstr(out, TEXT);
        out.extend_from_slice(&0u16.to_be_bytes());
    });
    message(out, b'B', |out| {
        put_cstr(out, b""); // the unnamed portal
        put_cstr(out, name);
        out.extend_from_slice(&[0, 0, 0, 1]); // one value, as text
        put_value(out, name);
        out.extend_from_slice(&0u16.to_be_bytes());
    });
    message(out, b'E', |out| {
        put_cstr(out, b"");
        out.extend_from_slice(&0u32.to_be_bytes());
    });
    close(out);
    out.extend_from_slice(crate::protocol::frame::SYNC);
}

/// Appends what removes names after a prefix or a question failed half-way: Close of each and Sync
/// (both are valid in a failed transaction).
pub fn put_cleanup(out: &mut Vec<u8>, names: &[[u8; NAME_LENGTH]]) {
    for name in names {
        message(out, b'C', |out| {
            out.push(b'S');
            put_cstr(out, name);
        });
    }
    out.extend_from_slice(crate::protocol::frame::SYNC);
}

/// Appends a whole batch, Sync included, that sets each (name, value): for the session, on a server
/// connection that is one client's own, or (`local`) only until the Sync. Answers each value as the
/// server shows it.
pub fn put_settings(out: &mut Vec<u8>, values: &[(&str, &str)], local: bool) {
    let text: &[u8] = match local {
        true => {
            b"select pg_catalog.set_config(n,v,true) \
from unnest($1::pg_catalog.text[],$2::pg_catalog.text[]) t(n,v)"
        }
        false => {
            b"select pg_catalog.set_config(n,v,false) \
from unnest($1::pg_catalog.text[],$2::pg_catalog.text[]) t(n,v)"
        }
    };
    message(out, b'P', |out| {
        put_cstr(out, b"");
        put_cstr(out, text);
        out.extend_from_slice(&0u16.to_be_bytes());
    });
    message(out, b'B', |out| {
        put_arrays(out, b"", values);
    });
    message(out, b'E', |out| {
        put_cstr(out, b"");
        out.extend_from_slice(&0u32.to_be_bytes());
    });
    out.extend_from_slice(crate::protocol::frame::SYNC);
}

/// A Bind to the unnamed portal: the names and the values, as two arrays. Where does the length of the
/// second stand?
fn put_arrays(out: &mut Vec<u8>, statement: &[u8], values: &[(&str, &str)]) -> usize {
    put_cstr(out, b""); // the unnamed portal
    put_cstr(out, statement);
    out.extend_from_slice(&0u16.to_be_bytes()); // all values are text
    out.extend_from_slice(&2u16.to_be_bytes());
    put_value(out, array(values.iter().map(|(name, _)| *name)).as_bytes());
    let second = out.len();
    put_value(
        out,
        array(values.iter().map(|(_, value)| *value)).as_bytes(),
    );
    out.extend_from_slice(&0u16.to_be_bytes());
    second
}

fn put_value(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(value);
}

/// An array in PostgreSQL's text form; every element is quoted.
fn array<'a>(elements: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from("{");
    for element in elements {
        text.push_str(if text.len() > 1 { ",\"" } else { "\"" });
        for c in element.chars() {
            if matches!(c, '"' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
        text.push('"');
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::signed::Unsigned;
    use super::*;
    use crate::protocol::frame::header;

    #[test]
    fn values_are_quoted_for_the_array_and_never_become_sql() {
        assert_eq!(array(["a.b"].into_iter()), r#"{"a.b"}"#);
        assert_eq!(
            array(["x\"},{\\", "", "'; drop"].into_iter()),
            r#"{"x\"},{\\","","'; drop"}"#
        );
    }

    fn kinds(mut bytes: &[u8]) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Some(header) = header(bytes).unwrap() {
            kinds.push(header.kind);
            bytes = &bytes[header.total..];
        }
        assert!(bytes.is_empty());
        kinds
    }

    #[test]
    fn every_form_of_the_prefix_is_whole_messages_under_the_name_and_no_sync() {
        let name = name(0xfeed_0000_0000_0001);
        let plain = Prefix::new(&[("app.tenant_id", "acme")], None);
        for (form, wanted, names) in [
            (Form::Whole, &b"CPBEC"[..], 4),
            (Form::First, b"CPBE", 3),
            (Form::Again, b"BE", 1),
        ] {
            let mut out = b"ahead".to_vec();
            plain.put(&mut out, &name, form, &Unsigned);
            assert_eq!(kinds(&out[5..]), wanted);
            let places = out.windows(NAME_LENGTH).filter(|w| *w == name);
            assert_eq!(places.count(), names, "{form:?}");
            assert!(!out.windows(4).any(|w| w == b"____"), "{form:?}");
        }
    }

    struct Long;

    impl Signer for Long {
        fn put_token(&self, zone: &str, _: &Audience, out: &mut Vec<u8>) {
            out.extend_from_slice(zone.as_bytes());
            out.extend_from_slice(&[b'x'; 300]);
        }
    }

    #[test]
    fn a_token_stands_ahead_of_the_values_and_all_lengths_know_of_it() {
        let name = name(1);
        let audience = Arc::new(Audience::new("app", "shop").unwrap());
        let zone = "acme".into();
        let entry = Entry {
            zone,
            audience,
            parameter: None,
        };
        let prefix = Prefix::new(&[("app.tenant_id", "acme")], Some(entry));
        for (form, wanted, names) in [
            (Form::Whole, &b"CPBEC"[..], 4),
            (Form::First, b"CPBE", 3),
            (Form::Again, b"BE", 1),
        ] {
            let mut out = b"ahead".to_vec();
            prefix.put(&mut out, &name, form, &Long);
            assert_eq!(kinds(&out[5..]), wanted);
            let places = out.windows(NAME_LENGTH).filter(|w| *w == name);
            assert_eq!(places.count(), names, "{form:?}");
            let token = format!("acme{}", "x".repeat(300));
            let values = format!("{{\"{token}\",\"acme\"}}");
            let length = u32::try_from(values.len()).unwrap().to_be_bytes();
            let bound = [&length[..], values.as_bytes()].concat();
            let found = out.windows(bound.len()).filter(|w| *w == bound);
            assert_eq!(found.count(), 1, "{form:?}");
        }
    }

    #[test]
    fn the_question_is_a_whole_batch() {
        let mut out = Vec::new();
        put_question(&mut out, &name(7));
        assert_eq!(kinds(&out), b"CPBECS");
        // The name of the statement, twice of it closed, and the value that is looked for.
        let places = out.windows(NAME_LENGTH).filter(|w| *w == name(7));
        assert_eq!(places.count(), 5);
    }

    #[test]
    fn names_differ_as_their_random_numbers_do() {
        assert_eq!(&name(0), b"pc_0000000000000000");
        assert_eq!(&name(u64::MAX), b"pc_ffffffffffffffff");
        assert_eq!(&name(0x1234), b"pc_0000000000001234");
    }
}
