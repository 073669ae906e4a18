//! `denied-relations`: what a login may not touch at all.

use crate::policy::rule::may_name;
use crate::policy::{Objection, State, Who};
use crate::sql::Facts;

/// Objects to statements that name a relation which is denied to the login, whatever they do to it,
/// and to statements whose relations are not known: they could name one.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let denied = &who.login.denied_relations;
    if denied.is_empty() {
        return None;
    }
    facts.statements.iter().find_map(|statement| {
        let objection = match &statement.details.relations {
            None if may_name(statement) => {
                Objection::unknown_names(statement, "the relations that it touches are not known")
                    .detail("One of them could be denied")
            }
            None => return None,
            Some(touches) => {
                let touch = touches
                    .iter()
                    .find(|touch| denied.iter().any(|name| name.fits(&touch.relation)))?;
                Objection::new(format!(
                    "relation \"{}\" is denied to login \"{}\"",
                    touch.relation, who.login.name
                ))
                .hint("Connect as a login that may use it")
            }
        };
        Some(objection.at(statement.position))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::{Guard, Who};
    use crate::sql::{Class, Facts, RelationAct};

    const GUARDS: &str = r#"
[guards.denied-relations]
all = ["vault.keys", "vault.secret_*"]
human = ["public.cards"]
[login.jobs]
kind = "service"
databases = ["tools"]
denied_relations = ["public.customers"]
"#;

    fn login(name: &str) -> Who {
        who_under(&policy(GUARDS), name, "tools")
    }

    fn reads(name: &str) -> Facts {
        touches(
            "SELECT",
            &[Class::Read],
            &[
                ("public.orders", RelationAct::Read),
                (name, RelationAct::Read),
            ],
        )
    }

    fn denied(text: &Facts, name: &str, relation: &str) {
        let message = format!("relation \"{relation}\" is denied to login \"{name}\"");
        assert_refused(text, &login(name), CLOSED, Guard::DeniedRelations, &message);
    }

    #[test]
    fn a_login_touches_nothing_that_is_denied_to_all_its_kind_or_itself() {
        for name in ["boris", "jobs", "shop_report"] {
            denied(&reads("vault.keys"), name, "vault.keys");
            denied(&reads("secret_names"), name, "secret_names");
        }
        denied(&reads("public.cards"), "boris", "public.cards");
        denied(&reads("cards"), "boris", "cards");
        denied(&reads("customers"), "jobs", "customers");
        for act in [RelationAct::Insert, RelationAct::Update, RelationAct::Lock] {
            let text = touches("INSERT", &[Class::Write], &[("customers", act)]);
            denied(&text, "jobs", "customers");
        }
        let migrator = who_under(&policy(GUARDS), "migrator", "shop");
        let drop = touches(
            "DROP TABLE",
            &[Class::Ddl],
            &[("vault.keys", RelationAct::Define)],
        );
        let message = "relation \"vault.keys\" is denied to login \"migrator\"";
        assert_refused(&drop, &migrator, OPEN, Guard::DeniedRelations, message);
    }

    #[test]
    fn the_others_may_and_other_relations_are_free() {
        assert_allowed(&reads("public.cards"), &login("jobs"), CLOSED);
        assert_allowed(&reads("public.customers"), &login("boris"), CLOSED);
        assert_allowed(&reads("shop.cards"), &login("boris"), CLOSED);
        assert_allowed(&reads("vault"), &login("boris"), CLOSED);
    }

    #[test]
    fn what_is_not_known_could_be_denied() {
        let message = "cannot execute SELECT: the relations that it touches are not known";
        let unknown = facts("SELECT", &[Class::Read]);
        assert_refused(
            &unknown,
            &login("boris"),
            CLOSED,
            Guard::DeniedRelations,
            message,
        );
        for (tag, class) in [
            ("BEGIN", Class::Transaction),
            ("SHOW", Class::Show),
            ("FETCH", Class::Cursor),
            ("SET", Class::Parameter),
        ] {
            assert_allowed(&facts(tag, &[class]), &login("boris"), CLOSED);
        }
        assert_allowed(&unknown, &who("boris", "tools"), CLOSED);
    }
}
