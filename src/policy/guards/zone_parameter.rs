//! `zone-parameter`: only Portcullis sets the parameter that row-level security reads.

use super::lexing_parameters::COMPUTED_NAME;
use crate::policy::{Objection, State, Who};
use crate::sql::{
    Bound, Class, ClassSet, Facts, ParameterName, ParameterTouch, ParameterUse, Statement,
    TransactionControl,
};

/// Objects to setting, resetting or discarding the zone parameter, and to parameters whose name is
/// computed: it could be this one. RESET ALL and DISCARD ALL take the zone away from what stands
/// behind them in the same message, and from triggers that are put off to its end; as its last statement,
/// behind none that writes or calls a function, and RESET ALL before others that only tidy up, they are what drivers and pools
/// send between two users, and whatever comes next gets the zone again.
///
/// A login that chooses its zone may set and reset it, where the value can be read: which one it may
/// be is asked by `zone-not-granted`. Nobody may set the mark that a signed zone can be.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    if let Some(statement) = facts.statements.iter().find(|it| marks(it, who)) {
        let message = "parameters called \"portcullis\" belong to Portcullis";
        return Some(Objection::new(message).at(statement.position));
    }
    let chooses = who.grant().is_some();
    let too_late = match chooses {
        // What it gives back is set to nothing behind it.
        true => u32::MAX,
        false => first_too_late(facts),
    };
    let place = last_that_does_more(facts)..too_late;
    let Touch {
        statement, touch, ..
    } = touches(facts, who).find(|touch| {
        let clears = clears(touch.touch) && place.contains(&touch.statement.position);
        !(clears || (chooses && touch.is_readable()))
    })?;
    let objection = match (chooses, &touch.name) {
        (_, ParameterName::Dynamic) => computed(who),
        (true, _) => unreadable(who),
        (false, _) => fixed(who),
    };
    Some(objection.at(statement.position))
}

/// The objection to setting the parameter.
fn fixed(who: &Who) -> Objection {
    let (noun, login) = (who.noun(), &who.login.name);
    let message = match who.zone() {
        Some(_) => {
            format!("{noun} of login \"{login}\" is fixed and cannot be set, reset or discarded")
        }
        None => format!("login \"{login}\" has no {noun} and cannot set one"),
    };
    Objection::new(message).hint(format!(
        "Leave it out: Portcullis sets the {noun} of every transaction"
    ))
}

/// The objection to a name that is computed: it could be that of the parameter, and is often another's.
fn computed(who: &Who) -> Objection {
    let (noun, login) = (who.noun(), &who.login.name);
    let message = match (who.grant(), who.zone()) {
        (Some(_), _) => format!("cannot tell which {noun} this sets"),
        (None, Some(_)) => {
            format!("cannot tell whether this sets the {noun} of login \"{login}\", which is fixed")
        }
        (None, None) => {
            format!("cannot tell whether this sets a {noun}, and login \"{login}\" has none")
        }
    };
    Objection::new(message)
        .detail("The name of the parameter is computed")
        .hint(COMPUTED_NAME)
}

/// What Portcullis's own parameters begin with: the mark of a signed zone can be one (`deploy/sql`).
pub const OWN: &str = "portcullis.";

/// Does it set or reset one of those?
fn marks(statement: &Statement, who: &Who) -> bool {
    let own =
        |name: &ParameterName| matches!(name, ParameterName::Named(name) if name.starts_with(OWN));
    who.zone_is_guarded() && statement.parameters.iter().any(|touch| own(&touch.name))
}

/// The objection to a zone that cannot be read before it is set.
pub fn unreadable(who: &Who) -> Objection {
    let (noun, parameter) = (who.noun(), who.zone_parameter().unwrap_or_default());
    Objection::new(format!("cannot tell which {noun} this sets"))
        .detail(format!(
            "The {noun} must be a string constant, or a bound value of type text"
        ))
        .hint(format!(
            "SET {parameter} = '...', or SELECT set_config('{parameter}', $1, true) with a string; \
             of a number or a UUID its text"
        ))
}

/// The position of the last statement that does more than tidy up; 0: none does.
fn last_that_does_more(facts: &Facts) -> u32 {
    let mut behind = facts.statements.iter().rev();
    let does_more = behind.find(|statement| !tidies(statement));
    does_more.map_or(0, |statement| statement.position)
}

