//! How a message that means a statement goes on, by the name that the server has for it.

use super::Called;
use crate::conversation::Conversation;
use crate::conversation::client::{Message, Step};
use crate::conversation::injection::PoolName;
use crate::conversation::splice::Splice;
use crate::protocol::frame::{self, HEADER, Header, put_cstr};
use crate::zone::NAME_LENGTH;

impl Conversation {
    /// Carries a Bind, with the statement called so.
    pub(in crate::conversation) fn pass_bind(
        &mut self,
        message: Message<'_>,
        portal: &[u8],
        name: &[u8],
        called: Called,
        out: &mut Splice<'_>,
    ) -> Step {
        let at_pool = match called {
            Called::AtPool(number) => self.pool_name(number, name),
            _ => None,
        };
        let [first, second]: [&[u8]; 2] = match (&called, &at_pool) {
            (_, Some(at_pool)) => at_pool.parts(),
            (Called::Ours(ours), None) => [&ours[..], b""],
            (Called::Unnamed, None) if !name.is_empty() => [b"", b""],
            _ => return self.pass(message, out),
        };
        let step = self.drop_message(message);
        self.client_body.dropped = false;
        let length = message.header.total - 1 - name.len() + first.len() + second.len();
        let bytes = out.insert();
        bytes.push(b'B');
        bytes.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_be_bytes());
        put_cstr(bytes, portal);
        bytes.extend_from_slice(first);
        put_cstr(bytes, second);
        let behind = HEADER + portal.len() + 1 + name.len() + 1;
        let there = message.header.total.min(message.bytes.len());
        out.keep(message.at + behind..message.at + there);
        step
    }

    /// Carries Describe of a statement, called so.
    pub(in crate::conversation) fn pass_describe(
        &mut self,
        message: Message<'_>,
        name: &[u8],
        called: Called,
        out: &mut Splice<'_>,
    ) -> Step {
        let at_pool = match called {
            Called::ByName => return self.pass(message, out),
            Called::AtPool(number) => self.pool_name(number, name),
            _ => None,
        };
        match at_pool {
            Some(name) => put_statement(out.insert(), b'D', name),
            None => put_describe(out.insert()),
        }
        self.drop_message(message)
    }

    /// Carries Close of a statement. The server has none of this name, unless the pool follows it (`followed`: its number):
    /// then the answer comes from a portal that nobody has. (PgBouncer that follows names would answer
    /// for a statement by itself, and sometimes before what was sent earlier; measured on 1.24.)
    pub(in crate::conversation) fn pass_close(
        &mut self,
        message: Message<'_>,
        name: &[u8],
        followed: Option<u64>,
        out: &mut Splice<'_>,
    ) -> Step {
        if name.is_empty() {
            self.statements.lost();
        }
        if name.is_empty() || !self.remembers() {
            return self.pass(message, out);
        }
        if let Some(name) = followed.and_then(|number| self.pool_name(number, name)) {
            put_statement(out.insert(), b'C', name);
            return self.drop_message(message);
        }
        let nowhere = self.nowhere;
        frame::message(out.insert(), b'C', |out| {
            out.push(b'P');
            put_cstr(out, &nowhere);
        });
        self.drop_message(message)
    }

    /// Puts out an error that names what only the pool was told, by the client's name; false: it does not.
    pub(in crate::conversation) fn by_the_clients_name(
        &self,
        header: Header,
        bytes: &[u8],
        out: &mut Splice<'_>,
    ) -> bool {
        let Some((name, message)) = self.pool_name(0, b"").zip(bytes.get(..header.total)) else {
            return false;
        };
        let own = name.parts()[0];
        let connection = &own[..NAME_LENGTH];
        let is_own = |it: &[u8]| {
            let number = it.strip_prefix(connection);
            number.is_some_and(|number| number.iter().all(u8::is_ascii_hexdigit))
        };
        let Some(at) = message.windows(own.len()).position(is_own) else {
            return false;
        };
        frame::message(out.insert(), header.kind, |out| {
            out.extend_from_slice(&message[HEADER..at]);
            out.extend_from_slice(&message[at + own.len()..]);
        });
        true
    }
}

/// Appends Describe or Close of a statement that the pool follows.
pub fn put_statement(out: &mut Vec<u8>, kind: u8, name: PoolName<'_>) {
    frame::message(out, kind, |out| {
        out.push(b'S');
        name.put(out);
    });
}

/// Appends Describe of the server's unnamed statement.
pub fn put_describe(out: &mut Vec<u8>) {
    out.extend_from_slice(b"D\0\0\0\x06S\0");
}
