//! `append-only`: what has been written down stays as it was.

use crate::policy::{Objection, State, Who};
use crate::sql::{Class, Facts, RelationAct, Statement};

/// Objects to UPDATE, DELETE and TRUNCATE of the relations that the policy names, of every login and
/// in migration sessions too. A write whose relations are not known could be one.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let only = &who.policy.options.append_only;
    if only.is_empty() {
        return None;
    }
    facts.statements.iter().find_map(|statement| {
        let Some(touches) = &statement.details.relations else {
            return takes_away(statement).then(|| unknown(statement));
        };
        let touch = touches.iter().find(|touch| {
            changes(touch.act, statement) && only.iter().any(|name| name.fits(&touch.relation))
        })?;
        let what = match touch.act {
            RelationAct::Update => "UPDATE",
            RelationAct::Delete => "DELETE FROM",
            _ => "TRUNCATE",
        };
        let name = &touch.relation;
        Some(
            Objection::new(format!("cannot {what} \"{name}\", which is append-only"))
                .hint("Add a row that corrects the other")
                .at(statement.position),
        )
    })
}

const TRUNCATE: &str = "TRUNCATE TABLE";

fn changes(act: RelationAct, statement: &Statement) -> bool {
    match act {
        RelationAct::Update | RelationAct::Delete | RelationAct::Truncate => true,
        RelationAct::Define => statement.tag == TRUNCATE,
        RelationAct::Read | RelationAct::Insert | RelationAct::Lock => false,
    }
}

fn takes_away(statement: &Statement) -> bool {
    statement.classes.has(Class::Write) || statement.tag == TRUNCATE
}

fn unknown(statement: &Statement) -> Objection {
    Objection::unknown_names(statement, "the relations that it changes are not known")
        .detail("One of them could be append-only")
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::{Guard, Who};

    const GUARDS: &str =
        "[guards.append-only]\nrelations = [\"public.audit_events\", \"audit.log_*\"]";

    fn acme() -> Who {
        who_under(&policy(GUARDS), "shop_acme", "shop")
    }

    fn touching(tag: &'static str, class: Class, name: &str, act: RelationAct) -> Facts {
        touches(tag, &[class], &[(name, act)])
    }

    #[test]
    fn what_is_written_down_is_neither_changed_nor_taken_away() {
        let migrator = who_under(&policy(GUARDS), "migrator", "shop");
        for name in ["public.audit_events", "audit_events", "audit.log_2026"] {
            for (tag, act, what) in [
                ("UPDATE", RelationAct::Update, "UPDATE"),
                ("INSERT", RelationAct::Update, "UPDATE"),
                ("DELETE", RelationAct::Delete, "DELETE FROM"),
            ] {
                let text = touching(tag, Class::Write, name, act);
                let message = format!("cannot {what} \"{name}\", which is append-only");
                assert_refused(&text, &acme(), CLOSED, Guard::AppendOnly, &message);
                assert_refused(&text, &migrator, OPEN, Guard::AppendOnly, &message);
            }
            for act in [RelationAct::Truncate, RelationAct::Define] {
                let text = touching(TRUNCATE, Class::Ddl, name, act);
                let message = format!("cannot TRUNCATE \"{name}\", which is append-only");
                assert_refused(&text, &migrator, OPEN, Guard::AppendOnly, &message);
            }
        }
    }

    #[test]
    fn it_grows_is_read_and_altered_and_other_relations_are_free() {
        for text in [
            touching("INSERT", Class::Write, "audit_events", RelationAct::Insert),
            touching("COPY", Class::CopyIn, "audit_events", RelationAct::Insert),
            touching("SELECT", Class::Read, "audit_events", RelationAct::Read),
            touching("SELECT", Class::Read, "audit_events", RelationAct::Lock),
            touching("DELETE", Class::Write, "orders", RelationAct::Delete),
            touching(
                "DELETE",
                Class::Write,
                "pg_temp.audit_events",
                RelationAct::Delete,
            ),
            touches(
                "INSERT",
                &[Class::Write],
                &[
                    ("audit_events", RelationAct::Insert),
                    ("orders", RelationAct::Read),
                ],
            ),
        ] {
            assert_allowed(&text, &acme(), CLOSED);
        }
        let migrator = who_under(&policy(GUARDS), "migrator", "shop");
        let alter = touching(
            "ALTER TABLE",
            Class::Ddl,
            "audit_events",
            RelationAct::Define,
        );
        assert_allowed(&alter, &migrator, OPEN);
    }

    #[test]
    fn what_is_not_known_could_be_one() {
        let message = "cannot execute UPDATE: the relations that it changes are not known";
        let unknown = facts("UPDATE", &[Class::Write]);
        assert_refused(&unknown, &acme(), CLOSED, Guard::AppendOnly, message);
        assert_allowed(&facts("SELECT", &[Class::Read]), &acme(), CLOSED);
        assert_allowed(&unknown, &super::super::fixture::acme(), CLOSED);
        assert_allowed(
            &unknown,
            &who_under(
                &policy(&format!("{GUARDS}\nmode = \"off\"")),
                "shop_acme",
                "shop",
            ),
            CLOSED,
        );
    }
}
