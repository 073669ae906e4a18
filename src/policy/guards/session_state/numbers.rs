//! `currval()` and `lastval()`: PostgreSQL keeps for each session what its sequences gave it, and behind a
//! pool the session is the server connection.

use super::OWN;
use crate::error::SqlState;
use crate::policy::{Objection, State};
use crate::sql::{Class, ClassSet, Facts, FunctionGroup, group};

/// Objects to a statement that asks for such a number where nothing can have drawn one: neither itself, before it
/// asks, nor anything before it in its transaction. It could only get another client's, or none. Everything else is
/// left to PostgreSQL.
pub(super) fn judge(facts: &Facts, state: State) -> Option<Objection> {
    /// Whatever may stand around the query.
    const ASKS: ClassSet = ClassSet::of(Class::Read)
        .with(Class::Write)
        .with(Class::CopyOut)
        .with(Class::Cursor)
        .with(Class::Explain)
        .with(Class::Ddl);
    /// What stands before it without reading or writing.
    const QUIET: ClassSet = ClassSet::of(Class::Transaction)
        .with(Class::Parameter)
        .with(Class::Show);
    let loud = |classes: ClassSet| !classes.minus(QUIET).is_empty();
    let statement = facts.statements.iter().find(|it| loud(it.classes))?;
    // What is only planned is not called.
    let planned = statement.classes == ClassSet::of(Class::Explain);
    let asks = statement.recalls && statement.classes.minus(ASKS).is_empty();
    if !state.first || !asks || planned {
        return None;
    }
    let recalls = |name: &&&str| group(name) == Some(FunctionGroup::SessionNumbers);
    let name = statement.functions.iter().find(recalls)?;
    let message =
        format!("cannot execute {name}() in a transaction of its own on the transaction route");
    Some(
        Objection::new(message)
            .sqlstate(SqlState::NOT_YET_DEFINED)
            .detail("The pooled connection has no number for it, or the one that another client was given")
            .hint(format!(
                "Use INSERT ... RETURNING, or ask in the transaction that inserts, without autocommit; or {OWN}"
            ))
            .at(statement.position),
    )
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use crate::policy::State;
    use crate::policy::guards::fixture::{CLOSED, OPEN, migrator, who};
    use crate::sql::describe;

    const FIRST: State = State {
        first: true,
        ..CLOSED
    };

    fn refused(text: &str, state: State) -> Option<String> {
        let who = who("shop_report", "tools");
        judge(&describe(text.as_bytes()), &who, state).map(|found| found.message)
    }

    #[test]
    fn a_number_is_asked_for_where_one_can_have_been_drawn() {
        for (text, name) in [
            ("select lastval()", "lastval"),
            ("SELECT LASTVAL()", "lastval"),
            ("select currval($1)", "currval"),
            ("copy (select lastval()) to stdout", "lastval"),
            ("declare c cursor for select lastval()", "lastval"),
            ("explain analyze select lastval()", "lastval"),
            ("explain (analyze) select lastval()", "lastval"),
            (
                "create temp table t on commit drop as select lastval()",
                "lastval",
            ),
            ("select pg_catalog.currval('s') as id", "currval"),
            (
                "select currval(pg_get_serial_sequence('t', 'id'))",
                "currval",
            ),
            ("select coalesce(\"lastval\"(), 0), 1 from t", "lastval"),
            ("begin; select lastval(); commit", "lastval"),
            ("select now(), format('%s', currval('s'))", "currval"),
            ("insert into lines select abs(lastval())", "lastval"),
            ("delete from t where id = abs(currval('s'))", "currval"),
            (
                "insert into lines (order_id) select currval('s')",
                "currval",
            ),
            (
                "insert into lines select lastval(), a from t where (b > 1) returning id",
                "lastval",
            ),
            (
                "insert into lines (order_id) (select currval('s')) on conflict do nothing",
                "currval",
            ),
            ("update t set a = currval('s') where id = 7", "currval"),
            (
                "update t set a = 1 where id = pg_catalog.lastval() returning currval('s')",
                "lastval",
            ),
            ("delete from t where id = currval('s')", "currval"),
        ] {
            let message = format!(
                "cannot execute {name}() in a transaction of its own on the transaction route"
            );
            assert_eq!(refused(text, FIRST), Some(message), "{text}");
            assert_eq!(refused(text, CLOSED), None, "{text}");
            let open = State {
                first: true,
                ..OPEN
            };
            assert!(judge(&describe(text.as_bytes()), &migrator(), open).is_none());
        }
    }

    #[test]
    fn what_may_draw_one_itself_is_left_to_postgresql() {
        for text in [
            "select nextval('s'), currval('s')",
            "select made(), lastval()",
            "insert into t default values; select lastval()",
            "insert into t (code) values ('c' || currval('s'))",
            "insert into t default values returning currval('s')",
            "insert into t (id, code) values (default, currval('s'))",
            "insert into t (code) values (1), (currval('s'))",
            "insert into t (code) select a from u returning currval('s')",
            "insert into t (code) select a from u on conflict (id) do update set a = currval('s')",
            "insert into t (code) select made() + currval('s')",
            "insert into t (code) select nextval('s') union all select currval('s')",
            "insert into t default values; update u set a = currval('s')",
            "update t set id = default, parent = currval('s')",
            "update t set a = nextval('s'), b = currval('s')",
            "update t set a = 1 returning currval('s')",
            "update t set a = u.a from made() u where t.id = currval('s')",
            "with new as (insert into t default values returning id) update u set a = currval('s')",
            "with new as (select 1) insert into t select currval('s')",
            "merge into t using u on t.id = currval('s') when matched then delete",
            "with new as (insert into t default values) select lastval()",
            "select 1; select lastval()",
            "explain select lastval()",
            "select lastval from currval",
            "select * from (values (1)) as lastval (n)",
        ] {
            assert_eq!(refused(text, FIRST), None, "{text}");
        }
    }
}
