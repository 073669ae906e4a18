//! What the server got, in words.

use std::borrow::Cow;

use crate::conversation::{NUMBER_LENGTH, local_form};
use crate::protocol::frame::{self, HEADER, cstr};
use crate::zone::signed::Unsigned;
use crate::zone::{Form, Prefix, QUERY_GUARD, name, put_question};

use super::player::RANDOM;
use crate::policy::guards::human_write::READS;

/// The zone's parameter is empty, whatever role or database have as its default.
pub(super) const NO_ZONE: &str = "set no zone";
/// The transaction only reads, whatever it calls: a person's.
pub(super) const READ_ONLY: &str = "set read-only";
/// All of the client's messages, and nothing else of them.
pub(super) const UNCHANGED: &str = "the client's bytes, unchanged";
/// The same, but that what it sets for its session is set for the transaction.
pub(super) const LOCAL: &str = "the client's bytes, settings for the transaction";
/// The same, but that a text which begins or ends transactions went in pieces, one after the other.
pub(super) const PIECES: &str = "the client's bytes, in pieces";
/// No message of the client that names, carries or runs a statement.
pub(super) const NOTHING: &str = "nothing";
/// Some of the client's messages, each unchanged; the others were left out.
pub(super) const PART: &str = "part of the client's bytes";
/// Something that neither the client nor Portcullis as we know it sends: never expected.
const OTHER: &str = "bytes that the client did not send";

/// What the server got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Upstream {
    /// In words that a case may expect.
    pub words: Vec<String>,
    /// All of the client's messages went through as they were.
    pub whole: bool,
    /// [`QUERY_GUARD`] went ahead of a text.
    pub guarded: bool,
}

/// Reads what was written to the server. `prefix`: what sets `zone`, of a login that has one from the
/// beginning; `parameter`: that of the zone; `sent`: the client's messages, and whether each was refused.
///
/// Portcullis adds: the prefix, and the question whether its name may stay; [`QUERY_GUARD`] ahead of the text of a simple Query; Flush and Sync;
/// and Execute of a portal that never exists, in the place of a refused message.
pub(super) fn read(
    bytes: &[u8],
    prefix: Option<&Prefix>,
    zone: Option<&str>,
    parameter: Option<&str>,
    sent: &[(Vec<u8>, bool)],
) -> Upstream {
    let mut walk = Walk {
        rest: bytes,
        sent,
        next: 0,
        reached: vec![false; sent.len()],
        guarded: false,
        local: false,
        piece: None,
        bound: false,
        parameter,
        zones: Vec::new(),
        reads_only: false,
    };
    // The first form begins like the whole one.
    let forms = [Form::Whole, Form::First, Form::Again];
    let forms = forms.map(|form| prefix.map_or_else(Vec::new, |prefix| put(prefix, form)));
    let mut question = Vec::new();
    put_question(&mut question, &name(RANDOM[0]));
    let mut strange = false;
    while !walk.rest.is_empty() {
        let ahead = |bytes: &&Vec<u8>| !bytes.is_empty() && walk.rest.starts_with(bytes);
        if let Some(form) = forms.iter().find(ahead) {
            walk.rest = &walk.rest[form.len()..];
            walk.zones.extend(zone.map(str::to_owned));
            walk.reads_only |= prefix.is_some_and(sets_read_only);
        } else if ahead(&&question) {
            walk.rest = &walk.rest[question.len()..];
        } else if !walk.message() {
            strange = true;
            break;
        }
    }
    let carried = |(at, (bytes, _)): (usize, &(Vec<u8>, bool))| {
        walk.reached[at] && !matches!(bytes.first(), Some(b'S' | b'H'))
    };
    let any = sent.iter().enumerate().any(carried);
    let all = walk.reached.iter().all(|reached| *reached);
    let mut words: Vec<String> = Vec::new();
    for zone in &walk.zones {
        let word = match zone.is_empty() {
            true => NO_ZONE.to_owned(),
            false => format!("set zone {zone}"),
        };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if walk.reads_only {
        words.push(READ_ONLY.to_owned());
    }
    let set = !words.is_empty();
    let rest = match (strange, all, any) {
        (true, _, _) => Some(OTHER),
        (false, true, _) if walk.piece.is_some() => Some(PIECES),
        (false, true, _) if walk.local => Some(LOCAL),
        (false, true, _) => Some(UNCHANGED),
        (false, false, true) => Some(PART),
        (false, false, false) if set => None,
        (false, false, false) => Some(NOTHING),
    };
    words.extend(rest.map(str::to_owned));
    Upstream {
        words,
        whole: all && !strange,
        guarded: walk.guarded,
    }
}

fn put(prefix: &Prefix, form: Form) -> Vec<u8> {
    let mut bytes = Vec::new();
    prefix.put(&mut bytes, &name(RANDOM[0]), form, &Unsigned);
    bytes
}

struct Walk<'b> {
    rest: &'b [u8],
    sent: &'b [(Vec<u8>, bool)],
    /// The first message of the client that may come next.
    next: usize,
    reached: Vec<bool>,
    guarded: bool,
    /// A text went through in its local form.
    local: bool,
    /// A text went in pieces; how many bytes of the latest have come.
    piece: Option<usize>,
    /// A Bind of ours to the unnamed portal came, and not yet its Execute.
    bound: bool,
    /// The parameter of the zone.
    parameter: Option<&'b str>,
    /// The zones that were set, in order.
    zones: Vec<String>,
    /// A prefix made a transaction read-only.
    reads_only: bool,
}

