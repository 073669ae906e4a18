//! `phase-expand`: a migration session that was opened to expand the schema takes nothing away from
//! the code that still runs.

use crate::policy::rights::{NOBODY, in_expand_session};
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts, Loss, Statement, TakesAway};

/// Objects to whatever is not known to add only, and to code that cannot be seen. Functions that run
/// text as SQL are the business of `dangerous-functions`, in such a session, too.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if !in_expand_session(who, state) {
        return None;
    }
    match facts.undescribed {
        Some(_) => Some(unjudged()),
        None => facts.statements.iter().find_map(statement),
    }
}

fn statement(statement: &Statement) -> Option<Objection> {
    let classes = statement.classes;
    let objection = if classes.has(Class::Procedural) {
        hidden(statement.tag)
    } else if classes.is_empty() || classes.intersects(NOBODY) {
        unjudged()
    } else {
        taken(statement.details.takes_away.as_deref()?, statement.tag)
    };
    Some(objection.at(statement.position))
}

fn taken(away: &TakesAway, tag: &str) -> Objection {
    let message = match &*away.what {
        "" => format!("cannot execute {tag} in an expand session"),
        what => format!("cannot {what} in an expand session"),
    };
    let (detail, hint) = match away.loss {
        Loss::Gone => (
            "The code that still runs may need what it takes away",
            "Do it in a contract session, after the release that no longer needs it",
        ),
        Loss::Stricter => (
            "The code that still runs may write rows that it refuses",
            "Do it in a contract session, after the release that keeps to it",
        ),
        Loss::NoValue => (
            "The code that still runs writes rows without it",
            "Give it a default",
        ),
        Loss::Unknown => (
            "It is not known to add only",
            "Do it in a contract session, after the release that does not mind it",
        ),
    };
    Objection::new(message).detail(detail).hint(hint)
}

/// DO and CALL.
fn hidden(tag: &str) -> Objection {
    Objection::new(format!("cannot execute {tag} in an expand session"))
        .detail("What its code does cannot be judged")
        .hint("Send the statements that it would run by themselves")
}

fn unjudged() -> Objection {
    Objection::new("cannot execute a statement that cannot be judged in an expand session")
        .detail("It is not known to add only")
        .hint("Write it in a form that PostgreSQL's grammar knows")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::{Guard, Phase, Verdict, decide};
    use crate::sql::{Undescribed, describe};

    const EXPAND: State = State {
        phase: Some(Phase::Expand),
        ..OPEN
    };
    const CONTRACT: State = State {
        phase: Some(Phase::Contract),
        ..OPEN
    };

    fn is_refused(text: &str, state: State) -> bool {
        let facts = describe(text.as_bytes());
        matches!(
            decide(&facts, &migrator(), state).verdict,
            Verdict::Refuse(_)
        )
    }

    #[test]
    fn an_expand_session_adds_and_takes_nothing_away() {
        for (text, message) in [
            (
                "ALTER TABLE orders DROP note",
                "cannot drop column \"note\" of table \"orders\" in an expand session",
            ),
            (
                "select 1; truncate orders",
                "cannot truncate table \"orders\" in an expand session",
            ),
            (
                "revoke select on orders from app",
                "cannot execute REVOKE in an expand session",
            ),
            (
                "alter role app nologin",
                "cannot execute ALTER ROLE in an expand session",
            ),
            (
                "do $$ begin end $$",
                "cannot execute DO in an expand session",
            ),
            ("call p()", "cannot execute CALL in an expand session"),
        ] {
            let facts = describe(text.as_bytes());
            assert_refused(&facts, &migrator(), EXPAND, Guard::PhaseExpand, message);
            assert_allowed(&facts, &migrator(), OPEN);
            assert_allowed(&facts, &migrator(), CONTRACT);
        }
        for text in [
            "alter table orders add note text",
            "create table t (id int); create index on t (id)",
            "delete from orders",
            "select count(*) from orders",
            "grant select on orders to app",
            "",
        ] {
            assert_allowed(&describe(text.as_bytes()), &migrator(), EXPAND);
        }
    }

    #[test]
    fn the_refusal_reads_as_the_others_do() {
        let facts = describe(b"select 1; alter table orders drop note");
        let refusal = refused(&facts, &migrator(), EXPAND);
        assert_eq!(
            refusal.detail,
            "The code that still runs may need what it takes away. Login \"migrator\" on database \"shop\" \
             was refused by guard \"phase-expand\""
        );
        assert_eq!(
            refusal.hint.as_deref(),
            Some("Do it in a contract session, after the release that no longer needs it.")
        );
        assert_eq!((refusal.sqlstate.as_str(), refusal.position), ("42501", 11));
        for (text, hint) in [
            (
                "alter table orders add n int not null",
                "Give it a default.",
            ),
            (
                "create unique index on orders (n)",
                "Do it in a contract session, after the release that keeps to it.",
            ),
            (
                "alter policy p on orders using (true)",
                "Do it in a contract session, after the release that does not mind it.",
            ),
            (
                "do $$ begin end $$",
                "Send the statements that it would run by themselves.",
            ),
        ] {
            let refusal = refused(&describe(text.as_bytes()), &migrator(), EXPAND);
            assert_eq!(refusal.hint.as_deref(), Some(hint), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_judged_is_refused_by_it_alone() {
        let mut text = undescribed(Undescribed::Internal);
        assert!(judge(&text, &migrator(), EXPAND).is_some());
        assert!(judge(&text, &migrator(), OPEN).is_none());
        text = facts("?", &[Class::Unknown]);
        assert!(judge(&text, &migrator(), EXPAND).is_some());
        text = facts("?", &[]);
        assert!(judge(&text, &migrator(), EXPAND).is_some());
        assert!(judge(&facts("SELECT", &[Class::Read]), &migrator(), EXPAND).is_none());
    }

    #[test]
    fn functions_that_carry_statements_are_refused_as_outside() {
        for text in [
            "select query_to_xml('drop table orders', true, true, '')",
            "select dblink_exec('', 'drop table orders')",
            "prepare p as select query_to_xml($1, true, true, '')",
            "select pg_drop_replication_slot('s')",
        ] {
            let refusal = refused(&describe(text.as_bytes()), &migrator(), EXPAND);
            assert_eq!(refusal.guard, Guard::DangerousFunctions, "{text}");
            assert!(
                !is_refused(text, OPEN) && !is_refused(text, CONTRACT),
                "{text}"
            );
        }
    }

    #[test]
    fn others_are_not_bound_and_modes_hold() {
        let drop = describe(b"drop table orders");
        let outside = refused(&drop, &acme(), EXPAND);
        assert_eq!(outside.guard, Guard::DdlOutsideMigration);
        let over = State {
            migration_open: false,
            ..EXPAND
        };
        assert_eq!(
            refused(&drop, &migrator(), over).message,
            "the migration session has ended"
        );
        let off = who_under(&policy("phase-expand = \"off\""), "migrator", "shop");
        assert_allowed(&drop, &off, EXPAND);
        let observing = who_under(&policy("phase-expand = \"observe\""), "migrator", "shop");
        let decision = decide(&drop, &observing, EXPAND);
        assert_eq!(decision.verdict, Verdict::Allow);
        assert!(decision.observed.has(Guard::PhaseExpand));
    }
}
