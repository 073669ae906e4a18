//! `server-role`: what stands behind a login at the server, which no policy file can know. Judged at
//! login, by what the server says of the role.

use crate::error::SqlState;
use crate::policy::objection::quoted;
use crate::policy::{Kind, Mode, Objection, Who};
use crate::sql::quote::identifier;

use super::super::Guard;

/// What makes a server role more than the grants that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// No grant and no row-level security holds it.
    Superuser,
    /// No row-level security holds it.
    Bypassrls,
    /// It owns tables, or is a member of the role that does.
    Owner,
}

/// A table, and the role that owns it. The table's name is as SQL writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// `public.orders`
    pub table: Box<str>,
    /// The owner.
    pub owner: Box<str>,
    /// Its row-level security is enabled and not forced: who owns it bypasses it.
    pub bypassed: bool,
}

/// What the server says of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerRole {
    /// The role that acts; not always the one that was asked for, as PgBouncer can put another there.
    pub name: Box<str>,
    /// Is it a superuser?
    pub superuser: bool,
    /// Has it BYPASSRLS?
    pub bypassrls: bool,
    /// A table of its own; one that is `bypassed`, if there is any.
    pub owned: Option<Owned>,
}

/// Is the role behind this login to be looked at, on the connection that is being opened for it? Not where
/// the whole policy observes, as nothing is sent there then that the client did not send; nor where nothing
/// could be refused.
pub fn is_looked_at(who: &Who) -> bool {
    !who.observes() && may_object(who)
}

/// Is it to be looked at on another connection, where the whole policy observes?
pub fn is_looked_at_aside(who: &Who) -> bool {
    who.observes() && may_object(who)
}

fn may_object(who: &Who) -> bool {
    who.login.kind != Kind::Migrator
        && who.policy.mode(Guard::ServerRole) != Mode::Off
        && !allows(who, Power::Superuser)
}

/// A superuser is all the others too.
fn allows(who: &Who, power: Power) -> bool {
    let allowed = &who.login.allow_server_role;
    allowed.contains(&power) || allowed.contains(&Power::Superuser)
}

/// Objects to superusers, to BYPASSRLS and to owners: with a zone to owners of any table, otherwise to
/// those of tables whose row-level security they bypass.
pub fn judge(role: &ServerRole, who: &Who) -> Option<Objection> {
    let name = quoted(&role.name);
    let refused = |power, found| (found && !allows(who, power)).then_some(());
    if refused(Power::Superuser, role.superuser).is_some() {
        return Some(
            Objection::new(format!("server role \"{name}\" is a superuser"))
                .detail("No grant and no row-level security holds a superuser")
                .hint("Give the login a lesser role, server_role = \"...\" in the policy; if it must be this one, allow_server_role = [\"superuser\"]"),
        );
    }
    if refused(Power::Bypassrls, role.bypassrls).is_some() {
        return Some(bypasses(&name).detail("It has BYPASSRLS").hint(format!(
            "Run ALTER ROLE {} NOBYPASSRLS; if it must be so, allow_server_role = [\"bypassrls\"] in the policy",
            identifier(&role.name)
        )));
    }
    if allows(who, Power::Owner) {
        return None;
    }
    let owned = role.owned.as_ref()?;
    let table = &owned.table;
    if who.zone_is_guarded() {
        // Forcing row-level security would not be enough: an owner can undo it.
        let detail = format!(
            "{}; an owner decides on row-level security, which keeps each {} apart",
            owns(role, owned),
            who.noun()
        );
        let hint = format!(
            "Run ALTER TABLE {table} OWNER TO a role that only migrations use; if it must be so, allow_server_role = [\"owner\"] in the policy"
        );
        let message = format!("server role \"{name}\" owns tables");
        return Some(Objection::new(message).detail(detail).hint(hint));
    }
    let detail = format!(
        "{} with row-level security that is not forced",
        owns(role, owned)
    );
    let hint = format!(
        "Run ALTER TABLE {table} FORCE ROW LEVEL SECURITY; if it must be so, allow_server_role = [\"owner\"] in the policy"
    );
    owned
        .bypassed
        .then(|| bypasses(&name).detail(detail).hint(hint))
}

/// Objects to a role that could not be looked at. `why`: a sentence without its full stop.
pub fn unseen(role: &str, why: &str) -> Objection {
    let name = quoted(role);
    Objection::new(format!("server role \"{name}\" could not be looked at"))
        .sqlstate(SqlState::NOT_READY)
        .detail(why)
        .hint("Connect again in a moment")
}

fn bypasses(name: &str) -> Objection {
    Objection::new(format!(
        "server role \"{name}\" bypasses row-level security"
    ))
}

