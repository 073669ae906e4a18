//! `zone-required`: without a zone nothing is asked of a database whose rows belong to zones.

use crate::error::SqlState;
use crate::policy::{Chosen, Guard, Objection, Refusal, RouteName, State, Who, ZoneSource};
use crate::sql::{
    Class, ClassSet, Facts, ParameterName, ParameterTouch, ParameterUse, Statement,
    TransactionControl, is_catalog,
};

/// Objects to every statement of a service or person without a zone on a zone database (of a login that
/// sets its zone itself: to every one that could read or write rows before it has); and to
/// cursors WITH HOLD behind a pool: their rows outlive the transaction and its zone, and whoever gets
/// the server connection next can fetch them.
pub fn judge(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    nobodys_zone(facts, who, state).or_else(|| held(facts, who))
}

fn held(facts: &Facts, who: &Who) -> Option<Objection> {
    if !who.zone_is_guarded() || who.login.route == RouteName::Session {
        return None;
    }
    let statement = facts.statements.iter().find(|statement| {
        statement.classes.has(Class::Cursor) && statement.classes.has(Class::SessionState)
    })?;
    let noun = who.noun();
    Some(
        Objection::new("cannot declare a cursor WITH HOLD on the transaction route")
            .sqlstate(SqlState::UNSUPPORTED)
            .detail(format!(
                "Its rows would outlive the transaction and its {noun}"
            ))
            .hint("Fetch within one transaction, without WITH HOLD")
            .at(statement.position),
    )
}

/// The refusal of statements in one message between which something must be set and which mean another thing
/// one by one: they move the transaction, or (where zones are signed) set the zone.
pub fn among_others(who: &Who, facts: &Facts) -> Refusal {
    let mut all = facts.statements.iter();
    let control = all.find(|statement| statement.transaction.is_some());
    let noun = who.noun();
    // People's transactions are read-only, with a zone or without; and whoever has parameters has them in each.
    let set = match who.zone_parameter() {
        Some(_) => format!("The {noun} is set"),
        None => "Settings are set".to_owned(),
    };
    let objection = match control {
        Some(Statement { tag, position, .. }) => Objection::new(format!(
            "cannot execute {tag} together with other statements"
        ))
        .detail(format!(
            "{set} in each transaction, and these statements cannot be sent one by one"
        ))
        .hint(format!("Send {tag} in a message of its own"))
        .at(*position),
        None => Objection::new(format!(
            "cannot set the {noun} together with other statements outside of a transaction"
        ))
        .detail(format!(
            "Where the {noun} is signed it is entered behind the statement that sets it"
        ))
        .hint("Send BEGIN first, or that statement in a message of its own"),
    };
    objection
        .sqlstate(SqlState::UNSUPPORTED)
        .refuse(Guard::ZoneRequired, who, facts.fingerprint())
}

/// Has the transaction a zone, or needs it none?
pub fn has_zone(who: &Who, state: State) -> bool {
    let chosen = who.grant().is_some() && state.chosen != Chosen::No;
    who.zone().is_some() || chosen || !who.zone_is_required()
}

fn nobodys_zone(facts: &Facts, who: &Who, state: State) -> Option<Objection> {
    let chooses = who.grant().is_some() && who.zone_is_required();
    if !chooses && has_zone(who, state) {
        return None;
    }
    let statement = match who.chosen_parameter() {
        Some(parameter) => Some(first_without(facts, who, parameter, state)?),
        None => None,
    };
    let noun = who.noun();
    let objection = Objection::new(format!(
        "database \"{}\" needs a {noun} and this transaction has none",
        who.database
    ));
    let login = &who.login.name;
    let Some((parameter, statement)) = who.chosen_parameter().zip(statement) else {
        let statement = facts.statements.first()?;
        let objection = match &who.login.zone {
            None => objection
                .detail(format!("The policy gives login \"{login}\" no {noun}"))
                .hint("Give the login a zone in the policy"),
            Some(ZoneSource::Certificate(_)) => objection
                .detail(format!(
                    "The certificate of login \"{login}\" says no {noun}"
                ))
                .hint("Connect with a certificate that does: sslcert and sslkey"),
            Some(_) => objection
                .detail(format!(
                    "The name of the database does not fit the pattern of login \"{login}\""
                ))
                .hint("Mend the pattern in the policy"),
        };
        return Some(objection.at(statement.position));
    };
    Some(
        objection
            .detail(format!(
                "Login \"{login}\" sets {parameter} itself and has not done so on this connection"
            ))
            .hint(format!(
                "SET {parameter} = '...' once per connection, or set_config() per transaction"
            ))
            .at(statement.position),
    )
}