impl Walk<'_> {
    /// Passes one message; false: it is neither the client's nor one of ours.
    fn message(&mut self) -> bool {
        let Ok(Some(header)) = frame::header(self.rest) else {
            return false;
        };
        let Some(message) = self.rest.get(..header.total) else {
            return false;
        };
        self.rest = &self.rest[header.total..];
        let message = &*by_its_own_name(message);
        let body = &message[HEADER..];
        if header.kind == b'E' && body.starts_with(&name(RANDOM[1])) {
            return true;
        }
        let digits = &name(RANDOM[0])[1..];
        if matches!(header.kind, b'C' | b'P' | b'B') && has(body, digits) {
            let parameter = self.parameter.filter(|_| header.kind == b'B');
            let set = parameter.and_then(|parameter| set_in(body, parameter));
            self.zones.extend(set);
            self.bound = header.kind == b'B';
            self.reads_only |= self.bound && set_in(body, READS.0).as_deref() == Some(READS.1);
            return true;
        }
        let unnamed = header.kind == b'E' && body == [0; 5];
        // The client's own Execute looks the same.
        if std::mem::take(&mut self.bound) && unnamed {
            return true;
        }
        if header.kind == b'E' && has(body, digits) {
            return true;
        }
        let coming = self.sent.iter().enumerate().skip(self.next);
        let found = coming
            .filter(|(_, (_, refused))| !refused)
            .find(|(_, (bytes, _))| is_it(message, bytes));
        match found {
            Some((at, (bytes, _))) => {
                let local = is_local(message, bytes);
                self.local |= local;
                self.guarded |= message != bytes && !local;
                self.reached[at] = true;
                self.next = at + 1;
                true
            }
            None => unnamed || matches!(header.kind, b'H' | b'S') || self.is_piece(message),
        }
    }

    /// Is it the next piece of the client's next text? Blanks keep its place, the guard may stand ahead, and it
    /// may be in its local form.
    fn is_piece(&mut self, message: &[u8]) -> bool {
        let Some((at, (sent, false))) = self.sent.iter().enumerate().nth(self.next) else {
            return false;
        };
        let Some(text) = text(sent) else {
            return false;
        };
        let place = self.piece.unwrap_or(0);
        let is = |end: &usize| is_it(message, &piece(text, place, *end));
        let Some(end) = ends(text).filter(|end| *end > place).find(is) else {
            return false;
        };
        self.piece = Some(end);
        if end == text.len() {
            self.reached[at] = true;
            self.next = at + 1;
        }
        true
    }
}

