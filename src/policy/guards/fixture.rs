//! A policy, logins and facts for the guards' tests.

use std::sync::Arc;

use crate::policy::{
    Chosen, Decision, Guard, GuardSet, Policy, Refusal, State, Verdict, Who, decide,
};
use crate::sql::{
    Class, ClassSet, Details, Facts, Fingerprint, Localized, ParameterName, ParameterTouch,
    ParameterUse, QualifiedName, RelationAct, RelationTouch, Statement, Undescribed,
};

/// `shop` needs a tenant, `tools` does not.
const POLICY: &str = r#"schema = 1
environment = "test"
[zone]
parameter = "app.tenant_id"
databases = ["shop"]
noun = "tenant"
[login.shop_acme]
kind = "service"
databases = ["shop", "tools"]
zone = "acme"
[login.shop_report]
kind = "service"
databases = ["shop", "tools"]
[login.boris]
kind = "human"
databases = ["tools"]
[login.migrator]
kind = "migrator"
databases = ["shop"]
[guards]
"#;

/// The policy of the tests with these lines in [guards].
pub fn policy(guards: &str) -> Arc<Policy> {
    Arc::new(
        Policy::parse(&format!("{POLICY}{guards}"), "test.toml")
            .unwrap()
            .0,
    )
}

/// A login of the policy on a database.
pub fn who_under(policy: &Arc<Policy>, login: &str, database: &str) -> Who {
    Who {
        policy: policy.clone(),
        login: policy.logins[login].clone(),
        database: database.into(),
    }
}

/// A login of the policy on a database, every guard enforced.
pub fn who(login: &str, database: &str) -> Who {
    who_under(&policy(""), login, database)
}

/// A service that has its zone.
pub fn acme() -> Who {
    who("shop_acme", "shop")
}

/// A login that chooses its zone from what `zone` says; `shop` needs one.
pub fn chooser(zone: &str) -> Who {
    let login = format!(
        "[login.shop_api]\nkind = \"service\"\ndatabases = [\"shop\"]\nzone = {{ from = \"client\", {zone} }}"
    );
    who_under(&policy(&login), "shop_api", "shop")
}

/// With a zone that the client has set.
pub const CHOSEN: State = State {
    chosen: Chosen::Yes,
    ..CLOSED
};

/// A migrator.
pub fn migrator() -> Who {
    who("migrator", "shop")
}

/// No migration session, or not any more.
pub const CLOSED: State = State {
    migration_open: false,
    phase: None,
    today: None,
    chosen: Chosen::No,
    first: false,
};
/// An open migration session.
pub const OPEN: State = State {
    migration_open: true,
    phase: None,
    today: None,
    chosen: Chosen::No,
    first: false,
};

/// One statement of these classes at character 1.
pub fn statement(tag: &'static str, classes: &[Class]) -> Statement {
    Statement {
        classes: classes
            .iter()
            .fold(ClassSet::EMPTY, |set, class| set.with(*class)),
        tag,
        position: 1,
        transaction: None,
        unlocks_all: false,
        recalls: false,
        alone: false,
        only_sets: false,
        parameters: Vec::new(),
        functions: Vec::new(),
        details: Details::default(),
    }
}

/// Facts of these statements, at characters 1, 11, 21 and so on.
pub fn message(mut statements: Vec<Statement>) -> Facts {
    for (at, statement) in statements.iter_mut().enumerate() {
        statement.position = 1 + 10 * at as u32;
    }
    Facts {
        classes: statements.iter().fold(ClassSet::EMPTY, |set, statement| {
            set.union(statement.classes)
        }),
        statements,
        undescribed: None,
        fingerprint: Some(Fingerprint::new(
            *b"\x5b\x1f\x90\xa2\xc3\x77\x5b\x1f\x90\xa2\xc3\x77\x5b\x1f\x90\xa2",
        ))
        .into(),
    }
}

/// Facts of one statement.
pub fn facts(tag: &'static str, classes: &[Class]) -> Facts {
    message(vec![statement(tag, classes)])
}

/// Facts of a SELECT that calls guarded functions.
pub fn calls(functions: &[&'static str]) -> Facts {
    message(vec![Statement {
        functions: functions.to_vec(),
        ..statement("SELECT", &[Class::Read])
    }])
}

/// `schema.name` or `name`.
pub fn qualified(text: &str) -> QualifiedName {
    let (schema, name) = match text.split_once('.') {
        Some((schema, name)) => (Some(schema.into()), name),
        None => (None, text),
    };
    QualifiedName {
        schema,
        name: name.into(),
    }
}

/// Facts of a statement that touches these relations.
pub fn touches(tag: &'static str, classes: &[Class], relations: &[(&str, RelationAct)]) -> Facts {
    let touch = |(name, act): &(&str, RelationAct)| RelationTouch {
        relation: qualified(name),
        act: *act,
    };
    let mut statement = statement(tag, classes);
    statement.details.relations = Some(relations.iter().map(touch).collect());
    message(vec![statement])
}

/// Facts of a SET, or of a RESET where `value` does not matter.
pub fn parameter(name: ParameterName, how: ParameterUse, value: Option<&str>) -> Facts {
    let touch = ParameterTouch {
        value: value.map(Into::into),
        ..ParameterTouch::new(name, how)
    };
    let mut set = statement("SET", &[Class::Parameter]);
    set.details.localized = (how == ParameterUse::Session).then(|| {
        Box::new(Localized {
            edits: Box::default(),
            end: 0,
            by_query: false,
            unset: Box::default(),
            deallocates: None,
        })
    });
    set.parameters.push(touch);
    message(vec![set])
}

/// Facts of `SET name = value`.
pub fn set(name: &str, value: &str) -> Facts {
    parameter(
        ParameterName::Named(name.into()),
        ParameterUse::Session,
        Some(value),
    )
}

/// A text that could not be described.
pub fn undescribed(why: Undescribed) -> Facts {
    Facts {
        undescribed: Some(why),
        ..message(Vec::new())
    }
}

/// It must be refused.
pub fn refused(facts: &Facts, who: &Who, state: State) -> Refusal {
    match decide(facts, who, state).verdict {
        Verdict::Refuse(refusal) => *refusal,
        Verdict::Allow => panic!("allowed: {facts:?}"),
    }
}

/// It must be refused by this guard with this message.
pub fn assert_refused(facts: &Facts, who: &Who, state: State, guard: Guard, message: &str) {
    let refusal = refused(facts, who, state);
    assert_eq!((refusal.guard, refusal.message.as_str()), (guard, message));
}

/// It must pass, and nothing be observed.
pub fn assert_allowed(facts: &Facts, who: &Who, state: State) {
    assert_eq!(
        decide(facts, who, state),
        Decision {
            verdict: Verdict::Allow,
            observed: GuardSet::EMPTY,
            observed_rule: None,
        }
    );
}