fn owns(role: &ServerRole, Owned { table, owner, .. }: &Owned) -> String {
    match role.name == *owner {
        true => format!("It owns table {table}"),
        false => format!(
            "As a member of role \"{}\" it owns table {table}",
            quoted(owner)
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::Policy;

    const POLICY: &str = r#"schema = 1
environment = "test"
[zone]
parameter = "app.tenant_id"
databases = ["shop"]
noun = "tenant"
[login.acme]
kind = "service"
databases = ["shop", "tools"]
zone = "acme"
[login.boris]
kind = "human"
databases = ["shop", "tools"]
[login.migrator]
kind = "migrator"
databases = ["shop"]
"#;

    fn under(text: &str, login: &str, database: &str) -> Who {
        let policy = Arc::new(Policy::parse(text, "test.toml").unwrap().0);
        Who {
            login: Arc::clone(&policy.logins[login]),
            policy,
            database: database.into(),
        }
    }

    /// Boris, allowed these.
    fn boris(allowed: &str, database: &str) -> Who {
        let with = format!("[login.boris]\nallow_server_role = {allowed}");
        under(&POLICY.replace("[login.boris]", &with), "boris", database)
    }

    fn ordinary() -> ServerRole {
        ServerRole {
            name: "app".into(),
            superuser: false,
            bypassrls: false,
            owned: None,
        }
    }

    fn owned(owner: &str, bypassed: bool) -> Option<Owned> {
        Some(Owned {
            table: "public.orders".into(),
            owner: owner.into(),
            bypassed,
        })
    }

    /// Roles with one power each, and the word for it.
    fn powerful() -> [(ServerRole, &'static str); 3] {
        let superuser = ServerRole {
            superuser: true,
            ..ordinary()
        };
        let bypassrls = ServerRole {
            bypassrls: true,
            ..ordinary()
        };
        let owner = ServerRole {
            owned: owned("app", true),
            ..ordinary()
        };
        [
            (superuser, "superuser"),
            (bypassrls, "bypassrls"),
            (owner, "owner"),
        ]
    }

    #[test]
    fn an_ordinary_role_passes_everywhere() {
        for (login, database) in [("acme", "shop"), ("acme", "tools"), ("boris", "tools")] {
            assert!(judge(&ordinary(), &under(POLICY, login, database)).is_none());
        }
    }

    #[test]
    fn each_power_is_allowed_by_its_word_and_all_by_superuser() {
        for (role, word) in powerful() {
            for other in ["superuser", "bypassrls", "owner"] {
                for database in ["shop", "tools"] {
                    let objection = judge(&role, &boris(&format!("[\"{other}\"]"), database));
                    let passes = other == word || other == "superuser";
                    assert_eq!(objection.is_none(), passes, "{word}, {other}, {database}");
                }
            }
        }
    }

    #[test]
    fn the_words_say_what_was_found_and_what_to_run() {
        let said = |role: &ServerRole, database| {
            let objection = judge(role, &boris("[]", database)).unwrap();
            assert_eq!(objection.sqlstate, SqlState::POLICY);
            let part = |text: Option<String>| text.unwrap();
            (
                objection.message,
                part(objection.detail),
                part(objection.hint),
            )
        };
        let [(superuser, _), (bypassrls, _), (owner, _)] = powerful();
        assert_eq!(
            said(&superuser, "tools").0,
            "server role \"app\" is a superuser"
        );
        let (message, detail, hint) = said(&bypassrls, "tools");
        assert_eq!(message, "server role \"app\" bypasses row-level security");
        assert_eq!(detail, "It has BYPASSRLS");
        assert!(
            hint.starts_with("Run ALTER ROLE \"app\" NOBYPASSRLS"),
            "{hint}"
        );
        let (message, detail, hint) = said(&owner, "tools");
        assert_eq!(message, "server role \"app\" bypasses row-level security");
        assert_eq!(
            detail,
            "It owns table public.orders with row-level security that is not forced"
        );
        let start = "Run ALTER TABLE public.orders FORCE ROW LEVEL SECURITY";
        assert!(hint.starts_with(start), "{hint}");
        let (message, detail, hint) = said(&owner, "shop");
        assert_eq!(message, "server role \"app\" owns tables");
        assert!(detail.contains("keeps each tenant apart"), "{detail}");
        assert!(
            hint.starts_with("Run ALTER TABLE public.orders OWNER TO"),
            "{hint}"
        );
        let member = ServerRole {
            owned: owned("dba", true),
            ..ordinary()
        };
        let detail = said(&member, "shop").1;
        assert!(
            detail.starts_with("As a member of role \"dba\" it owns"),
            "{detail}"
        );
    }

    #[test]
    fn owners_of_tables_that_hide_nothing_pass_only_where_there_is_no_zone() {
        let role = ServerRole {
            owned: owned("app", false),
            ..ordinary()
        };
        assert!(judge(&role, &under(POLICY, "boris", "tools")).is_none());
        assert!(judge(&role, &under(POLICY, "boris", "shop")).is_some());
        // It has a zone, whatever the database is.
        assert!(judge(&role, &under(POLICY, "acme", "tools")).is_some());
    }

    #[test]
    fn migrators_observing_policies_and_superusers_by_right_are_not_looked_at() {
        assert!(is_looked_at(&under(POLICY, "boris", "tools")));
        assert!(!is_looked_at(&under(POLICY, "migrator", "shop")));
        assert!(!is_looked_at(&boris("[\"superuser\"]", "tools")));
        assert!(is_looked_at(&boris("[\"bypassrls\", \"owner\"]", "tools")));
        for (line, looked_at) in [("off", false), ("observe", true), ("enforce", true)] {
            let text = format!("{POLICY}[guards]\nserver-role = \"{line}\"\n");
            assert_eq!(is_looked_at(&under(&text, "boris", "tools")), looked_at);
        }
        let observes = POLICY.replacen("[zone]", "mode = \"observe\"\n[zone]", 1);
        let observed = under(&observes, "boris", "tools");
        assert!(!is_looked_at(&observed) && is_looked_at_aside(&observed));
        assert!(!is_looked_at_aside(&under(&observes, "migrator", "shop")));
        assert!(!is_looked_at_aside(&under(POLICY, "boris", "tools")));
    }
}
