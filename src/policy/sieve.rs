//! Which rules a statement has to be held against. With a hundred rules about relations, a statement
//! that names two others would be compared two hundred times; here it is looked up twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::parse::MAX_RULES;
use super::pattern::{Handle, NamePattern, Pattern, cut};
use super::rule::Rule;
use super::{State, Who};
use crate::sql::{QualifiedName, Statement, tags};

/// The rules that can hold for a login, in the order of the file, by what they ask for. What is found
/// here only may hold: [`When::holds`](super::rule::When::holds) has the say.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    rules: Box<[Arc<Rule>]>,
    /// They go by no name and no tag, or by a pattern that any name could fit.
    always: RuleSet,
    /// Those that go by the tag of a statement, and not by names; under each tag there is.
    tags: HashMap<&'static str, RuleSet, FixedState>,
    /// Those that go by relations.
    relations: Names,
    /// Those that go by functions, and not by relations.
    functions: Names,
}

impl Sieve {
    pub(super) fn new(rules: Box<[Arc<Rule>]>) -> Self {
        let mut sieve = Self::default();
        for (at, rule) in rules.iter().enumerate() {
            let (names, patterns) = match (&rule.when.relation, &rule.when.function) {
                (Some(relations), _) => (&mut sieve.relations, relations),
                (None, Some(functions)) => (&mut sieve.functions, functions),
                (None, None) => {
                    match &rule.when.tag {
                        Some(patterns) => sieve.insert_tagged(at, patterns),
                        None => sieve.always.insert(at),
                    }
                    continue;
                }
            };
            names.insert(at, patterns, &mut sieve.always);
        }
        Self { rules, ..sieve }
    }

    /// A rule that goes by tags.
    fn insert_tagged(&mut self, rule: usize, patterns: &[Pattern]) {
        for tag in tags() {
            let rules = self.tags.entry(tag).or_default();
            if patterns.iter().any(|pattern| pattern.fits(tag)) {
                rules.insert(rule);
            }
        }
    }

    pub(super) fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The first rule that holds for a statement; `alone`: it is the only one of its message.
    pub(super) fn first(
        &self,
        statement: &Statement,
        alone: bool,
        who: &Who,
        state: State,
    ) -> Option<&Arc<Rule>> {
        let details = &statement.details;
        let relations = details.relations.as_deref();
        let calls = details.calls.as_deref();
        let mut found = self.always;
        match self.tags.get(statement.tag) {
            Some(rules) => found.add(rules),
            // Every tag is there; were it not, all rules would have to be asked.
            None => self.tags.values().for_each(|rules| found.add(rules)),
        }
        let relations = relations.map(|list| list.iter().map(|touch| &touch.relation));
        self.relations.find(relations, &mut found);
        self.functions
            .find(calls.map(<[QualifiedName]>::iter), &mut found);
        let holds = |rule: &&Arc<Rule>| rule.when.holds(statement, alone, who, state);
        found.find_map(|at| self.rules.get(at).filter(holds))
    }
}

/// Rules by a part of the names that they ask for, without schemas.
#[derive(Debug, Default)]
struct Names {
    all: RuleSet,
    whole: HashMap<Box<str>, Vec<usize>, FixedState>,
    first: BTreeMap<u8, RuleSet>,
    last: BTreeMap<u8, RuleSet>,
}

impl Names {
    fn insert(&mut self, rule: usize, patterns: &[NamePattern], always: &mut RuleSet) {
        self.all.insert(rule);
        for pattern in patterns {
            match pattern.handle() {
                Handle::Whole(name) => self.whole.entry(name.into()).or_default().push(rule),
                Handle::First(byte) => self.first.entry(byte).or_default().insert(rule),
                Handle::Last(byte) => self.last.entry(byte).or_default().insert(rule),
                Handle::None => always.insert(rule),
            }
        }
    }

    /// Adds the rules that could mean one of `names`; all of them where the names are not known.
    fn find<'a>(
        &self,
        names: Option<impl Iterator<Item = &'a QualifiedName>>,
        found: &mut RuleSet,
    ) {
        let Some(names) = names else {
            return found.add(&self.all);
        };
        if self.all.is_empty() {
            return;
        }
        for name in names {
            let name = cut(&name.name);
            for rule in self.whole.get(name).into_iter().flatten() {
                found.insert(*rule);
            }
            let bytes = name.as_bytes();
            let ends = [(&self.first, bytes.first()), (&self.last, bytes.last())];
            for (rules, byte) in ends {
                if let Some(rules) = byte.and_then(|byte| rules.get(byte)) {
                    found.add(rules);
                }
            }
        }
    }
}

/// Rules by their places in a list of at most [`MAX_RULES`].
#[derive(Clone, Copy, Debug, Default)]
struct RuleSet([u64; MAX_RULES.div_ceil(64)]);