/// The message with the client's own name of a statement, where it has what a pool that follows names is told.
fn by_its_own_name(message: &[u8]) -> Cow<'_, [u8]> {
    let mut ours = name(RANDOM[0]);
    ours[0] = b'c';
    let behind_kind = matches!(message.first(), Some(b'P' | b'B' | b'D' | b'C'));
    let at = message.windows(ours.len()).position(|it| it == ours);
    let Some(at) = at.filter(|_| behind_kind) else {
        return Cow::Borrowed(message);
    };
    let mut body = message[HEADER..].to_vec();
    let behind = at - HEADER + ours.len() + NUMBER_LENGTH;
    body.drain(at - HEADER..behind.min(body.len()));
    let mut own = Vec::new();
    frame::message(&mut own, message[0], |out| out.extend(body));
    Cow::Owned(own)
}

/// The places where a piece of the text may end: in front of what follows a semicolon, and its own end.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    let behind = |(at, _): (usize, &str)| text.len() - text[at + 1..].trim_start().len();
    text.match_indices(';').map(behind).chain([text.len()])
}

/// A Query of this part of the text, behind as many blanks as characters stand before it.
fn piece(text: &str, from: usize, to: usize) -> Vec<u8> {
    let mut body = " ".repeat(text[..from].chars().count());
    body.push_str(&text[from..to]);
    let mut message = Vec::new();
    frame::message(&mut message, b'Q', |out| {
        frame::put_cstr(out, body.as_bytes())
    });
    message
}

/// The text of a Query.
fn text(message: &[u8]) -> Option<&str> {
    let body = message.get(HEADER..)?.strip_suffix(b"\0")?;
    let text = std::str::from_utf8(body).ok()?;
    (message.first() == Some(&b'Q')).then_some(text)
}

/// Is a message that the server got this one of the client's, be it behind the guard?
fn is_it(message: &[u8], sent: &[u8]) -> bool {
    let behind_guard = || {
        message.first() == Some(&b'Q')
            && sent.first() == Some(&b'Q')
            && message[HEADER..].strip_prefix(QUERY_GUARD) == sent.get(HEADER..)
    };
    message == sent || behind_guard() || is_local(message, sent)
}

fn is_local(message: &[u8], sent: &[u8]) -> bool {
    let is = |guard| local_form(sent, guard).is_some_and(|local| local == message);
    is(b"") || is(QUERY_GUARD)
}

fn has(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn sets_read_only(prefix: &Prefix) -> bool {
    let mut values = prefix.values().iter();
    values.any(|(name, value)| (&**name, &**value) == READS)
}

/// What the Bind of a prefix sets a parameter to, among those of the client.
fn set_in(body: &[u8], parameter: &str) -> Option<String> {
    let (_, rest) = cstr(body)?;
    let (_, rest) = cstr(rest)?;
    let rest = rest.strip_prefix(&[0, 0, 0, 2])?; // no formats, two values
    let (names, rest) = value(rest)?;
    let (values, _) = value(rest)?;
    let mut pairs = elements(names).into_iter().zip(elements(values));
    let (_, value) = pairs.find(|(name, _)| name == parameter)?;
    Some(value)
}

/// A value of a Bind, and what is behind it.
fn value(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (value, rest) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(value).ok()?, rest))
}