/// The position of the first RESET ALL ahead of which something may have been left for the end of its transaction, which
/// is that of the message: triggers that are put off, a cursor WITH HOLD. Any query may call a function that writes.
fn first_too_late(facts: &Facts) -> u32 {
    use TransactionControl::{Commit, Rollback, TwoPhase};
    const LEAVE_NOTHING: ClassSet = ClassSet::of(Class::Parameter)
        .with(Class::Transaction)
        .with(Class::Show);
    let mut owes = false;
    let late = facts.statements.iter().find(|statement| {
        let ends = matches!(
            statement.transaction,
            Some(Commit { .. } | Rollback { .. } | TwoPhase)
        );
        let leaves = !statement.classes.minus(LEAVE_NOTHING).is_empty();
        let leaves = (leaves || !statement.functions.is_empty()) && !tidies(statement);
        // The server runs DISCARD ALL in no message of several.
        let resets = statement.parameters.iter().any(clears) && statement.tag != "DISCARD ALL";
        let late = owes && resets;
        owes = leaves || (owes && !ends);
        late
    });
    late.map_or(u32::MAX, |statement| statement.position)
}

/// Does it only give back what a session has, without a look at any row? Of calls only that of
/// `pg_advisory_unlock_all`. Not DISCARD ALL, which the server runs in no message of several.
fn tidies(statement: &Statement) -> bool {
    let resets = |touch: &ParameterTouch| touch.how == ParameterUse::Reset;
    let gives_back = match statement.tag {
        "SELECT" => return statement.unlocks_all,
        "CLOSE CURSOR" | "UNLISTEN" | "DISCARD PLANS" | "DISCARD SEQUENCES" | "DISCARD TEMP"
        | "DEALLOCATE ALL" => statement.parameters.is_empty(),
        "SET" | "RESET" => {
            !statement.parameters.is_empty() && statement.parameters.iter().all(resets)
        }
        _ => false,
    };
    const OTHERS: ClassSet = ClassSet::of(Class::Cursor)
        .with(Class::Notify)
        .with(Class::SessionState)
        .with(Class::Deallocate)
        .with(Class::Parameter)
        .with(Class::RoleChange);
    gives_back && statement.functions.is_empty() && statement.classes.minus(OTHERS).is_empty()
}

/// RESET ALL, DISCARD ALL: every parameter goes back to what the session began with.
fn clears(touch: &ParameterTouch) -> bool {
    touch.name == ParameterName::All && touch.how == ParameterUse::Reset
}

/// A place where the zone parameter is touched, or may be.
pub(super) struct Touch<'f> {
    pub statement: &'f Statement,
    pub touch: &'f ParameterTouch,
    /// What of it is in the Bind message.
    bound: Option<&'f Bound>,
}

impl Touch<'_> {
    /// Can it be told, now or from the Bind message, what is set? Or is it set back?
    fn is_readable(&self) -> bool {
        let told =
            self.touch.value.is_some() || self.bound.is_some_and(|bound| bound.value.is_some());
        let named = matches!(self.touch.name, ParameterName::Named(_));
        named
            && match self.touch.how {
                ParameterUse::Reset => true,
                ParameterUse::Local => told,
                // It is set for one transaction after the other, or not at all. Where only a Bind tells which, that is
                // judged, and this is none.
                ParameterUse::Session => {
                    let late = self.bound.is_some_and(|bound| bound.local.is_some());
                    told && !late && self.statement.details.localized.is_some()
                }
                ParameterUse::Stored => false,
            }
    }
}

/// Every place where a login whose zone is guarded touches the zone parameter, or may do so.
pub(super) fn touches<'f>(facts: &'f Facts, who: &Who) -> impl Iterator<Item = Touch<'f>> {
    let parameter = who.zone_parameter();
    facts.statements.iter().flat_map(move |statement| {
        let all = statement.parameters.iter().enumerate();
        let all = all.filter(move |(_, touch)| may_be(touch, parameter));
        all.map(move |(at, touch)| Touch {
            statement,
            touch,
            bound: bound(statement, at),
        })
    })
}

fn may_be(touch: &ParameterTouch, parameter: Option<&str>) -> bool {
    match (&touch.name, parameter) {
        (_, None) => false,
        (ParameterName::Named(name), Some(parameter)) => **name == *parameter,
        (ParameterName::All | ParameterName::Dynamic, Some(_)) => true,
    }
}

