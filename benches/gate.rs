//! What the gate costs: the lexer and first opinion with the grammar (uncached), the cache, and the
//! verdict on what is known.
//!
//! `cargo bench --bench gate`

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis::policy::{Policy, State, Who, decide};
use portcullis::sql::{
    FactsCache, LONG_TEXT, QualifiedName, RelationAct, RelationTouch, describe, fingerprint,
};

/// What drivers send: pgbench's TPC-B statements, a point query, an ORM's query.
const STATEMENTS: [(&str, &str); 4] = [
    (
        "tpcb-update",
        "UPDATE pgbench_accounts SET abalance = abalance + 1234 WHERE aid = 56789;",
    ),
    (
        "tpcb-insert",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, 4, CURRENT_TIMESTAMP);",
    ),
    ("begin", "BEGIN;"),
    ("orm", ORM),
];

const ORM: &str = r#"SELECT "app_order"."id", "app_order"."number", "app_order"."status", "app_order"."total",
       "app_order"."created_at", "app_customer"."id", "app_customer"."name", "app_customer"."email"
  FROM "app_order"
 INNER JOIN "app_customer" ON ("app_order"."customer_id" = "app_customer"."id")
  LEFT OUTER JOIN "app_invoice" ON ("app_order"."id" = "app_invoice"."order_id")
 WHERE ("app_order"."status" IN ($1, $2, $3) AND "app_order"."created_at" >= $4
        AND NOT ("app_customer"."email" LIKE $5 OR "app_invoice"."id" IS NULL))
 GROUP BY "app_order"."id", "app_customer"."id"
HAVING COUNT("app_invoice"."id") > $6
 ORDER BY "app_order"."created_at" DESC, "app_order"."id" ASC LIMIT 50 OFFSET 100"#;

fn gate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gate");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for (name, text) in STATEMENTS {
        let text = text.as_bytes();
        // The lexer, and a hash: the fingerprint is the lexer's only public face.
        group.bench_function(format!("lexer and fingerprint/{name}"), |run| {
            run.iter(|| fingerprint(black_box(text)))
        });
        let valid = std::str::from_utf8(text).unwrap_or_default();
        group.bench_function(format!("grammar's parse/{name}"), |run| {
            run.iter(|| pg_raw_parse::parse(black_box(valid)))
        });
        group.bench_function(format!("uncached/{name}"), |run| {
            run.iter(|| describe(black_box(text)))
        });
        let mut cache = FactsCache::new(1 << 20, 1);
        group.bench_function(format!("cached/{name}"), |run| {
            run.iter(|| cache.describe(black_box(text)))
        });
    }
    let mut cache = FactsCache::new(1 << 20, 1);
    let mut number = 0_u64;
    group.bench_function("literals that never come again", |run| {
        run.iter(|| {
            number += 1;
            cache.describe(
                format!("SELECT abalance FROM pgbench_accounts WHERE aid = {number};").as_bytes(),
            )
        })
    });
    group.finish();
}

/// The longest texts that a worker describes itself.
fn longest(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("longest on a worker");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    let fill = |start: &str, part: &str| {
        format!(
            "{start}{}",
            part.repeat((LONG_TEXT - start.len()) / part.len())
        )
    };
    let texts = [
        ("values", fill("insert into t values (1)", ",(1)")),
        ("subscripts", fill("with x as (select 1) select a", "[1]")),
        ("statements", fill("select 1;", "select 1;")),
        ("calls", fill("select 1", ",set_config('a','b',true)")),
        ("open calls", fill("select ", "set_config(")),
        (
            "operators",
            fill("select ", &format!("{} ", "+".repeat(60))),
        ),
        ("syntax error", fill("select a", ", a") + " from b c d"),
    ];
    for (name, text) in &texts {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(*name, |run| {
            run.iter(|| describe(black_box(text.as_bytes())))
        });
    }
    group.finish();
}

/// The verdict under a policy with 100 rules of a kind. `none` has no rules: what nearly all traffic pays.
fn verdict(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    group
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for (name, number, when) in [
        ("none", 0, ""),
        ("100 about other logins", 100, "login = \"other_NN\""),
        (
            "100 about classes",
            100,
            "class = \"copy-out\", database = \"shop_NN\"",
        ),
        (
            "100 about relations",
            100,
            "class = \"write\", relation = \"public.orders_NN\"",
        ),
        ("100 globs of relations", 100, "relation = \"public.*_NN\""),
        ("100 about tags", 100, "tag = \"DROP NN*\""),
    ] {
        let who = who(number, when);
        let mut facts = describe(STATEMENTS[0].1.as_bytes());
        let touch = |name: &str| RelationTouch {
            relation: QualifiedName {
                schema: Some("public".into()),
                name: name.into(),
            },
            act: RelationAct::Update,
        };
        facts.statements[0].details.relations =
            Some(vec![touch("pgbench_accounts"), touch("order_lines")]);
        group.bench_function(name, |run| {
            run.iter(|| decide(black_box(&facts), &who, State::default()))
        });
    }
    group.finish();
}

fn who(rules: usize, when: &str) -> Who {
    let rule = |number: usize| {
        let when = when.replace("NN", &number.to_string());
        format!("[[rule]]\nid = \"r{number}\"\nmessage = \"no\"\nwhen = {{ {when} }}\n")
    };
    let rules: String = (0..rules).map(rule).collect();
    let text = format!(
        "schema = 1\nenvironment = \"bench\"\n[login.app]\nkind = \"service\"\ndatabases = [\"shop\"]\n{rules}"
    );
    let (policy, _) = Policy::parse(&text, "bench.toml").expect("the policy is valid");
    Who {
        login: policy.logins["app"].clone(),
        policy: policy.into(),
        database: "shop".into(),
    }
}

criterion_group!(benches, gate, longest, verdict);
criterion_main!(benches);
