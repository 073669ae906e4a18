//! The JSON schema of policy files, for editors. It is made from the words that the parser itself
//! reads; `policies/policy.schema.json` is this text.

mod texts;

use serde_json::{Map, Value, json};

use super::exception::EXEMPTIBLE;
use super::parse::{
    ALWAYS_ENFORCED, CONSOLE_ROLES, FIELDS, FILE_MODES, KINDS, MAX_RULES, MAX_VALUES, MODES,
    PARAMETER_USES, POWERS, ROUTES,
};
use super::quantity::BOUNDED;
use super::{Guard, Kind, Phase};
use crate::sql::{Class, FUNCTIONS};
use texts::{name, pattern, relation};

/// The schema as text, with a line break at its end.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

fn schema() -> Value {
    let mut top = table(
        "A policy: who may ask what. Nothing is inherited; what is not granted is refused.",
        json!({
            "schema": { "const": 1 },
            "environment": name("development, staging or production"),
            "mode": words("observe: nothing is refused, injected or rewritten", &FILE_MODES),
            "zone": zone(),
            "login": named("the logins, by name", texts::login(), login()),
            "guards": guards(),
            "migrations": migrations(),
            "rule": {
                "description": "refusals of your own; portcullis help rule",
                "type": "array", "maxItems": MAX_RULES, "items": rule(),
            },
            "exception": {
                "description": "one known statement of one login past one guard, until a day",
                "type": "array", "maxItems": MAX_RULES, "items": exception(),
            },
        }),
        &["schema", "environment"],
    );
    top["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    top["title"] = json!("Portcullis policy");
    top
}

fn zone() -> Value {
    table(
        "the row-level security context of a transaction",
        json!({
            "parameter": texts::zone_parameter(),
            "protection": { "enum": ["plain", "signed"] },
            "databases": databases("here, services and people without a zone are refused"),
            "noun": texts::noun(),
        }),
        &["parameter", "databases"],
    )
}

fn login() -> Value {
    let mut login = table(
        "a login",
        json!({
            "kind": words("carries the rights", &KINDS),
            "databases": databases("nothing else can be reached"),
            "route": words("where it leads; default transaction, for migrators session, for kind replication replication", &ROUTES),
            "zone": login_zone(),
            "server_role": name("the PostgreSQL role behind the login, where it is another one"),
            "allow_server_role": list("what guard server-role lets the role behind be", words("", &POWERS)),
            "console": words("what it may do on the console", &CONSOLE_ROLES),
            "max_connections": { "type": "integer", "minimum": 1, "maximum": 1_000_000 },
            "max_rows": { "description": "how many rows it may read at a time; default any", "type": "integer", "minimum": 1, "maximum": 1_000_000_000 },
            "networks": networks("where it may come from; default anywhere"),
            "roles": list("what SET LOCAL ROLE may name", texts::role()),
            "fast_path": list("what FunctionCall messages may call; services only", json!({ "enum": ["large-objects"] })),
            "denied_relations": one_or_more(relation()),
            "relations": list("kind replication: what its SQL may read", relation()),
            "slots": list("kind replication: the slots that it may use; default all", pattern("debezium_*")),
            "plugins": list("kind replication: the output plugins of slots that it makes; default pgoutput", name("pgoutput")),
            "publications": list("kind replication: what it may stream; default all", pattern("shop_pub")),
            "ceilings": ceilings("in place of those of [guards.parameters]"),
        }),
        &["kind", "databases"],
    );
    login["allOf"] = KINDS
        .iter()
        .map(|(word, kind)| of_kind(word, *kind))
        .collect();
    login
}

/// What a login of this kind says of its route, and what it never says.
fn of_kind(word: &str, kind: Kind) -> Value {
    const REPLICATES: [&str; 4] = ["relations", "slots", "plugins", "publications"];
    let (routes, never): (&[&str], &[&str]) = match kind {
        Kind::Service => (&["transaction", "session"], &[]),
        Kind::Human => (&["transaction", "session"], &["fast_path"]),
        Kind::Migrator => (
            &["session"],
            &["fast_path", "zone", "console", "allow_server_role"],
        ),
        Kind::Replication => (&["replication"], &["fast_path", "zone"]),
    };
    let lists = REPLICATES.iter().filter(|_| kind != Kind::Replication);
    let never = never.iter().chain(lists);
    let mut keys: Map<String, Value> = never.map(|key| ((*key).to_owned(), json!(false))).collect();
    keys.insert("route".to_owned(), json!({ "enum": routes }));
    let is = json!({ "required": ["kind"], "properties": { "kind": { "const": word } } });
    json!({ "if": is, "then": { "properties": keys } })
}

fn login_zone() -> Value {
    let values = json!({ "anyOf": [{ "const": "any" }, { "type": "array", "minItems": 1, "maxItems": MAX_VALUES, "items": texts::zones() }] });
    let mut client = table(
        "the client sets the parameter itself: in its startup packet, by SET or by set_config()",
        json!({
            "from": { "const": "client" },
            "values": values.clone(),
            "all_zones": { "description": "the value * too, which is every zone at once", "type": "boolean" },
        }),
        &["from"],
    );
    let all = json!({ "all_zones": { "const": true } });
    client["anyOf"] =
        json!([{ "required": ["values"] }, { "required": ["all_zones"], "properties": all }]);
    let database = table(
        "what stands for the star in the name of the database",
        json!({ "from": { "const": "database" }, "pattern": texts::one_star() }),
        &["from", "pattern"],
    );
    let certificate = table(
        "what stands for the star in a name of the client's certificate",
        json!({
            "from": { "const": "certificate" },
            "field": words("the subject's common name; or subjectAltName's DNS names and URIs", &FIELDS),
            "pattern": texts::one_star(),
            "values": values,
        }),
        &["from", "field", "pattern"],
    );
    json!({ "description": "set for every transaction, or where it comes from", "anyOf": [texts::zone(), client, database, certificate] })
}

fn guards() -> Value {
    let guards = Guard::ALL.into_iter().map(|guard| {
        let modes = match ALWAYS_ENFORCED.contains(&guard) {
            true => json!({ "enum": ["enforce"] }),
            false => words("enforce refuses, observe counts", &MODES),
        };
        let mut keys = told(guard);
        keys["mode"] = modes.clone();
        let inner = table("", keys, &[]);
        let about = format!("portcullis help {}", guard.id());
        (
            guard.id().to_owned(),
            json!({ "description": about, "anyOf": [modes, inner] }),
        )
    });
    let guards: Map<String, Value> = guards.collect();
    table(
        "a guard that is not named is enforced",
        Value::Object(guards),
        &[],
    )
}

/// What a guard is told beside its mode.
fn told(guard: Guard) -> Value {
    let extension = || name("an extension");
    let parameter = || pattern("a parameter");
    match guard {
        Guard::DdlOutsideMigration => json!({
            "temporary_tables": list("the names that services may give to temporary tables; left out: tmp_*, temp_*, *_tmp and *_temp for logins with a zone, every name for others; empty: there are none", texts::bare_pattern("a table without its schema")),
        }),
        Guard::Parameters => json!({
            "ceilings": ceilings("a client may lower these, never raise them"),
            "denied": list("never set by a client", parameter()),
            "transaction_only": list("SET LOCAL only", parameter()),
        }),
        Guard::Extensions => json!({
            "approved": list("may be created; all others are refused", extension()),
            "by_approval": list("refused until a DBA approves them", extension()),
            "removed": named("name and reason", extension(), texts::behind_name("the reason")),
            "min_version": named("name and oldest version", extension(), texts::behind_name("a version")),
        }),
        Guard::AppendOnly => json!({
            "relations": one_or_more(relation()),
        }),
        Guard::DeniedRelations => {
            let mut keys = json!({ "all": one_or_more(relation()) });
            for (kind, _) in KINDS {
                keys[kind] = one_or_more(relation());
            }
            keys
        }
        Guard::DangerousFunctions => json!({
            "allow": list("functions of this guard that pass", json!({ "enum": FUNCTIONS.iter().map(|(name, _)| name).collect::<Vec<_>>() })),
            "deny": list("functions of your own that are refused as well", relation()),
        }),
        Guard::Functions => json!({
            "allow": list("the only functions beside PostgreSQL's own", relation()),
        }),
        _ => json!({}),
    }
}

fn migrations() -> Value {
    table(
        "migration sessions",
        json!({
            "max_ttl": texts::duration("the longest life of a migration session: 4h"),
            "lock_timeout": texts::duration("a migration waits no longer for a lock: 3s"),
        }),
        &[],
    )
}

fn rule() -> Value {
    let class = Class::ALL.map(Class::id);
    let when = table(
        "all of it must hold",
        json!({
            "login": some(pattern("a login")),
            "kind": some(words("", &KINDS)),
            "database": some(pattern("a database")),
            "environment": some(pattern("an environment")),
            "route": some(words("", &ROUTES)),
            "migration": { "description": "in an open migration session", "type": "boolean" },
            "phase": some(words("of the open migration session", &Phase::WORDS)),
            "class": some(json!({ "enum": class })),
            "tag": some(texts::tag()),
            "relation": some(relation()),
            "reads": some(relation()),
            "writes": some(relation()),
            "function": some(relation()),
            "parameter": some(pattern("a parameter")),
            "parameter_use": some(words("how it touches the parameter", &PARAMETER_USES)),
            "extension": some(pattern("an extension")),
            "role": some(pattern("of SET ROLE")),
            "missing_where": { "description": "an UPDATE or DELETE without WHERE", "type": "boolean" },
            "row_lock": { "description": "FOR UPDATE and the like", "type": "boolean" },
            "into": { "description": "SELECT INTO, CREATE TABLE AS", "type": "boolean" },
            "several_statements": { "description": "one of several of its message", "type": "boolean" },
        }),
        &[],
    );
    let mut rule = table(
        "a refusal of your own",
        json!({
            "id": texts::id(),
            "when": when,
            "message": texts::told(),
            "hint": texts::told(),
            "sqlstate": texts::sqlstate(),
        }),
        &["id", "when", "message"],
    );
    rule["properties"]["when"]["minProperties"] = json!(1);
    rule
}

fn exception() -> Value {
    table(
        "an exception",
        json!({
            "guard": { "enum": EXEMPTIBLE.map(Guard::id) },
            "login": name("a login of this policy"),
            "fingerprint": texts::fingerprint(),
            "reason": texts::reason(),
            "expires": texts::day(),
        }),
        &["guard", "login", "fingerprint", "reason", "expires"],
    )
}

fn ceilings(about: &str) -> Value {
    let bounded = BOUNDED.iter();
    let keys: Map<String, Value> = bounded
        .map(|bounded| (bounded.name.to_owned(), texts::ceiling(bounded.measure)))
        .collect();
    table(about, Value::Object(keys), &[])
}

/// A table with these keys and no others.
fn table(about: &str, keys: Value, required: &[&str]) -> Value {
    json!({
        "description": about,
        "type": "object",
        "properties": keys,
        "required": required,
        "additionalProperties": false,
    })
}

/// A table whose keys are names.
fn named(about: &str, name: Value, value: Value) -> Value {
    json!({ "description": about, "type": "object", "propertyNames": name, "additionalProperties": value })
}

fn databases(about: &str) -> Value {
    let mut list = list(about, texts::database());
    list["minItems"] = json!(1);
    list["uniqueItems"] = json!(true);
    list
}

fn networks(about: &str) -> Value {
    let mut list = list(about, texts::network());
    list["minItems"] = json!(1);
    list
}

fn list(about: &str, item: Value) -> Value {
    json!({ "description": about, "type": "array", "items": item })
}

fn one_or_more(item: Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "items": item }] })
}

/// The same, of a rule: a list of nothing holds for nothing.
fn some(item: Value) -> Value {
    json!({ "anyOf": [item, { "type": "array", "minItems": 1, "items": item }] })
}

fn words<T>(about: &str, words: &[(&str, T)]) -> Value {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    json!({ "description": about, "enum": words })
}

#[cfg(test)]
mod agreement;
#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
#[cfg(test)]
mod validator;