/// The first statement that needs a zone and has none: neither the client's, nor one that is set ahead of it in the
/// message. One that gives it back has none itself: which of its rows come first nobody knows.
fn first_without<'f>(
    facts: &'f Facts,
    who: &Who,
    parameter: &str,
    state: State,
) -> Option<&'f Statement> {
    let before = has_zone(who, state);
    let mut has = before;
    facts.statements.iter().find(|statement| {
        for touch in statement.parameters.iter().filter(|it| is(it, parameter)) {
            has = match touch.how {
                ParameterUse::Session | ParameterUse::Local => touch.value.as_deref() != Some(""),
                ParameterUse::Reset => state.chosen == Chosen::FromStartup,
                ParameterUse::Stored => has,
            };
            if !has {
                break;
            }
        }
        // What stands behind it is judged again, in a piece of its own.
        let rolls_back = matches!(
            statement.transaction,
            Some(TransactionControl::Rollback { .. })
        );
        has |= rolls_back && before;
        !has && needs_zone(statement)
    })
}

fn is(touch: &ParameterTouch, parameter: &str) -> bool {
    matches!(&touch.name, ParameterName::Named(name) if **name == *parameter)
}

/// What pools send when a connection goes back to them, however its last transaction got its zone.
const TIDIES: [&str; 5] = [
    "CLOSE CURSOR",
    "DISCARD ALL",
    "DISCARD PLANS",
    "DISCARD SEQUENCES",
    "DISCARD TEMP",
];

