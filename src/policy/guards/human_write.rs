//! `human-write`: people read; data is changed by applications and by migrations.

use crate::policy::{Kind, Objection, State, Who};
use crate::sql::{Class, ClassSet, Facts, Statement};

const WRITES: ClassSet = ClassSet::of(Class::Write)
    .with(Class::CopyIn)
    .with(Class::Lock);

/// What is set in each transaction of logins that [only read](Who::only_reads): a parameter and its value. The server takes it
/// back from nobody, once anything was asked in that transaction.
pub const READS: (&str, &str) = ("transaction_read_only", "on");

/// Functions that change large objects or sequences, or send notifications; the other large object
/// functions read.
const WRITING_FUNCTIONS: [&str; 12] = [
    "lo_creat",
    "lo_create",
    "lo_from_bytea",
    "lo_put",
    "lo_truncate",
    "lo_truncate64",
    "lo_unlink",
    "lowrite",
    "nextval",
    "pg_logical_emit_message",
    "pg_notify",
    "setval",
];

/// Objects to INSERT, UPDATE, DELETE, MERGE, COPY FROM, NOTIFY, row and table locks, and functions that write large
/// objects or sequences or notify, of logins of kind human. How strong a table lock is, is not known here: all count.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    if who.login.kind != Kind::Human {
        return None;
    }
    let (statement, what) = facts
        .statements
        .iter()
        .find_map(|statement| Some((statement, what_is_written(statement)?)))?;
    Some(objection(&what, who).at(statement.position))
}

fn objection(what: &str, who: &Who) -> Objection {
    let login = &who.login.name;
    Objection::new(format!(
        "cannot execute {what} as login \"{login}\", which may only read"
    ))
    .detail("Data is changed by applications and in migration sessions, not by hand")
    .hint("Have the application do it, or put it into a script and run that in a migration session")
}

fn what_is_written(statement: &Statement) -> Option<String> {
    if statement.classes.intersects(WRITES) {
        let what = match statement.tag {
            "SELECT" | "EXPLAIN" | "PREPARE" => "a writing query",
            "COPY" if statement.classes.has(Class::CopyIn) => "COPY FROM STDIN",
            "COPY" => "COPY of a writing query",
            tag => tag,
        };
        return Some(what.to_owned());
    }
    if statement.details.row_lock {
        return Some("SELECT FOR UPDATE".to_owned());
    }
    if statement.tag == "NOTIFY" && statement.classes.has(Class::Notify) {
        return Some("NOTIFY".to_owned());
    }
    // What is only planned is not called.
    if statement.classes == ClassSet::of(Class::Explain) {
        return None;
    }
    let function = statement
        .functions
        .iter()
        .find(|name| WRITING_FUNCTIONS.contains(name))?;
    Some(format!("{function}()"))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::Guard;
    use crate::sql::{Class, Details, Facts, Statement};

    fn locking() -> Facts {
        message(vec![Statement {
            details: Details {
                row_lock: true,
                ..Details::default()
            },
            ..statement("SELECT", &[Class::Read])
        }])
    }

    #[test]
    fn a_person_changes_and_locks_no_rows() {
        for (text, what) in [
            (facts("INSERT", &[Class::Write]), "INSERT"),
            (facts("MERGE", &[Class::Write]), "MERGE"),
            (
                facts("SELECT", &[Class::Read, Class::Write]),
                "a writing query",
            ),
            (
                facts("EXPLAIN", &[Class::Explain, Class::Write]),
                "a writing query",
            ),
            (facts("COPY", &[Class::CopyIn]), "COPY FROM STDIN"),
            (
                facts("COPY", &[Class::CopyOut, Class::Write]),
                "COPY of a writing query",
            ),
            (facts("LOCK TABLE", &[Class::Lock]), "LOCK TABLE"),
            (locking(), "SELECT FOR UPDATE"),
            (calls(&["lo_unlink"]), "lo_unlink()"),
            (calls(&["setval"]), "setval()"),
            (calls(&["nextval"]), "nextval()"),
            (calls(&["pg_notify"]), "pg_notify()"),
            (
                calls(&["pg_logical_emit_message"]),
                "pg_logical_emit_message()",
            ),
            (facts("NOTIFY", &[Class::Notify]), "NOTIFY"),
        ] {
            let message = format!("cannot execute {what} as login \"boris\", which may only read");
            assert_refused(
                &text,
                &who("boris", "tools"),
                CLOSED,
                Guard::HumanWrite,
                &message,
            );
        }
    }

    #[test]
    fn people_read_and_others_write() {
        let boris = who("boris", "tools");
        for (tag, class) in [
            ("SELECT", Class::Read),
            ("COPY", Class::CopyOut),
            ("EXPLAIN", Class::Explain),
            ("BEGIN", Class::Transaction),
            ("FETCH", Class::Cursor),
        ] {
            assert_allowed(&facts(tag, &[class]), &boris, CLOSED);
        }
        assert_allowed(&calls(&["lo_get"]), &boris, CLOSED);
        assert_allowed(&facts("UNLISTEN", &[Class::Notify]), &boris, CLOSED);
        let planned = message(vec![Statement {
            functions: vec!["nextval"],
            ..statement("EXPLAIN", &[Class::Explain])
        }]);
        assert_allowed(&planned, &boris, CLOSED);
        for who in [acme(), who("shop_report", "tools")] {
            assert_allowed(&facts("INSERT", &[Class::Write]), &who, CLOSED);
            assert_allowed(&locking(), &who, CLOSED);
            assert_allowed(&calls(&["setval", "nextval", "pg_notify"]), &who, CLOSED);
            assert_allowed(&calls(&["pg_logical_emit_message"]), &who, CLOSED);
            assert_allowed(&facts("NOTIFY", &[Class::Notify]), &who, CLOSED);
            assert_allowed(&facts("LOCK TABLE", &[Class::Lock]), &who, CLOSED);
        }
        assert_allowed(&facts("INSERT", &[Class::Write]), &migrator(), OPEN);
        let writes = facts("INSERT", &[Class::Write]);
        let off = policy("human-write = \"off\"");
        assert_allowed(&writes, &who_under(&off, "boris", "tools"), CLOSED);
    }
}
