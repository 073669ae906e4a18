//! What the gate costs: the lexer and first opinion with the grammar (uncached), the cache, and the
//! verdict on what is known; then a table of texts up to 1 MB, with the worst shapes known.
//!
//! `cargo bench --bench gate` (`-- shapes`: only the tables)

#[path = "../tests/conversing/counting.rs"]
mod counting;
#[path = "gate_parts/worker.rs"]
mod worker;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::policy::{Policy, State, Who, decide};
use portcullis::sql::{
    Depth, FactsCache, LONG_TEXT, QualifiedName, RelationAct, RelationTouch, describe, describe_at,
    fingerprint,
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
        group.bench_function(format!("uncached, with names/{name}"), |run| {
            run.iter(|| describe_at(black_box(text), Depth::Names))
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

/// A text of a shape: its start, what is repeated, what stands in the middle and closes as often,
/// its end. `#` is a number that counts up.
struct Shape(&'static str, [&'static str; 5]);

/// What takes longest for its length: nesting, chains, lists, comments, operators, many names.
const SHAPES: &[Shape] = &[
    Shape("values", ["insert into t values (1)", ",(1)", "", "", ""]),
    Shape(
        "rows of a bulk insert",
        [
            "insert into t (a, b, c) values (0, 'x', now())",
            ", (#, 'some text', now())",
            "",
            "",
            "",
        ],
    ),
    Shape(
        "in list",
        ["select * from t where a in (0", ",#", "", "", ")"],
    ),
    Shape("columns", ["select a", ",a", "", "", " from t"]),
    Shape(
        "aliased columns",
        ["select a", ", t.\"c#\" as \"c#\"", "", "", " from t"],
    ),
    Shape("or chain", ["select 1 where a=0", " or a=#", "", "", ""]),
    Shape("plus chain", ["select 1", "+1", "", "", ""]),
    Shape("signs", ["select ", "- ", "1", "", ""]),
    Shape("not", ["select ", "not ", "a", "", ""]),
    Shape("operators", ["select 1", " @#@ 1", "", "", ""]),
    Shape(
        "operator runs",
        [
            "select 1",
            " ++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++1",
            "",
            "",
            "",
        ],
    ),
    Shape("parentheses", ["select ", "(", "1", ")", ""]),
    Shape("subqueries", ["", "select(", "select 1", ")", ""]),
    Shape(
        "subqueries in from",
        ["", "select * from (", "select 1", ")a", ""],
    ),
    Shape("calls in calls", ["select ", "f(", "1", ")", ""]),
    Shape("calls", ["select 1", ",f#()", "", "", ""]),
    Shape(
        "set_config",
        ["select 1", ",set_config('a','b',true)", "", "", ""],
    ),
    Shape("open set_config", ["select ", "set_config(", "", "", ""]),
    Shape(
        "case",
        ["select ", "case when a then 1 else ", "2", " end", ""],
    ),
    Shape("arrays", ["select ", "array[", "1", "]", ""]),
    Shape(
        "subscripts",
        ["with x as (select 1) select a", "[1]", "", "", ""],
    ),
    Shape(
        "fields",
        ["with x as (select 1) select 1", ", (a).b.b.b.b", "", "", ""],
    ),
    // Longer than PostgreSQL's names: its lexer makes a notice of each.
    Shape(
        "long names",
        [
            "select a",
            ",a_name_that_is_longer_than_postgresql_lets_any_name_be_which_is_63",
            "",
            "",
            " from t",
        ],
    ),
    Shape("casts", ["select 1", "::int", "", "", ""]),
    Shape(
        "joins",
        ["select * from t", " join t# using(a)", "", "", ""],
    ),
    Shape("relations", ["select * from t", ",t#", "", "", ""]),
    Shape(
        "union",
        [
            "with x as (select 1) select 1",
            " union select 1",
            "",
            "",
            "",
        ],
    ),
    Shape(
        "ctes",
        [
            "with x as (select 1)",
            ",x# as (select 1 from x)",
            "",
            "",
            " select 1",
        ],
    ),
    Shape(
        "ctes in ctes",
        ["", "with x as (", "select 1 from x", ")select 1 from x", ""],
    ),
    Shape(
        "references below ctes",
        [
            "",
            "with y as (select 1),x as (",
            "select 1 from a,b,c,d,e,f,g,h",
            ")select 1 from z",
            "",
        ],
    ),
    Shape(
        "for update",
        ["select * from t", ",t", "", "", " for update"],
    ),
    Shape("statements", ["select 1;", "select 1;", "", "", ""]),
    Shape("begins", ["", "begin;", "", "", ""]),
    Shape("sets", ["", "set a.b=1;", "", "", ""]),
    Shape("deletes", ["", "delete from t;", "", "", ""]),
    Shape("empty statements", ["select 1", ";", "", "", ""]),
    Shape("comments", ["select 1", "/**/", "", "", ""]),
    Shape(
        "comments after operators",
        ["select 1", "/**/+1", "", "", ""],
    ),
    Shape(
        "nested comments",
        ["select 1 ", "/*/*/*/*/*/*/*/**/*/*/*/*/*/*/*/", "", "", ""],
    ),
    Shape("line comments", ["select 1", "--\n", "", "", ""]),
    Shape("string parts", ["select 'a'", "\n''", "", "", ""]),
    Shape("dollar signs", ["select $a$", "$", "", "", "$a$"]),
    Shape("quotes", ["select '", "''", "", "", "'"]),
    Shape(
        "unicode names",
        ["select 1", ",U&\"\\0061#\"()", "", "", ""],
    ),
    Shape("syntax error", ["select a", ", a", "", "", " from b c d"]),
    Shape(
        "syntax error looked for",
        ["select a", ", a", "", "", " from b c c c c c c c c c c c c"],
    ),
    Shape("unterminated", ["select '", "a", "", "", ""]),
    Shape("grants", ["grant select on t", ",t#", "", "", " to a"]),
    Shape("drops", ["drop table t", ",t#", "", "", ""]),
    Shape(
        "function settings",
        [
            "create function f() returns int",
            " set a=1",
            "",
            "",
            " language sql as ''",
        ],
    ),
    Shape(
        "atomic body",
        [
            "create function f() returns int begin atomic ",
            "delete from t;",
            "",
            "",
            "end",
        ],
    ),
    Shape("as into", ["select 1", " as as,1", "", "", " into t"]),
    Shape(
        "update words",
        [
            "with x as (select 1) select 1",
            ",update",
            "",
            "",
            " from t",
        ],
    ),
    Shape("json", ["select ", "json_object('a':", "1", ")", ""]),
    Shape(
        "windows",
        [
            "select 1",
            ",sum(a) over (partition by b order by c)",
            "",
            "",
            " from t",
        ],
    ),
];

impl Shape {
    /// Its text of about `length` bytes.
    fn text(&self, length: usize) -> String {
        let [start, part, middle, close, end] = self.1;
        let mut text = start.to_owned();
        let mut parts = 0;
        while text.len() + part.len() + parts * close.len() + middle.len() + end.len() < length {
            text.push_str(&part.replace('#', &parts.to_string()));
            parts += 1;
        }
        text + middle + &close.repeat(parts) + end
    }
}

/// The quickest of a few times to describe `text`: what the text costs, not what else went on.
fn cost(text: &str, depth: Depth) -> Duration {
    let started = Instant::now();
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        black_box(describe_at(black_box(text.as_bytes()), depth));
        quickest = quickest.min(start.elapsed());
        if started.elapsed() > Duration::from_secs(1) {
            break;
        }
    }
    quickest
}

/// Driver's statements in microseconds, the quickest of many times: what they cost on a machine that
/// has other work, too.
fn quickest(_: &mut Criterion) {
    let quickest = |work: &mut dyn FnMut()| {
        let mut least = Duration::MAX;
        for _ in 0..5_000 {
            let start = Instant::now();
            (0..10).for_each(|_| work());
            least = least.min(start.elapsed() / 10);
        }
        least.as_secs_f64() * 1e6
    };
    println!("\nmicroseconds, at least: grammar's parse, uncached, with names, cached");
    for (name, text) in STATEMENTS {
        let mut cache = FactsCache::new(1 << 20, 1);
        let bytes = text.as_bytes();
        let times = [
            quickest(&mut || drop(black_box(pg_raw_parse::parse(black_box(text))))),
            quickest(&mut || drop(black_box(describe(black_box(bytes))))),
            quickest(&mut || drop(black_box(describe_at(black_box(bytes), Depth::Names)))),
            quickest(&mut || drop(black_box(cache.describe(black_box(bytes))))),
        ];
        let times = times.map(|time| format!("{time:>8.2}")).join("");
        println!("{name:12}{times}");
    }
}

/// Lookups of texts of about 1 KB: with parameters, and with constants, the same ones and others.
fn cached(_: &mut Criterion) {
    let columns: String = ('a'..='z')
        .map(|letter| format!("some_longer_column_{letter}, another_{letter}, "))
        .collect();
    let texts = |name: &'static str, text: &dyn Fn(usize) -> String| {
        let mut cache = FactsCache::new(1 << 20, 1);
        let texts: Vec<String> = (0..64).map(text).collect();
        // Until the last one is found as it will be found from then on.
        (0..4).for_each(|_| {
            texts
                .iter()
                .for_each(|text| drop(cache.describe(text.as_bytes())))
        });
        let mut least = Duration::MAX;
        for _ in 0..5_000 {
            let start = Instant::now();
            for text in &texts {
                black_box(cache.get(black_box(text.as_bytes())));
            }
            least = least.min(start.elapsed() / texts.len() as u32);
        }
        let time = least.as_secs_f64() * 1e6;
        println!("{name:32}{:>6} bytes {time:>8.3}", texts[0].len());
    };
    println!("\nmicroseconds, at least, for texts that are known");
    texts("parameters", &|_| {
        format!("select {columns} x from orders where id = $1 and note like $2")
    });
    texts("a constant, word for word", &|_| {
        format!("select {columns} x from orders where id = 1234")
    });
    texts("a list, word for word", &|_| {
        let list = ", 12345".repeat(140);
        format!("select x from orders where id in (1{list})")
    });
    // More texts than are remembered: each is found by its key.
    let mut cache = FactsCache::new(1 << 20, 1);
    let text = |id: usize| format!("select {columns} x from orders where id = {id}");
    (0..2).for_each(|id| drop(cache.describe(text(id).as_bytes())));
    let mut least = Duration::MAX;
    for id in 2..20_000 {
        let text = text(id);
        let start = Instant::now();
        black_box(cache.get(black_box(text.as_bytes())));
        least = least.min(start.elapsed());
    }
    let time = least.as_secs_f64() * 1e6;
    println!(
        "{:32}{:>6} bytes {time:>8.3}",
        "a constant, never the same",
        text(1).len()
    );
}