fn bound(statement: &Statement, at: usize) -> Option<&Bound> {
    let mut all = statement.details.bound.iter().flat_map(|it| it.0.iter());
    all.find(|bound| usize::from(bound.touch) == at)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::Guard;

    const MESSAGE: &str =
        "tenant of login \"shop_acme\" is fixed and cannot be set, reset or discarded";

    fn zone() -> ParameterName {
        ParameterName::Named("app.tenant_id".into())
    }

    #[test]
    fn the_parameter_belongs_to_portcullis() {
        for facts in [
            set("app.tenant_id", "acme"),
            parameter(zone(), ParameterUse::Local, None),
            parameter(zone(), ParameterUse::Reset, None),
            parameter(zone(), ParameterUse::Stored, Some("globex")),
        ] {
            assert_refused(&facts, &acme(), CLOSED, Guard::ZoneParameter, MESSAGE);
            // A login that has a zone carries it everywhere.
            assert_refused(
                &facts,
                &who("shop_acme", "tools"),
                CLOSED,
                Guard::ZoneParameter,
                MESSAGE,
            );
        }
    }

    #[test]
    fn a_name_that_is_computed_is_told_as_that() {
        for text in [
            "update pg_settings set setting = 'on' where name = 'jit'",
            "select set_config(a, 'globex', true) from t",
        ] {
            let facts = crate::sql::describe(text.as_bytes());
            for (who, message) in [
                (
                    acme(),
                    "cannot tell whether this sets the tenant of login \"shop_acme\", which is fixed",
                ),
                (
                    who("shop_report", "shop"),
                    "cannot tell whether this sets a tenant, and login \"shop_report\" has none",
                ),
                (
                    chooser("values = \"any\""),
                    "cannot tell which tenant this sets",
                ),
            ] {
                let refusal = refused(&facts, &who, CHOSEN);
                assert_eq!(
                    (refusal.guard, &*refusal.message),
                    (Guard::ZoneParameter, message),
                    "{text}"
                );
                let why = "The name of the parameter is computed. Login";
                assert!(refusal.detail.starts_with(why), "{}", refusal.detail);
                let hint = refusal.hint.unwrap_or_default();
                assert_eq!(hint, format!("{COMPUTED_NAME}."));
            }
        }
    }

    #[test]
    fn nobody_sets_the_mark_of_a_signed_zone() {
        let message = "parameters called \"portcullis\" belong to Portcullis";
        let who = [acme(), chooser("values = \"any\"")];
        for text in [
            "set local portcullis.mark = 'k1.6163.00'",
            "select set_config('Portcullis.Mark', 'k1.6163.00', true)",
            "reset \"portcullis\".mark",
        ] {
            let facts = crate::sql::describe(text.as_bytes());
            for who in &who {
                assert_refused(&facts, who, CHOSEN, Guard::ZoneParameter, message);
            }
        }
        let facts = crate::sql::describe(b"set local portcullism.ark = 'x'");
        who.iter()
            .for_each(|who| assert_allowed(&facts, who, CHOSEN));
    }

    #[test]
    fn behind_what_resets_everything_may_only_stand_what_tidies_up() {
        let objection = |text: &str| judge(&crate::sql::describe(text.as_bytes()), &acme(), CLOSED);
        for text in [
            "reset all",
            "select 1; discard all",
            "insert into orders default values; commit; reset all",
            "show app.tenant_id; reset all",
            "set jit = off; reset all",
            "rollback; reset all",
            "reset all; reset all",
            "set session authorization default; reset all; close all; unlisten *; select pg_advisory_unlock_all(); discard sequences; discard temp",
            "reset all; set session authorization default",
            "reset all; reset role; reset work_mem; set jit to default; discard plans; deallocate all; close c",
            "reset all; select pg_catalog.pg_advisory_unlock_all();",
        ] {
            assert!(objection(text).is_none(), "{text}");
        }
        for text in [
            "reset all; select * from orders",
            "select 1; reset all",
            "select writes(); reset all; close all",
            "commit; insert into orders default values; reset all",
            "insert into orders default values; begin; reset all",
            "lock table orders; reset all",
            "reset all; close all; select f()",
            "reset all; select pg_advisory_unlock_all(), f()",
            "reset all; select pg_advisory_unlock_all() from orders",
            "reset all; select pg_advisory_unlock_all() where f()",
            "reset all; select public.pg_advisory_unlock_all()",
            "reset all; select pg_advisory_unlock_all(note) from orders",
            "reset all; select pg_advisory_unlock_all() union select 1 from orders",
            "reset all; (select pg_advisory_unlock_all())",
            "reset all; explain select pg_advisory_unlock_all()",
            "reset all; table orders",
            "reset all; insert into orders default values",
            "reset all; fetch c",
            "reset all; execute p",
            "reset all; deallocate p",
            "reset all; set work_mem = '1MB'",
            "reset all; set constraints all immediate",
            "reset all; notify changes",
            "reset all; commit",
            "reset all; discard all",
            "reset all; unlisten *; show app.tenant_id",
            "reset all; reset app.tenant_id",
            "discard all; select 1",
        ] {
            let objection = objection(text).unwrap_or_else(|| panic!("allowed: {text}"));
            assert_eq!(objection.message, MESSAGE, "{text}");
        }
    }

    #[test]
    fn a_login_without_a_zone_cannot_take_one() {
        let message = "login \"shop_report\" has no tenant and cannot set one";
        let facts = parameter(zone(), ParameterUse::Session, None);
        assert_refused(
            &facts,
            &who("shop_report", "shop"),
            CLOSED,
            Guard::ZoneParameter,
            message,
        );
    }

    #[test]
    fn a_client_that_chooses_may_set_what_can_be_read() {
        let who = chooser("values = \"any\"");
        for facts in [
            set("app.tenant_id", "acme"),
            parameter(zone(), ParameterUse::Local, Some("acme")),
            parameter(zone(), ParameterUse::Reset, None),
            parameter(ParameterName::All, ParameterUse::Reset, None),
        ] {
            assert_allowed(&facts, &who, CLOSED);
        }
        let mut elsewhere = set("app.tenant_id", "acme");
        elsewhere.statements[0].details.localized = None;
        let message = "cannot tell which tenant this sets";
        for facts in [
            elsewhere,
            parameter(zone(), ParameterUse::Local, None),
            parameter(zone(), ParameterUse::Session, None),
            parameter(zone(), ParameterUse::Stored, Some("acme")),
            parameter(ParameterName::Dynamic, ParameterUse::Local, Some("acme")),
        ] {
            assert_refused(&facts, &who, CHOSEN, Guard::ZoneParameter, message);
        }
    }

    #[test]
    fn what_is_bound_can_be_read_where_the_text_leaves_it_as_it_is() {
        let who = chooser("values = \"any\"");
        let readable = |text: &str| {
            let facts = crate::sql::describe(text.as_bytes());
            judge(&facts, &who, CHOSEN).is_none()
        };
        for text in [
            "select set_config('app.tenant_id', $1, true)",
            "select set_config('app.tenant_id', $1::text, false), set_config('a.b', $2, true)",
            "with s as (select set_config('App.Tenant_id'::text, $2, true)) select $1::int from s",
            "select set_config(('app.tenant_id'), ($1), true)",
            "select set_config(is_local => true, setting_name => 'app.tenant_id', new_value => $1::text)",
            "insert into t select set_config('app.tenant_id', $1, true)",
        ] {
            assert!(readable(text), "{text}");
        }
        for text in [
            "select set_config('app.tenant_id', $1 || '', true)",
            "select set_config('app.tenant_id', $1::varchar(3), true)",
            "select set_config('app.tenant_id', $1::name, true)",
            "select set_config('app.tenant_id', $1, true), $1::name",
            "select set_config('app.tenant_id', $1, true), $01::name",
            "select set_config('app.tenant_id', ($1, 'x'), true)",
            "select set_config('app.tenant_id', $1, $2)",
            "select set_config($1, 'acme', true)",
            "prepare p as select set_config('app.tenant_id', $1, true)",
            "explain analyze select set_config('app.tenant_id', $1, true)",
            "declare c cursor for select set_config('app.tenant_id', $1, true)",
            "select set_config('app.tenant_id', $1, true, $2)",
        ] {
            assert!(!readable(text), "{text}");
        }
    }

    #[test]
    fn other_parameters_other_databases_and_migrations_pass() {
        assert_allowed(&set("app.tenant", "x"), &acme(), CLOSED);
        assert_allowed(&set("app.tenant_id", "x"), &who("boris", "tools"), CLOSED);
        assert_allowed(
            &parameter(ParameterName::All, ParameterUse::Reset, None),
            &who("shop_report", "tools"),
            CLOSED,
        );
        assert_allowed(&set("app.tenant_id", "x"), &migrator(), OPEN);
    }
}
