//! The labels of the metrics and all values each may take. Every set is closed, so that the number
//! of time series has a bound that no client can move.

use crate::conversation::Change;
use crate::policy::Guard;
use crate::sql::{Class, ClassSet};

/// A label's name and its values; the position in `values` is the index of the value's counter.
#[derive(Debug)]
pub struct Label {
    /// As Prometheus shows it.
    pub name: &'static str,
    /// All values, in the order of the enum they stand for.
    pub values: &'static [&'static str],
}

/// Declares an enum together with the words that stand for its members in a label.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$member_doc])* $member,)+ }

        impl $name {
            /// The words of the label, in the order of the enum.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];
        }
    };
}

words! {
    /// What became of a statement.
    Judged {
        /// Forwarded.
        Allowed = "allowed",
        /// Answered with an error by a guard.
        Refused = "refused",
        /// Forwarded although a guard in observe mode would have refused it.
        Observed = "observed",
    }
}

words! {
    /// Why a client was turned away for being one too many.
    Rejected {
        /// `max_client_conn` clients are logged in; told with SQLSTATE 53300 after the password.
        MaxClientConn = "max-client-conn",
        /// Too many sockets have not logged in: this one, or the newest of the address that has most.
        Arriving = "arriving",
    }
}

words! {
    /// How a client began.
    HandshakeKind {
        /// A startup packet in plaintext.
        Plain = "plain",
        /// TLS after SSLRequest.
        Tls = "tls",
        /// TLS from the first byte.
        DirectTls = "direct-tls",
        /// A cancel request, over any transport.
        Cancel = "cancel",
        /// GSSENCRequest, answered `N`.
        GssEnc = "gssenc",
        /// None of these.
        Bad = "bad",
    }
}

words! {
    /// How a handshake ended.
    HandshakeOutcome {
        /// The startup packet (or cancel request) was accepted.
        Ok = "ok",
        /// Slower than `client_login_timeout`.
        Timeout = "timeout",
        /// Well formed, but not allowed here (plaintext where TLS is required).
        Refused = "refused",
        /// Malformed, or the connection broke.
        Error = "error",
    }
}

words! {
    /// How a login ended.
    LoginOutcome {
        /// In.
        Ok = "ok",
        /// No such login; the client saw the same as for a wrong password.
        Unknown = "unknown-login",
        /// The proof did not match.
        WrongPassword = "wrong-password",
        /// The policy does not grant the database to the login.
        NotGranted = "not-granted",
        /// The server holds another verifier of the same role: the password may well be right.
        VerifierMismatch = "verifier-mismatch",
        /// The login needs a server key and there is none.
        NoServerKey = "no-server-key",
        /// The migration session does not exist, is closed or has expired.
        MigrationClosed = "migration-closed",
        /// Too many connections of this login.
        LimitReached = "limit-reached",
        /// The proxy is starting or draining.
        NotReady = "not-ready",
        /// No server of the route could be reached.
        NoServer = "no-server",
        /// The server refused the login for a reason of its own.
        ServerRefused = "server-refused",
        /// The server role is more than the policy allows, or could not be looked at.
        ServerRole = "server-role",
        /// Slower than `client_login_timeout`.
        Timeout = "timeout",
        /// The client broke the protocol or went away.
        Protocol = "protocol",
    }
}

words! {
    /// What became of a cancel request.
    CancelOutcome {
        /// Passed on to the server that runs the query.
        Forwarded = "forwarded",
        /// No connection has this key.
        UnknownKey = "unknown-key",
        /// Nothing was running at the server for this key.
        Idle = "idle",
        /// One with the same key waited already, and does for both.
        Merged = "merged",
        /// Over the limit of requests at a time, or too many wrong secrets came for this key lately.
        Limited = "limited",
        /// The server, or the peer, could not be reached in time.
        Failed = "failed",
        /// Passed on to the peer whose key it is.
        PassedOn = "passed-on",
    }
}

