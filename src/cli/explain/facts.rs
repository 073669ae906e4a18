//! The facts about a statement, in words and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::sql::{
    Bound, Class, Details, ExtensionAct, ExtensionTouch, Loss, ParameterName, RelationAct,
    RoleTouch, Statement, TakesAway, TemporaryAct, TemporaryTable,
};

/// What is done to relations, in the order in which it is told.
const ACTS: [(RelationAct, &str); 7] = [
    (RelationAct::Read, "reads"),
    (RelationAct::Insert, "inserts into"),
    (RelationAct::Update, "updates"),
    (RelationAct::Delete, "deletes from"),
    (RelationAct::Truncate, "truncates"),
    (RelationAct::Lock, "locks"),
    (RelationAct::Define, "defines"),
];

/// `write (DELETE); deletes from orders; no WHERE`
pub(super) fn line(statement: &Statement) -> String {
    let classes = statement.classes.iter().map(Class::id);
    let classes = classes.collect::<Vec<_>>().join(", ");
    let mut facts = format!("{classes} ({})", statement.tag);
    let functions: Vec<String> = match &statement.details.calls {
        Some(calls) => once(calls.iter().map(ToString::to_string)),
        None => once(statement.functions.iter().map(ToString::to_string)),
    };
    if !functions.is_empty() {
        let _ = write!(facts, "; calls {}", functions.join(", "));
    }
    if !statement.parameters.is_empty() {
        let _ = write!(facts, "; touches {}", parameters(statement).join(", "));
    }
    let bound = || statement.details.bound.iter().flat_map(|it| it.0.iter());
    let values = once(bound().filter_map(|bound| value_of(bound, statement)));
    if !values.is_empty() {
        let names = values.join(", ");
        let _ = write!(
            facts,
            "; the value of {names} is bound (judged with each Bind)"
        );
    }
    if bound().any(|bound| bound.local.is_some()) {
        facts += "; whether for the session is bound (judged with each Bind)";
    }
    for detail in details(&statement.details) {
        let _ = write!(facts, "; {detail}");
    }
    facts
}

/// The parameters that it sets or resets.
pub(super) fn parameters(statement: &Statement) -> Vec<&str> {
    let is_bound = |at: usize| {
        let mut all = statement.details.bound.iter().flat_map(|it| it.0.iter());
        all.any(|bound| usize::from(bound.touch) == at && (bound.name.or(bound.pairs)).is_some())
    };
    let touched = statement.parameters.iter().enumerate();
    let touched = touched.map(|(at, touch)| match &touch.name {
        ParameterName::Named(name) => &**name,
        ParameterName::All => "all parameters",
        ParameterName::Dynamic if is_bound(at) => {
            "a parameter whose name is bound (judged with each Bind)"
        }
        ParameterName::Dynamic => "a parameter whose name is computed",
    });
    touched.collect()
}

/// The parameter that the text names and whose value is bound.
fn value_of(bound: &Bound, statement: &Statement) -> Option<String> {
    bound.value.filter(|_| bound.name.is_none())?;
    match &statement.parameters.get(usize::from(bound.touch))?.name {
        ParameterName::Named(name) => Some(name.to_string()),
        ParameterName::All | ParameterName::Dynamic => None,
    }
}

