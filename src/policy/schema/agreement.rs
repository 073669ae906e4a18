//! Parser and schema refuse the same, but for what a schema cannot say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use toml::Value;

use super::schema;
use super::tests::json_of_value;
use super::validator::wrong;
use crate::policy::Policy;
use crate::policy::parse::{MAX_RULES, MAX_VALUES, known_keys};

/// Every key that a policy can have.
const EVERY: &str = r#"
schema = 1
environment = "test"
mode = "enforce"
[zone]
parameter = "app.tenant_id"
protection = "plain"
databases = ["d"]
noun = "tenant"
[login.client]
kind = "service"
databases = ["d"]
route = "session"
zone = { from = "client", values = ["acme", "b-*"], all_zones = true }
server_role = "r"
allow_server_role = ["owner"]
console = "viewer"
max_connections = 5
max_rows = 6
networks = ["10.20.0.0/16"]
roles = ["reader"]
fast_path = ["large-objects"]
denied_relations = ["vault.keys"]
ceilings = { statement_timeout = "15min", work_mem = "1MB", max_parallel_workers = 2 }
[login.database]
kind = "service"
databases = ["d"]
zone = { from = "database", pattern = "d*" }
[login.certificate]
kind = "human"
databases = ["d"]
route = "transaction"
zone = { from = "certificate", field = "cn", pattern = "t_*", values = "any" }
[login.fixed]
kind = "human"
databases = ["d", "e"]
zone = "acme"
denied_relations = "orders"
[login.migrator]
kind = "migrator"
databases = ["d"]
route = "session"
[login.cdc]
kind = "replication"
databases = ["e"]
route = "replication"
relations = ["public.orders"]
slots = ["s*"]
plugins = ["pgoutput"]
publications = ["p"]
[migrations]
max_ttl = "4h"
lock_timeout = "3s"
[[rule]]
id = "own"
message = "m"
hint = "h"
sqlstate = "42501"
[rule.when]
login = "client"
kind = ["human", "service"]
database = "d"
environment = ["test"]
route = "session"
migration = true
phase = "expand"
class = ["write", "ddl"]
tag = "DROP *"
relation = "a"
reads = ["b.c"]
writes = "d"
function = "f"
parameter = "jit"
parameter_use = ["local"]
extension = "e"
role = "r"
missing_where = true
row_lock = false
into = true
several_statements = false
[[exception]]
guard = "procedural"
login = "client"
fingerprint = "0123456789abcdef0123456789abcdef"
reason = "until it ships"
expires = 2027-03-01
[guards]
human-write = "observe"
[guards.ddl-outside-migration]
mode = "enforce"
temporary_tables = ["tmp_*"]
[guards.parameters]
ceilings = { lock_timeout = "5s" }
denied = ["jit"]
transaction_only = ["work_*"]
[guards.extensions]
approved = ["citext"]
by_approval = ["hstore"]
removed = { age = "why" }
min_version = { citext = "1.6" }
[guards.append-only]
relations = ["public.audit"]
[guards.denied-relations]
all = ["a"]
service = "b"
human = ["c"]
migrator = ["d"]
replication = ["e"]
[guards.dangerous-functions]
allow = ["query_to_xml"]
deny = ["own.f"]
[guards.functions]
allow = ["own.g"]
[guards.statement-bounds]
mode = "enforce"
"#;

/// What a parser can say and a schema cannot: what two places say together, bounds of quantities and of bytes, and what TOML
/// has and JSON has not.
const BEYOND: [&str; 7] = [
    "no login is called",
    "but there is no [zone]",
    "is out of bounds",
    "is not a ceiling of",
    "is not a network",
    "not a datetime",
    "must be a day",
];

fn every() -> Value {
    toml::from_str(EVERY).expect("TOML")
}

/// The errors of the parser.
fn refused(tree: &Value) -> Vec<String> {
    let text = toml::to_string(tree).expect("a tree");
    let Err(problems) = Policy::parse(&text, "p.toml") else {
        return Vec::new();
    };
    let errors = problems.iter().filter(|problem| problem.is_error());
    errors.map(|problem| problem.message.clone()).collect()
}

