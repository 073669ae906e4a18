//! What the gate says about statements made at random, next to what PostgreSQL says: its grammar
//! about all of them, a running server about some that the gate calls harmless.
//!
//! A seed makes the same statements again. By hand, for longer:
//! `PORTCULLIS_TEST_TIMES=10 PORTCULLIS_TEST_SEED=7 cargo test --release --test differential -- --nocapture`

mod support;

#[path = "conversing/random.rs"]
mod random;

mod differential {
    pub mod generator;
    pub mod rules;
    pub mod server;
    pub mod truth;
}

use differential::generator::{Spelled, mutate, spell, tokens};
use differential::server::{Outcome, Server};
use differential::truth::{self, Truth};
use portcullis::sql::{
    Class, ClassSet, Depth, Facts, ParameterName, ParameterTouch, Statement, TemporaryTable,
    describe_at, first_opinion_alone, group,
};
use random::Random;
use support::wanted;

/// Texts made in an ordinary run.
const TEXTS: usize = 200_000;
/// Temporary tables that the server makes in an ordinary run.
const TABLES: usize = 1_500;
/// Statements that the server runs in an ordinary run.
const RUNS: usize = 5_000;

/// How often the work of an ordinary run is done.
fn times() -> usize {
    wanted::times() as usize
}

fn random(own: u64) -> Random {
    Random::new(wanted::seed().unwrap_or(20_261_121) ^ (own << 32))
}

/// Classes of which a login without DDL may have none.
fn restricted(classes: ClassSet) -> bool {
    [
        Class::Ddl,
        Class::Role,
        Class::RoleChange,
        Class::SessionState,
        Class::CopyFile,
        Class::CopyProgram,
        Class::Maintenance,
        Class::Procedural,
        Class::Replication,
        Class::Unknown,
    ]
    .iter()
    .any(|class| classes.has(*class))
}

/// What was tried, and the statements that are not restricted but refused.
#[derive(Default)]
struct Tally {
    texts: usize,
    statements: usize,
    ordinary: usize,
    refused: Vec<String>,
    /// What libpg_query cannot read for a comment where it looks ahead: described, and not.
    ahead: [usize; 2],
}

impl Tally {
    /// Compares everything that is known about one text; panics where the gate sees less.
    fn check(&mut self, Spelled { text, bare }: &Spelled) {
        self.texts += 1;
        let facts = describe_at(text.as_bytes(), Depth::Names);
        let read = truth::of(text);
        let ahead = read.is_none();
        let Some(truths) = read.or_else(|| truth::of(bare)) else {
            assert!(facts.undescribed.is_some(), "no SQL, but described: {text}");
            return;
        };
        if ahead {
            self.ahead[usize::from(facts.undescribed.is_some())] += 1;
            if facts.undescribed.is_some() {
                return;
            }
        }
        self.statements += truths.len();
        // Whatever sets a parameter is no ordinary statement.
        let harmless = truths
            .iter()
            .all(|truth| !truth.restricted && !truth.calls.contains("set_config"));
        self.ordinary += usize::from(harmless && !truths.is_empty()) * truths.len();
        let Some(first) = first_opinion_alone(text).filter(|_| facts.undescribed.is_none()) else {
            if harmless {
                self.refused.push(text.to_owned());
            }
            return;
        };
        assert_eq!(first.len(), truths.len(), "statements of {text}");
        assert_eq!(facts.statements.len(), truths.len(), "statements of {text}");
        for ((own, statement), truth) in first.iter().zip(&facts.statements).zip(&truths) {
            not_less("the lexer alone", own, truth, text);
            not_less("both", statement, truth, text);
            details(statement, truth, text);
        }
        if harmless && restricted(facts.classes) {
            self.refused.push(text.to_owned());
        }
    }