/// Texts from 1 KB to 1 MB; a worker reads those up to [`LONG_TEXT`] itself.
fn shapes(_: &mut Criterion) {
    const LENGTHS: [usize; 6] = [1 << 10, 4 << 10, 8 << 10, LONG_TEXT, 256 << 10, 1 << 20];
    println!("\ntexts by shape and length: milliseconds on the surface / with names");
    print!("{:26}", "");
    for length in LENGTHS {
        print!("{:>16}", format!("{} KB", length >> 10));
    }
    println!();
    for shape in SHAPES {
        print!("{:26}", shape.0);
        for length in LENGTHS {
            let text = shape.text(length);
            let times = [Depth::Surface, Depth::Names].map(|depth| cost(&text, depth));
            let [surface, names] = times.map(|time| time.as_secs_f64() * 1000.0);
            print!("{:>16}", format!("{surface:.2} / {names:.2}"));
        }
        println!();
    }
}

/// What the worker spends on them, with what it does besides describing. Its message and the words behind it are within
/// what a worker reads of them.
fn held(_: &mut Criterion) {
    let texts = |shape: &Shape| {
        (
            shape.0,
            [LONG_TEXT - 64, (1 << 20) - 64].map(|length| shape.text(length)),
        )
    };
    let texts: Vec<_> = SHAPES.iter().map(texts).collect();
    worker::table(&texts);
}

