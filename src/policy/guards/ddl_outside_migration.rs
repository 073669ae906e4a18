//! `ddl-outside-migration`: the schema, roles and privileges change only in a migration session.

mod temporary;

use super::session_state;
use crate::policy::rights::in_migration_session;
use crate::policy::{Objection, State, Who};
use crate::sql::{Class, ClassSet, Facts, Statement};

const CHANGES: ClassSet = ClassSet::of(Class::Ddl).with(Class::Role);

/// Objects to DDL, TRUNCATE, SELECT INTO, roles and grants, however they are wrapped, and to writes to
/// the catalogs that hold what those define.
///
/// A service may have temporary tables: on the transaction route those that are gone when it is over (ON COMMIT
/// DROP), on the session route any.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    if in_migration_session(who, state) {
        return None;
    }
    let changing = |statement: &&Statement| statement.classes.intersects(CHANGES);
    facts
        .statements
        .iter()
        .filter(changing)
        .find_map(|statement| {
            let objection = match temporary::judge(statement, who) {
                Some(free) => free.err()?,
                // No migration: a library makes it, calls it and drops it again.
                None if session_state::temporary::is_routine(statement) => {
                    outside(statement.tag, who).hint(session_state::temporary::INLINE)
                }
                None => outside(statement.tag, who),
            };
            let objection = objection.at(statement.position);
            Some(match statement.details.catalog {
                true => objection.detail("It writes to a catalog"),
                false => objection,
            })
        })
}

/// The words for whatever needs a migration session and has none.
pub(super) fn outside(tag: &str, who: &Who) -> Objection {
    let hint = match who.policy.help_url {
        Some(_) => "Run it in a migration session".to_owned(),
        None => format!(
            "Ask a DBA for a migration session: portcullis migration run --database {} --reason \"...\" -- <your tool>",
            who.database
        ),
    };
    Objection::new(format!("cannot execute {tag} outside a migration session")).hint(hint)
}

/// For a migrator whose session is over: nothing at all is left to it.
pub fn ended(facts: &Facts) -> Objection {
    Objection::new("the migration session has ended")
        .detail("A migrator can do nothing outside an open migration session")
        .hint("Open another migration session")
        .at(facts
            .statements
            .first()
            .map_or(0, |statement| statement.position))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;

    #[test]
    fn ddl_roles_and_their_disguises_are_refused() {
        for (tag, classes) in [
            ("CREATE TABLE", &[Class::Ddl][..]),
            ("TRUNCATE TABLE", &[Class::Ddl]),
            ("SELECT INTO", &[Class::Read, Class::Ddl]),
            ("CREATE TABLE AS", &[Class::Explain, Class::Ddl]),
            ("CREATE TABLE AS", &[Class::Prepare, Class::Ddl]),
            ("GRANT", &[Class::Role]),
        ] {
            for who in [acme(), who("boris", "tools")] {
                let message = format!("cannot execute {tag} outside a migration session");
                assert_refused(
                    &facts(tag, classes),
                    &who,
                    CLOSED,
                    Guard::DdlOutsideMigration,
                    &message,
                );
                assert_refused(
                    &facts(tag, classes),
                    &who,
                    OPEN,
                    Guard::DdlOutsideMigration,
                    &message,
                );
            }
        }
    }

    #[test]
    fn the_refusal_reads_as_promised() {
        let refusal = refused(&facts("CREATE TABLE", &[Class::Ddl]), &acme(), CLOSED);
        assert_eq!(refusal.sqlstate.as_str(), "42501");
        assert_eq!(
            refusal.detail,
            "Login \"shop_acme\" on database \"shop\" was refused by guard \"ddl-outside-migration\""
        );
        let hint = "Ask a DBA for a migration session: portcullis migration run --database shop --reason \"...\" -- <your tool>.";
        assert_eq!(refusal.hint.as_deref(), Some(hint));
        assert_eq!(
            (&*refusal.policy_file, refusal.policy_line),
            ("test.toml", 20)
        );
    }

    #[test]
    fn a_function_of_the_session_is_no_matter_of_a_migration() {
        let hint = |text: &str| {
            let facts = crate::sql::describe(text.as_bytes());
            refused(&facts, &acme(), CLOSED).hint.unwrap_or_default()
        };
        // As Sequelize writes it.
        let text = "CREATE OR REPLACE FUNCTION pg_temp.testfunc(OUT response \"orders\", OUT sequelize_caught_exception text) RETURNS RECORD AS $f$ BEGIN END $f$ LANGUAGE plpgsql; SELECT 1; DROP FUNCTION IF EXISTS pg_temp.testfunc();";
        assert_eq!(
            hint(text),
            "Send what it does as a statement (Sequelize: findCreateFind() in place of findOrCreate())."
        );
        let text = text.replace("pg_temp", "public");
        assert!(hint(&text).starts_with("Ask a DBA"), "{text}");
    }

    #[test]
    fn the_operators_page_closes_the_hint() {
        let mut who = acme();
        let mut policy = (*who.policy).clone();
        policy.help_url = Some("https://wiki.example.com/db/{guard}".into());
        who.policy = policy.into();
        let refusal = refused(&facts("CREATE TABLE", &[Class::Ddl]), &who, CLOSED);
        let hint =
            "Run it in a migration session; see https://wiki.example.com/db/ddl-outside-migration";
        assert_eq!(refusal.hint.as_deref(), Some(hint));
    }

    #[test]
    fn the_position_is_that_of_the_statement() {
        let text = message(vec![
            statement("SELECT", &[Class::Read]),
            statement("DROP TABLE", &[Class::Ddl]),
        ]);
        assert_eq!(refused(&text, &acme(), CLOSED).position, 11);
    }

    #[test]
    fn a_migrator_works_while_its_session_is_open_and_not_a_statement_longer() {
        for (tag, class) in [
            ("CREATE TABLE", Class::Ddl),
            ("GRANT", Class::Role),
            ("SELECT", Class::Read),
            ("SET ROLE", Class::RoleChange),
        ] {
            assert_allowed(&facts(tag, &[class]), &migrator(), OPEN);
            let refusal = refused(&facts(tag, &[class]), &migrator(), CLOSED);
            assert_eq!(
                (refusal.guard, &*refusal.message),
                (
                    Guard::DdlOutsideMigration,
                    "the migration session has ended"
                )
            );
        }
        let off = who_under(
            &policy("ddl-outside-migration = \"off\""),
            "migrator",
            "shop",
        );
        refused(&facts("SELECT", &[Class::Read]), &off, CLOSED);
        assert_allowed(&message(Vec::new()), &migrator(), CLOSED);
    }
}