    fn report(&self, what: &str) {
        println!(
            "{what}: {} texts, {} statements, {} of them ordinary, {} refused",
            self.texts,
            self.statements,
            self.ordinary,
            self.refused.len()
        );
        let [described, not] = self.ahead;
        println!(
            "{what}: comments where the grammar looks ahead: {described} described, {not} not"
        );
        assert!(described > 0);
        for text in self.refused.iter().take(20) {
            println!("refused: {text}");
        }
    }
}

fn not_less(who: &str, statement: &Statement, truth: &Truth, text: &str) {
    let classes = statement.classes;
    // A name that is not a constant as it stands could be any parameter's, also that of the role.
    let computed = |touch: &ParameterTouch| touch.name == ParameterName::Dynamic;
    assert!(
        !truth.sets_role
            || classes.has(Class::RoleChange)
            || statement.parameters.iter().any(computed),
        "{who}: {statement:?} does not change the role: {text}"
    );
    assert!(
        !truth.restricted || restricted(classes),
        "{who}: {classes:?} is not all of {text}"
    );
    assert!(
        !truth.writes || classes.has(Class::Write) || restricted(classes),
        "{who}: {classes:?}, but it writes: {text}"
    );
}

/// Is it called a temporary table that is gone when its transaction is over?
fn is_dropped_at_commit(statement: &Statement) -> bool {
    let table = statement.details.temporary_table.as_deref();
    table.is_some_and(TemporaryTable::is_dropped_at_commit)
}

fn details(statement: &Statement, truth: &Truth, text: &str) {
    let details = &statement.details;
    assert!(
        truth.dropped_at_commit || !is_dropped_at_commit(statement),
        "not gone at COMMIT: {text}"
    );
    assert!(
        !truth.missing_where || details.missing_where,
        "no WHERE: {text}"
    );
    assert!(
        restricted(statement.classes) || truth.missing_where == details.missing_where,
        "a WHERE: {text}"
    );
    if let Some(found) = &details.relations {
        for name in &truth.relations {
            let known = found.iter().any(|touch| *touch.relation.name == **name);
            assert!(known, "{name} is not among {found:?}: {text}");
        }
    }
    let guarded = |name: &&String| group(name).is_some() && *name != "ts_rewrite";
    for name in truth.calls.iter().filter(guarded) {
        let known = statement.functions.contains(&&**name);
        assert!(known, "{name} is called: {text}");
    }
    if let Some(found) = &details.calls {
        for name in &truth.calls {
            let known = found.iter().any(|call| *call.name == **name);
            assert!(known, "{name} is not among {found:?}: {text}");
        }
    }
}

#[test]
fn generated_statements_are_seen_as_the_grammar_sees_them() {
    let mut random = random(1);
    let mut tally = Tally::default();
    for _ in 0..TEXTS * times() {
        let list = tokens(&mut random, "message");
        let plain = random.one_in(4);
        let text = spell(&mut random, &list, plain);
        tally.check(&text);
    }
    tally.report("generated");
    assert!(
        tally.statements > tally.texts / 2,
        "{} are SQL",
        tally.statements
    );
    assert_eq!(tally.refused, [""; 0]);
}

#[test]
fn mutated_statements_are_seen_as_the_grammar_sees_them() {
    let mut random = random(2);
    let mut tally = Tally::default();
    for _ in 0..2 * TEXTS * times() {
        let mut list = tokens(&mut random, "message");
        let other = tokens(&mut random, "statement");
        mutate(&mut random, &mut list, &other);
        let plain = random.one_in(4);
        let text = spell(&mut random, &list, plain);
        tally.check(&text);
    }
    tally.report("mutated");
    assert!(
        tally.statements > tally.texts / 10,
        "{} are SQL",
        tally.statements
    );
    // At most 0.05 %: where INSERT and others are names, the lexer alone cannot always tell.
    let allowed = tally.ordinary / 2000;
    assert!(
        tally.refused.len() <= allowed,
        "{} refused, {allowed} allowed",
        tally.refused.len()
    );
}