/// Keys of a policy and places in its lists.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Item(usize),
}

fn inner<'t>(tree: &'t mut Value, step: &Step) -> &'t mut Value {
    match step {
        Step::Key(key) => tree.get_mut(key),
        Step::Item(item) => tree.get_mut(item),
    }
    .expect("it is there")
}

/// Ways to everything below.
fn paths(tree: &Value, way: &[Step], all: &mut Vec<Vec<Step>>) {
    let below: Vec<(Step, &Value)> = match tree {
        Value::Table(table) => table
            .iter()
            .map(|(key, it)| (Step::Key(key.clone()), it))
            .collect(),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .map(|(at, it)| (Step::Item(at), it))
            .collect(),
        _ => Vec::new(),
    };
    for (step, it) in below {
        let way = [way, &[step]].concat();
        all.push(way.clone());
        paths(it, &way, all);
    }
}

/// Values that hardly fit anywhere, and some that do.
fn odd() -> Vec<Value> {
    let texts = [
        "",
        " ",
        "x",
        "*",
        "**",
        "a*",
        "a*b*",
        "a.b",
        "a.b.c",
        ".",
        "a.",
        "a\"b",
        "\u{7}",
        "a\nb",
        "Aa",
        "a b",
        "é",
        "none",
        "any",
        "portcullis",
        "enforce",
        "observe",
        "off",
        "service",
        "human",
        "migrator",
        "replication",
        "session",
        "transaction",
        "client",
        "database",
        "certificate",
        "cn",
        "0",
        "12",
        "1.5",
        "01",
        "0s",
        "3h",
        "1 MB",
        "1mb",
        "8d",
        "-1",
        "10.0.0.0/8",
        "10.0.0.1/8",
        "::1",
        "42501",
        "00000",
        "DROP",
        "copy-file",
        "multi-statement",
        "mig_00000000",
        "a.mig_00000000",
        "2027-03-01",
        "signed",
        "0123456789abcdef0123456789abcdef",
        "0123456789ABCDEF0123456789ABCDEF",
        "large-objects",
        "superuser",
        "pg_sleep",
    ];
    let mut odd: Vec<Value> = texts.map(Value::from).to_vec();
    for length in [33, 64, 201, 256, 301, 1001] {
        odd.push("x".repeat(length).into());
    }
    odd.extend([
        true.into(),
        false.into(),
        0.into(),
        1.into(),
        (-1).into(),
        2_000_000_000.into(),
        1.5.into(),
    ]);
    let days = ["2027-03-01", "2027-03-01T10:00:00Z", "10:00:00"];
    odd.extend(days.map(|day| Value::Datetime(day.parse().expect("a day"))));
    let lists = [
        &[][..],
        &[""],
        &["x", "x"],
        &["x", "y"],
        &["*"],
        &["a.b"],
        &["a.b.c"],
        &["enforce"],
        &["service"],
    ];
    odd.extend(lists.map(|list| Value::from(list.to_vec())));
    odd.push(Value::Array(vec![7.into()]));
    odd.push(Value::Array(vec![Value::Array(Vec::new())]));
    odd.push(Value::Table(toml::Table::new()));
    odd.push(Value::Table(
        [("unheard_of".to_owned(), 1.into())].into_iter().collect(),
    ));
    odd
}

/// Both say the same of the tree; what the parser alone may refuse is noted.
fn agree(schema: &Json, tree: &Value, what: &str, beyond: &mut BTreeSet<&str>) {
    let (parser, schema) = (refused(tree), wrong(schema, &json_of_value(tree), ""));
    match (parser.is_empty(), schema) {
        (true, Some(place)) => panic!("{what}: the parser takes it, the schema says {place}"),
        (false, None) => {
            for message in parser {
                let known = BEYOND.iter().find(|known| message.contains(*known));
                beyond.insert(known.unwrap_or_else(|| {
                    panic!("{what}: the schema takes it, the parser says {message}")
                }));
            }
        }
        _ => {}
    }
}

