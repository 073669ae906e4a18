//! DEALLOCATE of one name, where statements are remembered (`super`): the server has none of that name
//! to take. It gets UNLISTEN in its place, which does nothing and fails where DEALLOCATE would, and
//! behind its answer the name is taken from this client, as by Close. A name that this client has not
//! is PostgreSQL's 26000, from here: what others have prepared is out of reach.

use super::passing::put_statement;
use crate::conversation::client::{Message, Step};
use crate::conversation::extended::{Lookup, unknown_statement};
use crate::conversation::in_flight::{Expected, Space};
use crate::conversation::reading::put_rewritten;
use crate::conversation::server::Step as Answer;
use crate::conversation::splice::Splice;
use crate::conversation::{Batch, Context, Conversation, Observer};
use crate::error::SqlState;
use crate::policy::{Guard, Objection, Refusal, Who};
use crate::protocol::TransactionStatus;
use crate::protocol::frame::{self, SYNC, put_cstr};
use crate::sql::{Facts, Statement};

/// What to do where DEALLOCATE stands beside other statements.
pub(in crate::conversation) const SEND_ALONE: &str =
    "Send DEALLOCATE alone, or let the driver close it";

/// The name that a DEALLOCATE takes.
fn of(statement: &Statement) -> Option<&str> {
    let localized = statement.details.localized.as_ref()?;
    localized.deallocates.as_deref()
}

impl Conversation {
    /// Is the text a DEALLOCATE that is not for the server? It is, where SQL has prepared something on
    /// this connection, which the policy can let pass.
    pub(in crate::conversation) fn deallocates<'f>(&self, facts: &'f Facts) -> Option<&'f str> {
        let [statement] = &facts.statements[..] else {
            return None;
        };
        let name = of(statement)?;
        let injection = self.injection.as_ref();
        let by_sql = injection.is_some_and(|injection| injection.has_prepared_by_sql());
        let known = || self.names.statement(name.as_bytes()).is_some();
        (self.remembers() && (!by_sql || known())).then_some(name)
    }

    /// A Query that is DEALLOCATE of a name.
    pub(in crate::conversation) fn query_deallocate<O: Observer>(
        &mut self,
        message: Message<'_>,
        facts: &Facts,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
        reply: &mut Vec<u8>,
    ) -> Step {
        let name = self.deallocates(facts).unwrap_or_default().as_bytes();
        let followed = match self.lookup(name, out) {
            Lookup::Wait => return Step::Hold,
            Lookup::Unknown => {
                let refusal = unknown_statement(cx.who, name);
                return self.refuse_simple(message, refusal, cx, out, reply);
            }
            Lookup::Known(prepared) => prepared.number_at_pool(),
        };
        if let Some(number) = followed {
            self.close_at_pool(number, name, out);
        }
        frame::message(out.insert(), b'Q', |out| {
            put_rewritten(out, message.text(), &self.rewrites(facts));
            out.push(0);
        });
        self.in_flight
            .push_change(Expected::DeallocatingQuery, Space::Statement, name, None);
        self.unnamed_portal_is_taken();
        self.statements.lost();
        // Outside of a transaction it is one of its own, which ends what was open implicitly.
        if let Some(injection) = &mut self.injection {
            injection.batch_ended();
        }
        self.batch = Batch::Closed;
        self.drop_message(message)
    }

    /// Execute of a DEALLOCATE of a name.
    pub(in crate::conversation) fn execute_deallocate<O: Observer>(
        &mut self,
        message: Message<'_>,
        facts: &Facts,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Step {
        let name = facts.statements.first().and_then(of);
        let name = name.unwrap_or_default().as_bytes();
        match self.lookup(name, out) {
            Lookup::Wait => return Step::Hold,
            Lookup::Unknown => {
                let refusal = unknown_statement(cx.who, name);
                return self.refuse_extended(message, refusal, cx, out);
            }
            // PgBouncer would answer Close by itself, before what was sent earlier: it keeps this one.
            Lookup::Known(prepared) if prepared.followed => self.doubt(name.into()),
            Lookup::Known(_) => {}
        }
        self.in_flight
            .push_change(Expected::Deallocate, Space::Statement, name, None);
        self.batch = Batch::Open;
        self.pass(message, out)
    }

    /// A pool that follows a statement is told that it goes; where other answers are due it keeps it.
    fn close_at_pool(&mut self, number: u64, name: &[u8], out: &mut Splice<'_>) {
        if self.status == TransactionStatus::Failed || !self.in_flight.is_empty() {
            return self.doubt(name.into());
        }
        if let Some(name) = self.pool_name(number, name) {
            put_statement(out.insert(), b'C', name);
        }
        out.insert().extend_from_slice(SYNC);
        self.in_flight.push(Expected::CleanupClose);
        self.in_flight.push(Expected::CleanupSync);
        // Should the statement fail, the name stays and is sent again.
        self.names.unfollow_one(name);
    }

    /// The server has answered what was sent for DEALLOCATE.
    pub(in crate::conversation) fn deallocated(
        &mut self,
        head: Expected,
        out: &mut Splice<'_>,
    ) -> Answer {
        match head {
            Expected::DeallocatingQuery => {
                if let Some(name) = self.in_flight.deallocated() {
                    self.names.change(Space::Statement, name, None);
                }
            }
            _ => self.changed(),
        }
        frame::message(out.insert(), b'C', |out| put_cstr(out, b"DEALLOCATE"));
        Answer::Replaced
    }

    /// DEALLOCATE of a name of the client's beside other statements, which would not reach it.
    pub(in crate::conversation) fn deallocates_among_others(
        &self,
        facts: &Facts,
        who: &Who,
    ) -> Option<Box<Refusal>> {
        let known = |it: &&Statement| {
            let name = of(it);
            name.is_some_and(|name| self.names.statement(name.as_bytes()).is_some())
        };
        let mut statements = facts.statements.iter();
        let position = statements.find(known)?.position;
        let objection = Objection::new(
            "cannot execute DEALLOCATE beside other statements on a pooled connection",
        )
        .sqlstate(SqlState::UNSUPPORTED)
        .detail("The server knows nothing of what the driver has prepared")
        .hint(SEND_ALONE)
        .at(position);
        Some(Box::new(objection.refuse(
            Guard::SessionState,
            who,
            facts.fingerprint(),
        )))
    }
}
