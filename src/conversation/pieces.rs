//! A Query whose text begins or ends transactions among other statements, where something has to be set
//! in each of them: it goes to the server in pieces, each when the one before it is answered. To the client
//! it is one Query: one ReadyForQuery, and nothing runs behind an error.
//!
//! What stands outside of a transaction block is one transaction, and a BEGIN behind it takes it into its block, a
//! COMMIT or ROLLBACK ends it: they go in one piece. Inside of a block any piece will do: each has no more statements
//! than a worker describes itself.
//!
//! Each piece keeps its place: what stands before it in the client's text is blank, so that positions in
//! errors are the client's. It is judged again, by what is known when its turn comes.

use std::ops::Range;
use std::sync::Arc;

use super::client::{Message, Step};
use super::judge::too_busy;
use super::needs::{joins, moves};
use super::query::Sending;
use super::splice::Splice;
use super::{Context, Conversation, Observer};
use crate::protocol::TransactionStatus;
use crate::sql::{Class, Facts, MANY_STATEMENTS, Statement, TransactionControl, is_long, weight};

/// What is known about the Query at the head of the client's bytes, which goes in pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Of all of it, and the bytes that they take.
    whole: Arc<Facts>,
    bytes: usize,
    /// Statements that were sent.
    sent: usize,
    /// One of them is unanswered.
    running: bool,
    /// The client was given an error: nothing more is sent.
    failed: bool,
    /// The statements of the piece that was given away to be described.
    given: Option<Range<usize>>,
}

impl Pieces {
    /// Of a Query that was judged, and of which nothing was sent yet.
    pub fn new(whole: Arc<Facts>) -> Self {
        Self {
            bytes: size_of::<Self>() + weight(&whole),
            whole,
            sent: 0,
            running: false,
            failed: false,
            given: None,
        }
    }