/// Of the logins that stand there for one key alone, the others are not tried again.
fn is_tried(way: &[Step]) -> bool {
    match way {
        [Step::Key(login), Step::Key(name), Step::Key(key), ..] if login == "login" => {
            let once = ["database", "certificate", "fixed"].contains(&name.as_str());
            !once || ["zone", "denied_relations"].contains(&key.as_str())
        }
        _ => true,
    }
}

#[test]
fn every_key_is_tried() {
    let mut has: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut can = has.clone();
    let anyones = |name: &str| match name.strip_prefix("login.") {
        Some(rest) => rest
            .split_once('.')
            .map_or("login.*".to_owned(), |(_, rest)| format!("login.*.{rest}")),
        None => name.to_owned(),
    };
    for (name, keys) in known_keys(EVERY) {
        let mut tree = &every();
        for word in name.split('.').filter(|word| !word.is_empty()) {
            tree = &tree[word];
            tree = tree.get(0).unwrap_or(tree);
        }
        let there = tree.as_table().expect("a table").keys().cloned();
        has.entry(anyones(&name)).or_default().extend(there);
        let keys = keys.into_iter().map(str::to_owned);
        can.entry(anyones(&name)).or_default().extend(keys);
    }
    for (name, mut keys) in can {
        if name == "guards" {
            continue;
        }
        keys.retain(|key| !has[&name].contains(key));
        // Tables of guards are tried by one of them.
        assert!(
            keys.is_empty() || keys == BTreeSet::from(["mode".to_owned()]),
            "[{name}] {keys:?}"
        );
    }
}

#[test]
fn whatever_a_value_is_made_both_say_the_same() {
    let (schema, odd) = (schema(), odd());
    assert_eq!(refused(&every()), [""; 0]);
    assert_eq!(wrong(&schema, &json_of_value(&every()), ""), None);
    let (mut all, mut beyond) = (Vec::new(), BTreeSet::new());
    paths(&every(), &[], &mut all);
    for way in all.into_iter().filter(|way| is_tried(way)) {
        for value in &odd {
            let mut tree = every();
            *way.iter().fold(&mut tree, inner) = value.clone();
            agree(&schema, &tree, &format!("{way:?} = {value}"), &mut beyond);
        }
        // Without it, and with one more key.
        let (last, before) = way.split_last().expect("a step");
        let mut tree = every();
        match (before.iter().fold(&mut tree, inner), last) {
            (Value::Table(table), Step::Key(key)) => table.remove(key),
            (Value::Array(list), Step::Item(item)) => Some(list.remove(*item)),
            _ => None,
        };
        agree(&schema, &tree, &format!("{way:?} left out"), &mut beyond);
        let mut tree = every();
        if let Value::Table(table) = way.iter().fold(&mut tree, inner) {
            table.insert("unheard_of".to_owned(), "x".into());
            agree(
                &schema,
                &tree,
                &format!("{way:?} with one more"),
                &mut beyond,
            );
        }
    }
    assert_eq!(beyond, BEYOND.into());
}

#[test]
fn lists_that_are_too_long_are_refused_by_both() {
    let schema = schema();
    for (way, most) in [
        (&["rule"][..], MAX_RULES),
        (&["exception"], MAX_RULES),
        (&["login", "client", "zone", "values"], MAX_VALUES),
    ] {
        for (length, fits) in [(most, true), (most + 1, false)] {
            let mut tree = every();
            let steps = way.iter().map(|key| Step::Key((*key).to_owned()));
            let list = steps.fold(&mut tree, |tree, step| inner(tree, &step));
            let first = list.get(0).expect("an item").clone();
            *list = (0..length)
                .map(|number| {
                    let mut item = first.clone();
                    if item.is_str() {
                        item = format!("zone-{number}").into();
                    } else if let Some(id) = item.get_mut("id") {
                        *id = format!("own-{number}").into();
                    }
                    item
                })
                .collect::<Vec<_>>()
                .into();
            assert_eq!(refused(&tree).is_empty(), fits, "{way:?} {length}");
            let said = wrong(&schema, &json_of_value(&tree), "");
            assert_eq!(said.is_none(), fits, "{way:?} {length}: {said:?}");
        }
    }
}
