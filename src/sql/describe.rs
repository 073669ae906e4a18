//! Both opinions joined: for each statement the union of what either sees in it.

use super::bounds::MAX_STATEMENTS;
use super::lexer;
use super::token::Token;
use super::view::View;
use super::words::Words;
use super::{
    Class, ClassSet, Depth, Facts, LateFingerprint, Statement, Undescribed, ahead, aliases,
    classify, fingerprint, folded, grammar, view,
};

/// Where the token quoted in a syntax error occurs more than once, the place is looked for among
/// this many at most, and only in texts of this many bytes: each look costs a parse.
const MAX_PLACES: usize = 16;
const MAX_SEARCHED: usize = 8 * 1024;

/// Characters of PostgreSQL's message about a syntax error.
pub(super) const MAX_MESSAGE: usize = 200;

/// Describes the text of one Query or Parse message, on the surface ([`Depth::Surface`]).
pub fn describe(text: &[u8]) -> Facts {
    describe_at(text, Depth::Surface)
}

/// Describes the text of one Query or Parse message as closely as asked.
///
/// Takes time linear in the length of the text. Texts over [`LONG_TEXT`](super::LONG_TEXT) bytes
/// belong on a thread that may block.
pub fn describe_at(text: &[u8], depth: Depth) -> Facts {
    let Some(valid) = std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.as_bytes().contains(&0))
    else {
        return Facts {
            statements: Vec::new(),
            classes: ClassSet::EMPTY,
            undescribed: Some(Undescribed::Encoding),
            fingerprint: Some(fingerprint::of_bytes(text)).into(),
        };
    };
    let (tokens, stopped) = lexer::tokens(text);
    let whole = stopped.is_none();
    let (mut statements, words) = first_opinion(valid, &tokens);
    let undescribed = match stopped {
        _ if statements.len() > MAX_STATEMENTS => {
            statements = Vec::new();
            Some(Undescribed::TooManyStatements)
        }
        Some(reason) => Some(reason),
        None if statements.is_empty() => None,
        None => {
            let view = View {
                text,
                tokens: &tokens,
                words,
            };
            let look = grammar::Look {
                below: hides_below(view),
                aliases: statements.iter().any(|s| !s.functions.is_empty()),
                depth,
            };
            second_opinion(valid, &tokens, look, &mut statements)
        }
    };
    let mut facts = Facts {
        statements,
        classes: ClassSet::EMPTY,
        undescribed,
        fingerprint: None.into(),
    };
    folded::add(valid, &tokens, depth, &mut facts);
    let all = facts.statements.iter().map(|statement| statement.classes);
    facts.classes = all.fold(ClassSet::EMPTY, ClassSet::union);
    let plain = facts.undescribed.is_none() && facts.statements.iter().all(is_plain);
    let now = || fingerprint::of_tokens(text, &tokens, whole);
    facts.fingerprint = match depth {
        _ if !plain => Some(now()).into(),
        Depth::Surface => None.into(),
        // Whoever asks for names has rules that any statement may break.
        Depth::Names => LateFingerprint::of(text, now),
    };
    facts
}

/// What the first opinion alone says about each statement; none where the lexer has to stop. For
/// tests, which compare it with the grammar's.
#[doc(hidden)]
pub fn first_opinion_alone(text: &str) -> Option<Vec<Statement>> {
    let (tokens, stopped) = lexer::tokens(text.as_bytes());
    stopped.is_none().then(|| first_opinion(text, &tokens).0)
}

/// Where each statement of a text begins, in bytes: its first token, as the tokens show it, however many there are
/// and whatever bytes. False: the lexer had to stop, and what is behind the last one is not known.
pub fn starts(text: &[u8]) -> (Vec<usize>, bool) {
    let (tokens, stopped) = lexer::tokens(text);
    let first = |view: View<'_>| view.tokens.first().map(|token| token.start as usize);
    let starts = view::statements(text, &tokens).filter_map(first).collect();
    (starts, stopped.is_none())
}

/// Nothing in it can lead to a refusal for what it does.
fn is_plain(statement: &Statement) -> bool {
    const PLAIN: ClassSet = ClassSet::of(Class::Read)
        .with(Class::Write)
        .with(Class::Transaction)
        .with(Class::Show)
        .with(Class::Cursor)
        .with(Class::Explain);
    PLAIN.union(statement.classes) == PLAIN
        && statement.parameters.is_empty()
        && statement.functions.is_empty()
        && statement.details.is_quiet()
}