/// The elements of an array whose elements are all quoted.
fn elements(array: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut open: Option<String> = None;
    let mut characters = array.chars();
    while let Some(c) = characters.next() {
        match (&mut open, c) {
            (None, '"') => open = Some(String::new()),
            (None, _) => {}
            (Some(element), '\\') => element.extend(characters.next()),
            (Some(_), '"') => elements.extend(open.take()),
            (Some(element), c) => element.push(c),
        }
    }
    elements
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::test::step::{bind, execute, parse, query, sync};

    fn sets() -> Prefix {
        Prefix::new(&[("a.b", "acme")], None)
    }

    fn prefix() -> Vec<u8> {
        put(&sets(), Form::Whole)
    }

    fn words(bytes: &[u8], sent: &[(Vec<u8>, bool)]) -> Vec<String> {
        read(bytes, Some(&sets()), Some("acme"), Some("a.b"), sent).words
    }

    #[test]
    fn what_is_added_is_told_apart_from_what_the_client_sent() {
        let mut named = Vec::new();
        frame::message(&mut named, b'D', |out| {
            out.extend_from_slice(b"Sc");
            out.extend_from_slice(&name(RANDOM[0])[1..]);
            out.extend_from_slice(b"000000000000000aone\0");
        });
        let one = vec![(b"D\0\0\0\x09Sone\0".to_vec(), false)];
        assert_eq!(words(&named, &one), [UNCHANGED]);
        let select = query("select 1").bytes;
        let guarded = query("select where false;select 1").bytes;
        let sent = [(select.clone(), false)];
        assert_eq!(words(&select, &sent), [UNCHANGED]);
        let all = [prefix(), guarded].concat();
        assert_eq!(words(&all, &sent), ["set zone acme", UNCHANGED]);
        let mut question = Vec::new();
        put_question(&mut question, &name(RANDOM[0]));
        for form in [Form::First, Form::Again] {
            let guarded = query("select where false;select 1").bytes;
            let all = [question.clone(), put(&sets(), form), guarded].concat();
            assert_eq!(words(&all, &sent), ["set zone acme", UNCHANGED]);
        }
        assert_eq!(words(b"", &sent), [NOTHING]);
        assert_eq!(words(&prefix(), &sent), ["set zone acme"]);
    }

    #[test]
    fn pieces_are_parts_of_a_text_in_order() {
        let sent = [(
            query("begin; set work_mem = '1MB'; select 'é;'; commit").bytes,
            false,
        )];
        let begin = query("begin; ").bytes;
        let set = query("       set work_mem = '1MB'; select 'é;'; ").bytes;
        let set = local_form(&set, b"").expect("a local form");
        let commit = query(&format!("{}commit", " ".repeat(42))).bytes;
        let all = [begin.clone(), prefix(), set.clone(), commit.clone()].concat();
        assert_eq!(words(&all, &sent), ["set zone acme", PIECES]);
        assert_eq!(
            words(&[set, begin.clone(), commit].concat(), &sent),
            [OTHER]
        );
        assert_eq!(words(&begin, &sent), [NOTHING]);
    }

    #[test]
    fn the_zone_is_found_among_the_parameters_of_the_client() {
        let select = query("select 1").bytes;
        let sent = [(select.clone(), false)];
        let with = |values: &[(&str, &str)]| {
            [put(&Prefix::new(values, None), Form::Whole), select.clone()].concat()
        };
        let all = with(&[("x", "}\",\\"), ("a.b", "g\"\\x"), ("y", "")]);
        assert_eq!(words(&all, &sent), ["set zone g\"\\x", UNCHANGED]);
        assert_eq!(words(&with(&[("x", "a.b")]), &sent), [UNCHANGED]);
        let twice = [
            with(&[("a.b", "acme"), ("x", "1")]),
            with(&[("a.b", "globex")]),
        ]
        .concat();
        let sent = [(select.clone(), false), (select.clone(), false)];
        assert_eq!(
            words(&twice, &sent),
            ["set zone acme", "set zone globex", UNCHANGED]
        );
    }

    #[test]
    fn a_refused_message_that_gets_through_is_never_expected() {
        let drop = query("drop table t").bytes;
        assert_eq!(words(&drop, &[(drop.clone(), true)]), [OTHER]);
        let changed = query("drop table u").bytes;
        assert_eq!(words(&changed, &[(drop, false)]), [OTHER]);
    }

    #[test]
    fn the_stand_in_of_a_refused_message_carries_nothing() {
        let stand_in = execute("pc_0000000000007e58").bytes;
        let sent = [
            (parse("", "drop table t").bytes, true),
            (sync().bytes, false),
        ];
        assert_eq!(
            words(&[stand_in.clone(), sync().bytes].concat(), &sent),
            [NOTHING]
        );
        let parse = parse("", "select 1").bytes;
        let sent = [
            (parse.clone(), false),
            (bind("", "").bytes, true),
            (sync().bytes, false),
        ];
        let all = [parse, stand_in, sync().bytes].concat();
        assert_eq!(words(&all, &sent), [PART]);
    }
}