words! {
    /// Why a proof that zones are kept apart failed.
    IsolationFailure {
        /// A zone was shown the canary row of the other one.
        OtherZone = "other-zone",
        /// A canary row was shown to a transaction without a zone.
        NoZone = "no-zone",
        /// A zone was not shown its own canary row: nothing is proven by what it does not see.
        MissingRow = "missing-row",
        /// A listed table is not there, has no such column, or may not be read; or none was found.
        MissingTable = "missing-table",
        /// No server of the route could be reached, or the connection was lost.
        Unreachable = "unreachable",
        /// The server refused the login.
        Login = "login",
        /// The policy or the server keys do not have what is asked with.
        Setup = "setup",
        /// The server answered with an error.
        Error = "error",
        /// The proof took longer than its `timeout`.
        Timeout = "timeout",
    }
}

words! {
    /// Files that are read together while the proxy runs.
    Files {
        /// The policy.
        Policy = "policy",
        /// Users and server keys.
        Users = "users",
        /// Certificates, keys and CA files.
        Tls = "tls",
    }
}

words! {
    /// What came of reading files again.
    Reload {
        /// They are in force.
        Ok = "ok",
        /// One of them, or of those asked for with them, is not valid: nothing has changed.
        Failed = "failed",
    }
}

words! {
    /// Where forwarded bytes went.
    Direction {
        /// From the client to the server.
        ToServer = "to-server",
        /// From the server to the client.
        ToClient = "to-client",
    }
}

/// What a statement does: [`Class::id`].
pub static CLASS: Label = Label {
    name: "class",
    values: &CLASS_WORDS,
};
/// What became of it.
pub static VERDICT: Label = Label {
    name: "verdict",
    values: Judged::WORDS,
};
/// Who refused it: [`Guard::id`].
pub static GUARD: Label = Label {
    name: "guard",
    values: &GUARD_WORDS,
};
/// Which servers a client is led to; in the order of [`RouteName`](crate::policy::RouteName).
pub static ROUTE: Label = Label {
    name: "route",
    values: &["transaction", "session", "replication"],
};
/// Which pool an application is led to; in the order of [`RouteName`](crate::policy::RouteName).
pub static POOL_ROUTE: Label = Label {
    name: "route",
    values: &["transaction", "session"],
};
/// What an enforcing policy would have done: [`Change::id`].
pub static CHANGE: Label = Label {
    name: "change",
    values: &CHANGE_WORDS,
};
/// Why a client was turned away.
pub static REJECTED: Label = Label {
    name: "reason",
    values: Rejected::WORDS,
};
/// How a client began.
pub static KIND: Label = Label {
    name: "kind",
    values: HandshakeKind::WORDS,
};
/// How the handshake ended.
pub static HANDSHAKE: Label = Label {
    name: "outcome",
    values: HandshakeOutcome::WORDS,
};
/// How the login ended.
pub static LOGIN: Label = Label {
    name: "outcome",
    values: LoginOutcome::WORDS,
};
/// What became of a cancel request.
pub static CANCEL: Label = Label {
    name: "outcome",
    values: CancelOutcome::WORDS,
};
/// Why a proof that zones are kept apart failed.
pub static ISOLATION: Label = Label {
    name: "reason",
    values: IsolationFailure::WORDS,
};
/// Files that are read together.
pub static FILES: Label = Label {
    name: "files",
    values: Files::WORDS,
};
/// What came of reading them again.
pub static RELOAD: Label = Label {
    name: "outcome",
    values: Reload::WORDS,
};
/// Where bytes went.
pub static DIRECTION: Label = Label {
    name: "direction",
    values: Direction::WORDS,
};
/// The first two characters of a SQLSTATE.
pub static SQLSTATE_CLASS: Label = Label {
    name: "sqlstate_class",
    values: &SQLSTATE_CLASSES,
};

const CLASS_WORDS: [&str; Class::ALL.len()] = {
    let mut words = [""; Class::ALL.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = Class::ALL[i].id();
        i += 1;
    }
    words
};

const GUARD_WORDS: [&str; Guard::ALL.len()] = {
    let mut words = [""; Guard::ALL.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = Guard::ALL[i].id();
        i += 1;
    }
    words
};