/// Tokens and leading keywords; and the words that occur anywhere.
fn first_opinion(text: &str, tokens: &[Token]) -> (Vec<Statement>, Words) {
    let (mut bytes, mut before) = (0, 0);
    let mut words = Words::default();
    let views = view::statements(text.as_bytes(), tokens);
    // Nearly always there is one.
    let mut list = Vec::with_capacity(1);
    // One too many is enough to see that there are too many.
    for view in views.take(MAX_STATEMENTS + 1) {
        let mut statement = classify::statement(view);
        words = words.and(view.words);
        let start = view
            .tokens
            .first()
            .map_or(bytes, |token| token.start as usize);
        before += characters(&text.as_bytes()[bytes..start]);
        bytes = start;
        statement.position = before + 1;
        list.push(statement);
    }
    (list, words)
}

/// How many characters these bytes of UTF-8 are.
pub(crate) fn characters(bytes: &[u8]) -> u32 {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u32
}

/// PostgreSQL's grammar. Adds its classes, or says why it cannot.
fn second_opinion(
    text: &str,
    tokens: &[Token],
    look: grammar::Look,
    statements: &mut [Statement],
) -> Option<Undescribed> {
    let mut opinions = grammar::opinions(text, look);
    let mut blanked = None;
    if matches!(opinions, Err(grammar::Failure::Syntax(_))) {
        blanked = ahead::blanked(text, tokens);
        if let Some(blanked) = &blanked {
            opinions = grammar::opinions(blanked, look);
        }
    }
    match opinions {
        Ok(opinion) if opinion.len() != statements.len() => Some(Undescribed::Disagreement),
        Ok(opinion) => {
            let mut views = look
                .aliases
                .then(|| view::statements(text.as_bytes(), tokens));
            for (statement, opinion) in statements.iter_mut().zip(opinion) {
                if let Some(view) = views.as_mut().and_then(Iterator::next) {
                    aliases::not_calls(view, &opinion.aliases, &mut statement.functions);
                }
                statement.classes = statement.classes.union(opinion.classes);
                let first = std::mem::replace(&mut statement.details, opinion.details);
                statement.details.add(first);
            }
            None
        }
        Err(grammar::Failure::Syntax(message)) => {
            let position = locate(text, blanked.as_deref().unwrap_or(text), tokens, &message);
            let message = shortened(message);
            Some(Undescribed::Syntax { message, position })
        }
        Err(failure) => Some(failure.into()),
    }
}

/// Can a part of a query, and not only its top, write or lock rows? Has it WITH, FOR UPDATE, ...
fn hides_below(view: View<'_>) -> bool {
    let at = |at: usize| {
        view.is(at, "with")
            || (view.is(at, "for") && view.is_any(at + 1, &["update", "share", "no", "key"]))
    };
    view.words.any(Words::WITH.and(Words::FOR)) && (0..view.tokens.len()).any(at)
}

/// The message without most of a long token that it quotes: refusals wait in memory.
pub(super) fn shortened(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
        message.push_str("...\"");
    }
    message
}

/// Where a syntax error is: characters, from 1; 0 if that cannot be told.
///
/// The library keeps the position to itself, but the message quotes the token, and cutting the text
/// before the offending token (and only there or earlier) makes it fail "at end of input".
/// `read`: the text as the grammar got it, every token at the same place.
fn locate(text: &str, read: &str, tokens: &[Token], message: &str) -> u32 {
    if message.ends_with(grammar::END) {
        return characters(text.as_bytes()) + 1;
    }
    let Some(near) = message
        .split_once(" at or near \"")
        .and_then(|(_, rest)| rest.strip_suffix('"'))
    else {
        return 0;
    };
    let starts = tokens.iter().map(|token| token.start as usize);
    let places: Vec<usize> = starts
        .filter(|start| text[*start..].starts_with(near))
        .take(MAX_PLACES + 1)
        .collect();
    if let [only] = places.as_slice() {
        return characters(&text.as_bytes()[..*only]) + 1;
    }
    if places.len() > MAX_PLACES || text.len() > MAX_SEARCHED {
        return 0;
    }
    let behind = places.partition_point(|start| {
        grammar::syntax_error(&read[..*start]).is_none_or(|error| error.ends_with(grammar::END))
    });
    let found = behind.checked_sub(1).map(|last| places[last]);
    found.map_or(0, |start| characters(&text.as_bytes()[..start]) + 1)
}