/// The verdict under a policy with 100 rules of a kind. `none` has no rules: what nearly all traffic pays.
fn verdict(_: &mut Criterion) {
    println!(
        "\ndecide() with 100 rules of which none holds, microseconds, at least; at most 0.5 are allowed"
    );
    for (name, number, when) in [
        ("none", 0, ""),
        ("about other logins", 100, "login = \"other_NN\""),
        (
            "about other classes",
            100,
            "class = \"copy-out\", database = \"shop_NN\"",
        ),
        (
            "about relations",
            100,
            "class = \"write\", relation = \"public.orders_NN\"",
        ),
        ("globs of relations", 100, "relation = \"public.*_NN\""),
        ("about tags", 100, "tag = \"DROP NN*\""),
        (
            "about writes in migrations",
            100,
            "class = \"write\", migration = true",
        ),
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
        let mut least = Duration::MAX;
        for _ in 0..20_000 {
            let start = Instant::now();
            for _ in 0..10 {
                black_box(decide(black_box(&facts), &who, State::default()));
            }
            least = least.min(start.elapsed() / 10);
        }
        let time = least.as_secs_f64() * 1e6;
        println!("{name:28}{time:>8.3}");
    }
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

criterion_group!(benches, gate);
criterion_group!(table, held, quickest, cached, verdict, shapes);
criterion_main!(benches, table);
