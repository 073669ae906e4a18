//! The list of guarded functions next to the functions of real servers: what runs, changes or reaches
//! something is guarded or known to be harmless, and `x.f` counts as a call wherever PostgreSQL would make one of it.

mod support;

use std::collections::BTreeSet;

use portcullis::sql::{ByDot, FUNCTIONS, by_dot};
use support::{Pooler, Stack, StackOptions, VERSIONS, Version};

/// Volatile functions that no guard looks at; `#` begins a line that says why.
const HARMLESS: &str = include_str!("guarded_functions/harmless.txt");

/// PostgreSQL's own functions and those of all contrib modules that this server has, as rows: name,
/// volatility, can it be called with one argument, and can that be any row. Not those for triggers, nor what SQL cannot call.
const LIST: &str = "
    SELECT proname, provolatile::text,
        pronargs >= 1 AND pronargs - pronargdefaults <= 1,
        pronargs >= 1 AND pronargs - pronargdefaults <= 1
            AND (SELECT typtype IN ('c', 'p') OR typrelid <> 0 FROM pg_type WHERE oid = proargtypes[0])
    FROM pg_proc
    WHERE prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
        AND NOT 'internal'::regtype = ANY (proargtypes::oid[])";

/// Creates every extension that the server has and that needs no program besides it.
const EXTENSIONS: &str = r#"
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT e.name FROM pg_available_extensions e WHERE e.name !~ 'pl(perl|python|tcl)' LOOP
            EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I CASCADE', name);
        END LOOP;
    END $$"#;

/// What a minor release has brought: a cluster from before has it not. (15.20)
const LATE: [&str; 1] = ["binary_upgrade_set_next_attribute_versions"];

struct Function {
    name: String,
    volatile: bool,
    takes_one: bool,
    takes_a_row: bool,
}

fn functions(version: Version, pooler: Pooler) -> Vec<Function> {
    let stack = Stack::start(StackOptions {
        version,
        pooler,
        proxy: false,
        ..StackOptions::default()
    });
    stack.direct("shop", EXTENSIONS);
    let rows = stack.direct("shop", LIST);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('|').collect();
        let [name, volatility, one, row] = fields[..] else {
            panic!("four fields: {line}");
        };
        Function {
            name: name.to_owned(),
            volatile: volatility == "v",
            takes_one: one == "t",
            takes_a_row: row == "t",
        }
    };
    rows.lines().map(row).collect()
}

#[test]
fn every_function_of_every_version_is_guarded_or_harmless() {
    let guarded: BTreeSet<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
    let harmless: BTreeSet<&str> = HARMLESS
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let both: Vec<_> = harmless.intersection(&guarded).collect();
    assert!(both.is_empty(), "guarded and harmless: {both:?}");
    let mut wrong = BTreeSet::new();
    let (mut seen, mut met) = (0, BTreeSet::new());
    for (version, pooler) in VERSIONS {
        let functions = functions(version, pooler);
        assert!(functions.len() > 2900, "{version:?}: {}", functions.len());
        for function in &functions {
            let name = function.name.as_str();
            if !guarded.contains(name) {
                if function.volatile && !harmless.contains(name) {
                    wrong.insert(format!("neither guarded nor harmless: {name}"));
                }
                met.insert(name.to_owned());
                continue;
            }
            seen += 1;
            let by_dot = by_dot(name);
            if function.takes_one && by_dot == ByDot::Never {
                wrong.insert(format!("x.{name} is a call"));
            }
            if function.takes_a_row && by_dot != ByDot::OfRow {
                wrong.insert(format!("x.{name} is a call of a row"));
            }
        }
    }
    wrong.extend(
        harmless
            .iter()
            .filter(|name| !met.contains(**name) && !LATE.contains(name))
            .map(|name| format!("no server has it: {name}")),
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 450, "{seen} guarded functions on three servers");
}
