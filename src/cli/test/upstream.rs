//! What the server got, in words.

use crate::conversation::local_form;
use crate::protocol::frame::{self, HEADER};
use crate::zone::signed::Unsigned;
use crate::zone::{Form, Prefix, QUERY_GUARD, name, put_question};

use super::player::RANDOM;

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

/// Reads what was written to the server. `prefix`: what sets `zone`; `sent`: the client's messages, and
/// whether each was refused.
///
/// Portcullis adds: the prefix, and the question whether its name may stay; [`QUERY_GUARD`] ahead of the text of a simple Query; Flush and Sync;
/// and Execute of a portal that never exists, in the place of a refused message.
pub(super) fn read(
    bytes: &[u8],
    prefix: Option<&Prefix>,
    zone: Option<&str>,
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
        own: prefix.map(zone_of).unwrap_or_default(),
        set: false,
    };
    // The first form begins like the whole one.
    let forms = [Form::Whole, Form::First, Form::Again];
    let forms = forms.map(|form| prefix.map_or_else(Vec::new, |prefix| put(prefix, form)));
    let mut question = Vec::new();
    put_question(&mut question, &name(RANDOM[0]));
    let mut strange = false;
    while !walk.rest.is_empty() {
        let ahead = |bytes: &&Vec<u8>| !bytes.is_empty() && walk.rest.starts_with(bytes);
        if let Some(prefix) = forms.iter().find(ahead) {
            walk.rest = &walk.rest[prefix.len()..];
            walk.set = true;
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
    let set = walk.set;
    let mut words: Vec<String> = Vec::new();
    words.extend(zone.filter(|_| set).map(|zone| format!("set zone {zone}")));
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
    /// How the zone stands in a prefix that sets parameters of the client, too.
    own: Vec<u8>,
    /// The zone was set.
    set: bool,
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
        let body = &message[HEADER..];
        if header.kind == b'E' && body.starts_with(&name(RANDOM[1])) {
            return true;
        }
        let digits = &name(RANDOM[0])[1..];
        if matches!(header.kind, b'C' | b'P' | b'B') && has(body, digits) {
            self.set |= header.kind == b'B' && !self.own.is_empty() && has(body, &self.own);
            return true;
        }
        let unnamed = header.kind == b'E' && body == [0; 5];
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

/// The value of the zone, as it stands at the beginning of a prefix's array.
fn zone_of(prefix: &Prefix) -> Vec<u8> {
    let value = prefix.values().first();
    value.map_or(Vec::new(), |(_, value)| {
        format!("{{\"{value}\"").into_bytes()
    })
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
        read(bytes, Some(&sets()), Some("acme"), sent).words
    }

    #[test]
    fn what_is_added_is_told_apart_from_what_the_client_sent() {
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