const CHANGE_WORDS: [&str; Change::ALL.len()] = {
    let mut words = [""; Change::ALL.len()];
    let mut i = 0;
    while i < words.len() {
        words[i] = Change::ALL[i].id();
        i += 1;
    }
    words
};

/// The classes of PostgreSQL's documentation, appendix "PostgreSQL Error Codes" (version 18), that an
/// ErrorResponse can carry, and `other` for everything else (extensions may raise any SQLSTATE).
const SQLSTATE_CLASSES: [&str; 42] = [
    "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "22", "23", "24", "25",
    "26", "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "53",
    "54", "55", "57", "58", "72", "F0", "HV", "P0", "XX", "other",
];

/// The index of a SQLSTATE's class in [`SQLSTATE_CLASS`].
pub fn sqlstate_class(sqlstate: &[u8; 5]) -> usize {
    let other = SQLSTATE_CLASSES.len() - 1;
    SQLSTATE_CLASSES[..other]
        .iter()
        .position(|class| class.as_bytes() == &sqlstate[..2])
        .unwrap_or(other)
}

/// Classes from the most to the least restricted one: what few may do comes before what all may do.
const BY_RESTRICTION: [Class; Class::ALL.len()] = [
    Class::Unknown,
    Class::CopyProgram,
    Class::CopyFile,
    Class::Replication,
    Class::RoleChange,
    Class::Role,
    Class::Ddl,
    Class::Maintenance,
    Class::Procedural,
    Class::SessionState,
    Class::Lock,
    Class::Notify,
    Class::CopyIn,
    Class::Write,
    Class::CopyOut,
    Class::Parameter,
    Class::Cursor,
    Class::Prepare,
    Class::Execute,
    Class::Deallocate,
    Class::Transaction,
    Class::Explain,
    Class::Show,
    Class::Read,
];

/// The one class under which a message with several is counted: the most restricted of them
/// (`EXPLAIN ANALYZE CREATE TABLE AS` is `ddl`). `None` for an empty query, which is not counted.
pub fn primary_class(classes: ClassSet) -> Option<Class> {
    BY_RESTRICTION.into_iter().find(|class| classes.has(*class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_restricted_class_stands_for_the_set() {
        let explain_ctas = ClassSet::of(Class::Explain)
            .with(Class::Ddl)
            .with(Class::Read);
        assert_eq!(primary_class(explain_ctas), Some(Class::Ddl));
        let cte = ClassSet::of(Class::Read).with(Class::Write);
        assert_eq!(primary_class(cte), Some(Class::Write));
        assert_eq!(primary_class(ClassSet::of(Class::Read)), Some(Class::Read));
        assert_eq!(primary_class(ClassSet::EMPTY), None);
    }

    #[test]
    fn every_class_has_a_place_in_the_order() {
        for class in Class::ALL {
            assert_eq!(primary_class(ClassSet::of(class)), Some(class));
        }
    }

    #[test]
    fn a_sqlstate_belongs_to_one_known_class_or_to_other() {
        let word = |sqlstate| SQLSTATE_CLASSES[sqlstate_class(sqlstate)];
        assert_eq!(word(b"42501"), "42");
        assert_eq!(word(b"XX000"), "XX");
        assert_eq!(word(b"0A000"), "0A");
        assert_eq!(word(b"ZZ123"), "other");
        assert_eq!(word(b"other"), "other");
        assert_eq!(word(b"\xff\x00\x00\x00\x00"), "other");
    }

    #[test]
    fn no_label_has_a_value_twice() {
        for label in [
            &CLASS,
            &VERDICT,
            &GUARD,
            &CHANGE,
            &REJECTED,
            &KIND,
            &HANDSHAKE,
            &LOGIN,
            &CANCEL,
            &ISOLATION,
            &ROUTE,
            &POOL_ROUTE,
            &FILES,
            &RELOAD,
            &DIRECTION,
            &SQLSTATE_CLASS,
        ] {
            let mut values = label.values.to_vec();
            values.sort_unstable();
            values.dedup();
            assert_eq!(values.len(), label.values.len(), "label {}", label.name);
        }
    }
}