/// Each once, in the order of the text.
fn once(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for name in names {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    list
}

fn details(details: &Details) -> Vec<String> {
    let mut words = Vec::new();
    for (act, verb) in ACTS {
        let relations = touched(details, act);
        if !relations.is_empty() {
            words.push(format!("{verb} {}", relations.join(", ")));
        }
    }
    for (holds, word) in [
        (details.missing_where, "no WHERE"),
        (details.row_lock, "locks rows"),
        (details.into, "makes a table of its result"),
        (details.temporary, "temporary"),
        (details.catalog, "writes to a catalog"),
    ] {
        if holds {
            words.push(word.to_owned());
        }
    }
    words.extend(details.temporary_table.as_deref().map(temporary));
    if !details.operators().is_empty() {
        let operators = once(details.operators().iter().map(ToString::to_string));
        words.push(format!("uses operator {}", operators.join(", ")));
    }
    words.extend(details.extensions.iter().map(extension));
    words.extend(details.role.as_deref().map(role));
    words.extend(details.takes_away.as_deref().map(takes_away));
    words
}

/// In the words of SQL.
fn temporary(table: &TemporaryTable) -> String {
    match table.act {
        TemporaryAct::Create(on_commit) => on_commit.words().to_owned(),
        TemporaryAct::Index | TemporaryAct::Drop => "of pg_temp alone".to_owned(),
    }
}

/// The relations to which this is done.
fn touched(details: &Details, act: RelationAct) -> Vec<String> {
    let all = details.relations.iter().flatten();
    once(
        all.filter(|touch| touch.act == act)
            .map(|touch| touch.relation.to_string()),
    )
}

fn extension(touch: &ExtensionTouch) -> String {
    let (verb, version) = match &touch.act {
        ExtensionAct::Create {
            cascade: true,
            version,
        } => ("creates, with what it needs,", version),
        ExtensionAct::Create { version, .. } => ("creates", version),
        ExtensionAct::Update { version } => ("updates", version),
        ExtensionAct::Alter => ("alters", &None),
        ExtensionAct::Drop => ("drops", &None),
    };
    match version {
        Some(version) => format!("{verb} extension {} {version}", touch.name),
        None => format!("{verb} extension {}", touch.name),
    }
}

fn role(touch: &RoleTouch) -> String {
    let what = if touch.authorization {
        "session authorization"
    } else {
        "role"
    };
    let local = if touch.local {
        " for this transaction"
    } else {
        ""
    };
    match &touch.role {
        Some(role) => format!("takes {what} {role}{local}"),
        None => format!("gives {what} back{local}"),
    }
}

/// What a migration session of phase expand would not do.
fn takes_away(away: &TakesAway) -> String {
    match (&*away.what, away.loss) {
        ("", Loss::Unknown) => "not known to add only".to_owned(),
        ("", _) => "takes away".to_owned(),
        (what, _) => format!("takes away: {what}"),
    }
}

/// The same for programs; `null`: not looked for.
pub(super) fn details_json(details: &Details) -> Value {
    let relations = details.relations.as_ref().map(|touches| {
        let touch = touches.iter().map(|touch| {
            let verb = ACTS.iter().find(|(act, _)| *act == touch.act);
            json!({ "relation": touch.relation.to_string(), "act": verb.map(|(_, verb)| verb) })
        });
        touch.collect::<Vec<_>>()
    });
    let calls = details.calls.as_ref();
    json!({
        "relations": relations,
        "calls": calls.map(|calls| calls.iter().map(ToString::to_string).collect::<Vec<_>>()),
        "fields": details.fields().iter().map(|field| &*field.name).collect::<Vec<_>>(),
        "operators": details.operators().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "catalog": details.catalog,
        "missing_where": details.missing_where,
        "row_lock": details.row_lock,
        "into": details.into,
        "temporary": details.temporary,
        "temporary_table": details.temporary_table.as_deref().map(temporary),
        "extensions": details.extensions.iter().map(extension).collect::<Vec<_>>(),
        "role": details.role.as_deref().map(role),
        "takes_away": details.takes_away.as_deref().map(takes_away),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{ClassSet, FieldTouch, HiddenCalls, QualifiedName, RelationTouch, describe};

    fn qualified(schema: Option<&str>, name: &str) -> QualifiedName {
        QualifiedName {
            schema: schema.map(Into::into),
            name: name.into(),
        }
    }

    #[test]
    fn what_becomes_of_a_temporary_table_is_told() {
        for (text, words) in [
            (
                "create temp table t (a int) on commit drop",
                "ddl (CREATE TABLE); temporary; ON COMMIT DROP",
            ),
            (
                "create temp table t as select 1",
                "ddl (CREATE TABLE AS); makes a table of its result; temporary; ON COMMIT PRESERVE ROWS",
            ),
            (
                "create temp table t () inherits (u) on commit drop",
                "ddl (CREATE TABLE); temporary",
            ),
            ("drop table pg_temp.t", "ddl (DROP TABLE); of pg_temp alone"),
        ] {
            let statement = describe(text.as_bytes()).statements.remove(0);
            let told = line(&statement);
            let told = told.split("; takes away").next();
            assert_eq!(told, Some(words), "{text}");
            let value = details_json(&statement.details);
            assert_eq!(
                value["temporary_table"].is_null(),
                text.contains("inherits")
            );
        }
    }

    #[test]
    fn every_detail_is_told() {
        let mut statement = describe(b"select 1").statements.remove(0);
        assert_eq!(line(&statement), "read (SELECT)");
        let touch = |name: &str, act| RelationTouch {
            relation: qualified(Some("public"), name),
            act,
        };
        statement.classes = ClassSet::of(Class::Write);
        statement.tag = "DELETE";
        statement.details = Details {
            relations: Some(vec![
                touch("orders", RelationAct::Delete),
                touch("lines", RelationAct::Read),
                touch("lines", RelationAct::Read),
            ]),
            calls: Some(vec![qualified(None, "f"), qualified(None, "f")]),
            hidden: Some(Box::new(HiddenCalls {
                fields: vec![FieldTouch {
                    name: "g".into(),
                    of: Vec::new(),
                    renamed: false,
                }],
                operators: vec![qualified(Some("util"), "+")],
            })),
            catalog: true,
            missing_where: true,
            row_lock: true,
            into: true,
            temporary: true,
            extensions: Box::new([ExtensionTouch {
                name: "hstore".into(),
                act: ExtensionAct::Create {
                    cascade: true,
                    version: Some("1.8".into()),
                },
            }]),
            role: Some(Box::new(RoleTouch {
                role: Some("admin".into()),
                local: true,
                authorization: false,
            })),
            takes_away: Some(Box::new(TakesAway {
                what: "drop table \"t\"".into(),
                loss: Loss::Gone,
            })),
            ..Details::default()
        };
        assert_eq!(
            line(&statement),
            "write (DELETE); calls f; reads public.lines; deletes from public.orders; no WHERE; locks rows; \
             makes a table of its result; temporary; writes to a catalog; uses operator util.+; creates, with what it needs, extension hstore 1.8; \
             takes role admin for this transaction; takes away: drop table \"t\""
        );
        let value = details_json(&statement.details);
        assert_eq!(value["relations"][0]["act"], "deletes from");
        assert_eq!(value["calls"][1], "f");
        assert_eq!(value["fields"][0], "g");
        assert_eq!(details_json(&Details::default())["relations"], Value::Null);
    }
}