impl RuleSet {
    fn insert(&mut self, rule: usize) {
        self.0[rule / 64] |= 1 << (rule % 64);
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|bits| *bits == 0)
    }

    /// What the first rule answers that answers something, in the order of the list.
    fn find_map<T>(&self, mut ask: impl FnMut(usize) -> Option<T>) -> Option<T> {
        for (at, bits) in self.0.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let answer = ask(at * 64 + bits.trailing_zeros() as usize);
                if answer.is_some() {
                    return answer;
                }
                // Without its lowest bit.
                bits &= bits - 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::guards::fixture::*;
    use super::*;
    use crate::sql::{Class, RelationAct};

    /// What a rule can go by. Of each kind of handle, with and without schemas, alone and in lists.
    const WHEN: [&str; 21] = [
        "relation = \"orders\"",
        "relation = \"public.orders\"",
        "relation = \"audit_*\"",
        "relation = \"vault.*\"",
        "relation = \"*_log\"",
        "relation = \"a*t_*g\"",
        "relation = \"*rd*\"",
        "relation = [\"cards\", \"*_log\", \"vault.x\"]",
        "relation = \"*\"",
        "class = \"write\", relation = \"orders\"",
        "tag = \"DELETE\", relation = \"cards\"",
        "function = \"pg_*\"",
        "function = [\"f\", \"*_for\"]",
        "function = \"pg_catalog.now\"",
        "relation = \"orders\", function = \"f\"",
        "class = \"ddl\"",
        "tag = \"TRUNC*\"",
        "parameter = \"work_mem\"",
        "reads = \"orders\"",
        "writes = \"cards\", relation = \"*_log\"",
        "missing_where = false, tag = \"DELETE\"",
    ];
    const NAMES: [&str; 11] = [
        "orders",
        "public.orders",
        "audit.orders",
        "audit_log",
        "vault.cards",
        "cards",
        "f",
        "pg_sleep_for",
        "pg_catalog.now",
        "\u{e9}",
        "x",
    ];

    /// Statements with no names, one, or two; without any that are known.
    fn statements() -> Vec<Statement> {
        let mut all = vec![statement("DELETE", &[Class::Write])];
        let pairs = |at: usize| (NAMES[at % 11], NAMES[at * 7 % 11]);
        for (relation, call) in (0..33).map(pairs) {
            for (tag, class) in [("SELECT", Class::Read), ("DELETE", Class::Write)] {
                let mut one = touches(tag, &[class], &[(relation, RelationAct::Read)]);
                one.statements[0].details.calls = Some(Vec::new());
                all.extend(one.statements.clone());
                one.statements[0].details.calls = Some(vec![qualified(call), qualified("x")]);
                all.extend(one.statements.clone());
                one.statements[0].details.relations = None;
                all.extend(one.statements);
            }
        }
        all
    }

    /// A login under these rules.
    fn under(rules: &[&str]) -> Who {
        let text = rules.iter().enumerate().map(|(at, when)| {
            format!("[[rule]]\nid = \"r{at}\"\nmessage = \"no\"\nwhen = {{ {when} }}\n")
        });
        who_under(&policy(&text.collect::<String>()), "shop_acme", "shop")
    }

    /// The first rule that holds: found here, and by asking every one.
    fn both(who: &Who, one: &Statement) -> [Option<Arc<str>>; 2] {
        let mut all = who.policy.rules.iter();
        let asked = all.find(|rule| rule.when.holds(one, true, who, CLOSED));
        let found = who.login.watch.rules.first(one, true, who, CLOSED);
        [found, asked].map(|rule| rule.map(|rule| rule.id.clone()))
    }

    #[test]
    fn what_is_found_is_what_every_rule_would_say() {
        let mut holding = 0;
        let mut backwards = WHEN;
        backwards.reverse();
        let alone = WHEN.map(|when| vec![when]);
        for rules in [vec![WHEN.to_vec(), backwards.to_vec()], alone.to_vec()].concat() {
            let who = under(&rules);
            for one in statements() {
                let [found, asked] = both(&who, &one);
                assert_eq!(found, asked, "{rules:?}: {one:?}");
                holding += usize::from(found.is_some());
            }
        }
        assert!(holding > 500, "{holding} hold");
    }

    #[test]
    fn the_last_of_many_rules_is_found() {
        let mut rules = vec!["relation = \"other\""; MAX_RULES - 1];
        rules.push("relation = \"orders\"");
        let one = touches("SELECT", &[Class::Read], &[("orders", RelationAct::Read)]);
        let [found, asked] = both(&under(&rules), &one.statements[0]);
        assert_eq!(found.as_deref(), Some("r999"));
        assert_eq!(found, asked);
    }
}