    /// What is kept of them, but for the text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Conversation {
    /// The next piece of `pieces`, those of the Query at the head, or its end; nothing is in flight. Each call describes that piece, or gives
    /// it away: what the whole took has been another's turn of the worker.
    pub(super) fn next_piece<O: Observer>(
        &mut self,
        message: Message<'_>,
        text: &[u8],
        mut pieces: Box<Pieces>,
        cx: &mut Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Step {
        if pieces.failed {
            return self.drop_message(message);
        }
        let whole = Arc::clone(&pieces.whole);
        let open = self.status != TransactionStatus::Idle;
        let begins = pieces.sent == 0;
        let enters = |it: &Statement| self.enters_behind(it);
        // Behind a RESET that is the last nothing has to be left.
        let is_last = |it: &Statement| {
            whole
                .statements
                .last()
                .is_some_and(|last| std::ptr::eq(last, it))
        };
        let within = |it: &Statement| enters(it) && (self.sets_zone(it) || !is_last(it));
        if begins && !can_be_cut(&whole.statements, text.len(), open, within) {
            return self.refuse_mixed(message, &whole, cx, out, reply);
        }
        let end = end(&whole.statements, pieces.sent, open, enters);
        let Some(mut body) = cut(text, &whole.statements, pieces.sent..end) else {
            return self.refuse_mixed(message, &whole, cx, out, reply);
        };
        let given = pieces.given.take() == Some(pieces.sent..end);
        let facts = match cx.described.take().filter(|_| given) {
            Some(facts) => facts,
            None if !is_long(&body) => cx.facts.describe(&body),
            None if cx.busy => {
                return self.refuse_simple(message, too_busy(cx.who), cx, out, reply);
            }
            None => {
                pieces.given = Some(pieces.sent..end);
                self.pieces = Some(pieces);
                return Step::Describe {
                    text: body,
                    goes_on: !begins,
                };
            }
        };
        body.push(0);
        let meant = whole.statements.get(pieces.sent..end);
        if !meant.is_some_and(|meant| are_same(&facts, meant)) {
            return self.refuse_mixed(message, &whole, cx, out, reply);
        }
        let refusal = self.judge_again(&facts, cx);
        let refusal = refusal.or_else(|| self.reaches_for_names(&facts, cx.who));
        if let Some(refusal) = refusal.or_else(|| self.parameters_say_too_much(&facts, cx.who)) {
            return self.refuse_simple(message, refusal, cx, out, reply);
        }
        match self.send_query(None, &body, &facts, cx, out) {
            Sending::Sent if end == whole.statements.len() => {
                return Step::Done(message.header.total);
            }
            Sending::Sent => {
                pieces.sent = end;
                pieces.running = true;
            }
            Sending::Wait => {}
            Sending::Mixed => return self.refuse_mixed(message, &whole, cx, out, reply),
            Sending::Refused(refusal) => {
                return self.refuse_simple(message, refusal, cx, out, reply);
            }
        }
        self.pieces = Some(pieces);
        Step::Hold
    }

    /// Is what the statement sets entered behind it? Then it stands alone.
    fn enters_behind(&self, statement: &Statement) -> bool {
        let injection = self.injection.as_ref();
        injection.is_some_and(|injection| injection.enters_behind(statement))
    }

    fn sets_zone(&self, statement: &Statement) -> bool {
        let injection = self.injection.as_ref();
        injection.is_some_and(|injection| injection.sets_zone(statement))
    }

    /// Were pieces of a Query sent of which more is to come? One that was only judged is like one that has just come.
    pub(super) fn is_in_pieces(&self) -> bool {
        self.pieces.as_ref().is_some_and(|pieces| pieces.sent > 0)
    }

    /// The client gets an error for what is running.
    pub(super) fn piece_failed(&mut self) {
        if let Some(pieces) = self.pieces.as_mut().filter(|pieces| pieces.running) {
            pieces.failed = true;
        }
    }

    /// ReadyForQuery of a Query: is it one that the client does not see, because more of its text follows?
    pub(super) fn piece_ended(&mut self) -> bool {
        let running = self.pieces.as_mut().filter(|pieces| pieces.running);
        running.is_some_and(|pieces| {
            pieces.running = false;
            !pieces.failed
        })
    }
}

/// Longer texts (bytes) do not go in pieces: looking for the place of each takes as long as all before it.
pub(super) const LONGEST_IN_PIECES: usize = 1 << 20;

/// More statements that stand alone than this in one text are refused: each piece is as long as all before it.
const MAX_ALONE: usize = 64;
/// So are as many of them in a text so long that all of its pieces together could take more bytes than this.
const MAX_SENT: usize = 16 << 20;

/// Can pieces of their own do what the statements of a text of `length` bytes do together? `open`: in a transaction block. Not where modes
/// are set, or a block is chained to, outside of a block, nor where a zone that is entered behind its statement
/// (`enters`) is set there, nor where more statements are one transaction there than a worker describes.
pub(super) fn can_be_cut(
    statements: &[Statement],
    length: usize,
    open: bool,
    enters: impl Fn(&Statement) -> bool,
) -> bool {
    use TransactionControl::{Begin, Commit, Rollback, Savepoint, SetTransaction, TwoPhase};
    let mut open = open;
    let mut together = 0;
    let alone = statements.iter().filter(|it| moves(it) || enters(it));
    let alone = alone.count();
    let few = alone <= MAX_ALONE && alone * length <= MAX_SENT;
    few && statements.iter().all(|statement| {
        let (can, now_open) = match statement.transaction.filter(|_| moves(statement)) {
            None | Some(Savepoint) => {
                let can = !statement.classes.has(Class::CopyIn) && (open || !enters(statement));
                (can, open)
            }
            Some(SetTransaction) => (open, open),
            Some(Begin) => (true, true),
            Some(Commit { chain: false } | Rollback { chain: false }) => (true, false),
            Some(Commit { chain: true } | Rollback { chain: true }) => (open, true),
            Some(TwoPhase) => (false, false),
        };
        together = match open || moves(statement) {
            true => 0,
            false => together + 1,
        };
        open = now_open;
        can && together <= MANY_STATEMENTS
    })
}

/// Behind the last statement of the piece that starts with `from`: what moves the transaction stands alone, but
/// for what joins those before it where no block is `open`, and so does what `enters`.
fn end(
    statements: &[Statement],
    from: usize,
    open: bool,
    enters: impl Fn(&Statement) -> bool,
) -> usize {
    let alone = |statement: &Statement| moves(statement) || enters(statement);
    let most = match open {
        true => statements.len().min(from + MANY_STATEMENTS),
        false => statements.len(),
    };
    let mut behind = statements[..most].iter().enumerate().skip(from);
    match behind.next() {
        Some((_, first)) if alone(first) => from + 1,
        _ => match behind.find(|(_, statement)| alone(statement)) {
            Some((at, next)) => at + usize::from(!open && joins(next)),
            None => most,
        },
    }
}

/// The text of these statements, behind as many blanks as characters stand before them; nothing where they are not
/// where they should be.
fn cut(text: &[u8], statements: &[Statement], piece: Range<usize>) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let place = |statement: &Statement| {
        let before = (statement.position as usize).checked_sub(1)?;
        // Not by `char_indices`, which looks at each.
        let mut rest = text.chars();
        if let Some(skipped) = before.checked_sub(1) {
            rest.nth(skipped)?;
        }
        let place = text.len() - rest.as_str().len();
        (place < text.len()).then_some((place, before))
    };
    let (start, before) = match piece.start {
        // With the comments that stand ahead of everything.
        0 => (0, 0),
        from => place(statements.get(from)?)?,
    };
    let end = match statements.get(piece.end) {
        Some(next) => place(next)?.0,
        None => text.len(),
    };
    let piece = text.get(start..end)?.as_bytes();
    let mut body = Vec::with_capacity(before + piece.len() + 1);
    body.resize(before, b' ');
    body.extend_from_slice(piece);
    Some(body)
}

/// Does a piece, read alone, say what it says in the whole?
fn are_same(piece: &Facts, meant: &[Statement]) -> bool {
    let same = |(one, other): (&Statement, &Statement)| {
        (one.tag, one.position, one.transaction, one.classes)
            == (other.tag, other.position, other.transaction, other.classes)
            && one.parameters == other.parameters
    };
    piece.undescribed.is_none()
        && piece.statements.len() == meant.len()
        && piece.statements.iter().zip(meant).all(same)
}