/// Nothing but reading and writing rows, as far as the gate can see.
fn is_plain(facts: &Facts) -> bool {
    let plain = ClassSet::of(Class::Read).with(Class::Write);
    facts.undescribed.is_none()
        && !facts.classes.is_empty()
        && facts.classes.minus(plain).is_empty()
        && facts.statements.iter().all(|statement| {
            let details = &statement.details;
            statement.parameters.is_empty()
                && statement.functions.iter().all(|name| group(name).is_none())
                && !details.into
                && !details.temporary
                && details.extensions.is_empty()
                && details.role.is_none()
        })
}

#[test]
fn what_is_called_plain_makes_nothing_on_a_server() {
    let mut server = Server::start();
    let mut random = random(3);
    let (mut tried, mut ran) = (0, 0);
    while tried < RUNS * times() {
        let rule = match random.below(4) {
            0 => "message",
            1 => "nested",
            _ => "ordinary",
        };
        let mut list = tokens(&mut random, rule);
        if random.one_in(4) {
            let other = tokens(&mut random, "statement");
            mutate(&mut random, &mut list, &other);
        }
        let plain = random.one_in(2);
        let Spelled { text, .. } = spell(&mut random, &list, plain);
        if is_plain(&describe_at(text.as_bytes(), Depth::Surface)) {
            tried += 1;
            match server.run(&text) {
                Outcome::Failed => {}
                Outcome::Rows => ran += 1,
                Outcome::More(after) => panic!("{after} after {text}"),
            }
        }
    }
    println!("run: {tried} texts called plain, {ran} without an error");
    assert!(ran > tried / 4, "only {ran} of {tried} ran");
    assert!(server.is_as_before(), "something is left");
}

#[test]
fn what_is_called_dropped_at_commit_is_gone_with_its_transaction() {
    let mut server = Server::start();
    server.begin_temporary();
    let mut random = random(4);
    let (mut called, mut ran) = (0, 0);
    while called < TABLES * times() {
        let mut list = tokens(&mut random, "temporary");
        if random.one_in(4) {
            let other = tokens(&mut random, "statement");
            mutate(&mut random, &mut list, &other);
        }
        let plain = random.one_in(2);
        let Spelled { text, .. } = spell(&mut random, &list, plain);
        let facts = describe_at(text.as_bytes(), Depth::Surface);
        let alone = facts.undescribed.is_none() && facts.statements.len() == 1;
        if alone && is_dropped_at_commit(&facts.statements[0]) {
            called += 1;
            match server.run_alone(&text) {
                Outcome::Failed => {}
                Outcome::Rows => ran += 1,
                Outcome::More(after) => panic!("{after} after {text}"),
            }
        }
    }
    println!("made: {called} tables called dropped at commit, {ran} without an error");
    assert!(ran > called / 4, "only {ran} of {called} ran");
    let outcome = server.run_alone("create temp table made (a int)");
    assert!(matches!(outcome, Outcome::More(_)), "{outcome:?}");
}

#[test]
fn what_makes_something_on_a_server_is_noticed() {
    let mut server = Server::start();
    for text in [
        "create table made (a int)",
        "select 1 into made",
        "create temp table made (a int)",
        "create role made",
        "create function made() returns int language sql as 'select 1'",
        "set work_mem = '1MB'",
        "select set_config('app.made', 'x', true)",
        "set role pg_monitor",
        "prepare made as select 1",
        "declare made cursor for select 1",
        "select pg_advisory_lock(1)",
        "grant select on a to pg_monitor",
        "comment on table a is 'made'",
        "truncate a; drop table b",
    ] {
        let outcome = server.run(text);
        assert!(matches!(outcome, Outcome::More(_)), "{outcome:?} of {text}");
        server.reconnect();
    }
    for text in [
        "insert into a values (77, 1, 'x')",
        "update a set n = nextval('s')",
        "delete from b",
        "select set_config('app.made', '', true)",
    ] {
        assert_eq!(server.run(text), Outcome::Rows, "{text}");
    }
    assert_eq!(server.run("select 1/0"), Outcome::Failed);
}