/// Could it read or write rows of somebody's? Not: what moves the transaction, sets or shows
/// parameters, tidies up, and what reads PostgreSQL's own catalogs alone, or explains how.
fn needs_zone(statement: &Statement) -> bool {
    const NONE: ClassSet = ClassSet::of(Class::Transaction)
        .with(Class::Parameter)
        .with(Class::Show)
        .with(Class::Deallocate)
        .with(Class::Notify)
        .with(Class::RoleChange);
    let classes = statement.classes;
    if classes.minus(NONE).is_empty() || TIDIES.contains(&statement.tag) {
        return classes.is_empty();
    }
    let relations = statement.details.relations.as_ref();
    let own = relations.is_some_and(|all| all.iter().all(|touch| is_catalog(&touch.relation)));
    const READS: ClassSet = NONE.with(Class::Read).with(Class::Explain);
    !own || !classes.minus(READS).is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use crate::policy::{Chosen, Guard, State};
    use crate::sql::{Class, RelationAct, TransactionControl};

    #[test]
    fn without_a_zone_nothing_is_asked_of_a_zone_database() {
        let message_text = "database \"shop\" needs a tenant and this transaction has none";
        for class in [
            Class::Read,
            Class::Transaction,
            Class::Show,
            Class::Parameter,
        ] {
            assert_refused(
                &facts("", &[class]),
                &who("shop_report", "shop"),
                CLOSED,
                Guard::ZoneRequired,
                message_text,
            );
        }
        assert_allowed(&message(Vec::new()), &who("shop_report", "shop"), CLOSED);
    }

    #[test]
    fn no_rows_of_a_zone_stay_behind_its_transaction() {
        let hold = facts(
            "DECLARE CURSOR",
            &[Class::Cursor, Class::SessionState, Class::Read],
        );
        assert_refused(
            &hold,
            &acme(),
            CLOSED,
            Guard::ZoneRequired,
            "cannot declare a cursor WITH HOLD on the transaction route",
        );
        let cursor = facts("DECLARE CURSOR", &[Class::Cursor, Class::Read]);
        assert_allowed(&cursor, &acme(), CLOSED);
        // Without a zone it is the business of session-state.
        let elsewhere = refused(&hold, &who("shop_report", "tools"), CLOSED);
        assert_eq!(elsewhere.guard, Guard::SessionState);
        assert_allowed(&hold, &migrator(), OPEN);
        assert_allowed(
            &facts("DISCARD TEMP", &[Class::SessionState]),
            &acme(),
            CLOSED,
        );
    }

    #[test]
    fn a_client_that_chooses_is_asked_once_something_could_touch_rows() {
        let who = chooser("values = \"any\"");
        let judged = |text: &str, state| {
            let facts = crate::sql::describe_at(text.as_bytes(), crate::sql::Depth::Names);
            super::judge(&facts, &who, state).map(|objection| objection.position)
        };
        for text in [
            "begin",
            "savepoint s",
            "set app.tenant_id = 'x'",
            "show app.tenant_id",
            "select version(), current_schema()",
            "select oid from pg_catalog.pg_type",
            "select * from pg_class, information_schema.tables",
            "select set_config('app.tenant_id', 'x', true); select * from orders",
            "discard all",
            "discard temp",
            "discard plans; discard sequences",
            "deallocate all",
            "close all",
            "close c",
            "select pg_advisory_unlock_all(); close all; unlisten *; reset all",
            "explain select 1",
            "explain (analyze) select * from pg_class",
        ] {
            assert_eq!(judged(text, CLOSED), None, "{text}");
        }
        for (text, position) in [
            ("select * from orders", 1),
            ("select 1; table orders", 11),
            ("select * from pg_type, public.pg_class", 1),
            ("select * from pg_custom", 1),
            ("insert into orders default values", 1),
            ("set app.other = 'x'; table orders", 22),
            ("table orders; set app.tenant_id = 'x'", 1),
            ("explain select * from orders", 1),
            ("explain analyze select * from pg_class, orders", 1),
            ("explain execute p", 1),
            ("explain declare c cursor for table orders", 1),
            ("explain insert into orders default values", 1),
            ("fetch c", 1),
            ("close c; fetch d", 10),
            ("discard temp; table orders", 15),
            ("declare c cursor for select 1", 1),
            ("copy orders to stdout", 1),
            ("lock orders", 1),
        ] {
            assert_eq!(judged(text, CLOSED), Some(position), "{text}");
            assert_eq!(judged(text, CHOSEN), None, "{text}");
        }
        let begun = State {
            chosen: Chosen::FromStartup,
            ..CHOSEN
        };
        // What gives it back gives nothing of it to what stands behind, nor to itself.
        for (text, position) in [
            ("reset app.tenant_id; table orders", Some(22)),
            ("set app.tenant_id = ''; table orders", Some(25)),
            (
                "set app.tenant_id to default; select 1; table orders",
                Some(41),
            ),
            (
                "select set_config('app.tenant_id', '', false); table orders",
                Some(48),
            ),
            (
                "begin; set app.tenant_id = ''; commit; table orders",
                Some(40),
            ),
            (
                "select set_config('app.tenant_id', '', false), note from orders",
                Some(1),
            ),
            (
                "select set_config('app.tenant_id', '', false), set_config('app.tenant_id', 'a', false) from orders",
                Some(1),
            ),
            ("table orders; set app.tenant_id = ''", None),
            (
                "set app.tenant_id = ''; set app.tenant_id = 'a'; table orders",
                None,
            ),
            (
                "begin; set app.tenant_id = ''; rollback; table orders",
                None,
            ),
            ("set app.tenant_id = ''; close all; reset all", None),
        ] {
            assert_eq!(judged(text, CHOSEN), position, "{text}");
            let begun_with = position.filter(|_| text.contains("''"));
            assert_eq!(judged(text, begun), begun_with, "{text}");
        }
        let refusal = refused(
            &touches("SELECT", &[Class::Read], &[("orders", RelationAct::Read)]),
            &who,
            CLOSED,
        );
        assert!(
            refusal.detail.starts_with(
                "Login \"shop_api\" sets app.tenant_id itself and has not done so on this connection"
            ),
            "{}",
            refusal.detail
        );
        let hint =
            "SET app.tenant_id = '...' once per connection, or set_config() per transaction.";
        assert_eq!(refusal.hint.as_deref(), Some(hint));
    }

    #[test]
    fn with_a_zone_or_elsewhere_or_in_a_migration_it_is() {
        let select = facts("SELECT", &[Class::Read]);
        assert_allowed(&select, &acme(), CLOSED);
        assert_allowed(&select, &who("shop_report", "tools"), CLOSED);
        assert_allowed(&select, &migrator(), OPEN);
    }

    #[test]
    fn transaction_control_beside_other_statements_is_refused_in_its_name() {
        let mut begin = facts("BEGIN", &[Class::Transaction]);
        begin.statements[0].transaction = Some(TransactionControl::Begin);
        let refusal = super::among_others(&acme(), &begin);
        assert_eq!(
            refusal.message,
            "cannot execute BEGIN together with other statements"
        );
        assert_eq!(
            (refusal.guard, refusal.sqlstate.as_str(), refusal.position),
            (Guard::ZoneRequired, "0A000", 1)
        );
        assert_eq!(
            refusal.hint.as_deref(),
            Some("Send BEGIN in a message of its own.")
        );
    }

    /// As it stands on the page.
    #[test]
    fn texts_of_others_can_be_kept_from_services() {
        let page = super::super::page(Guard::ZoneRequired);
        let (_, example) = page
            .split_once("\n    [guards.denied-relations]")
            .expect("an example");
        let guards = format!(
            "[guards.denied-relations]{}",
            example.replace("\n    ", "\n")
        );
        let acme = who_under(&policy(&guards), "shop_acme", "shop");
        let text = |text: &str| crate::sql::describe_at(text.as_bytes(), crate::sql::Depth::Names);
        for query in [
            "select query from pg_stat_activity",
            "table pg_catalog.pg_stat_activity",
            "select * from pg_stat_get_activity(null)",
            "select pg_stat_get_backend_activity(1)",
            "select statement from pg_prepared_statements",
            "select * from pg_catalog.pg_prepared_statement()",
        ] {
            refused(&text(query), &acme, CLOSED);
            assert_allowed(&text(query), &super::super::fixture::acme(), CLOSED);
        }
        assert_allowed(
            &text("select count(*) from pg_stat_user_tables"),
            &acme,
            CLOSED,
        );
    }
}
