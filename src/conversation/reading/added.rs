//! What the values of the startup packet add to a text, before anything of it is made: a RESET of some bytes has
//! thousands said behind it, and so has a NULL.

use std::collections::HashMap;

use super::{Keeps, localized};
use crate::conversation::Origins;
use crate::sql::{Facts, ParameterName};

/// What may be added to one text, bytes: of the longest startup packet, everything several times.
const MAX_ADDED: usize = 128 * 1024;

/// What stands around name and value, bytes: at most, with two dollar quotes for each.
const CALL: usize = "pg_catalog.set_config(,,false),".len() + 4 * "$p1234567$".len();
/// What makes a RESET one for the transaction.
const LOCAL: usize = " LOCAL TO DEFAULT".len();
const COALESCE: usize = "coalesce(,'')".len();
/// The first call of a statement.
const SELECT: usize = ";select ".len();

/// What a value takes, bytes.
#[derive(Clone, Copy, Default)]
struct Added {
    reset: usize,
    unset: usize,
}

/// Is more added than may be? Where less than that is added, it is little more than what is counted.
pub fn is_too_much(facts: &Facts, keeps: Keeps<'_>, origins: &Origins) -> bool {
    let mut statements = facts.statements.iter();
    let speaks = statements.any(|it| it.details.localized.is_some());
    let returns = !(origins.kept.is_empty() && origins.pooled.is_empty());
    if !speaks || !returns {
        return false;
    }
    let (all, of) = sizes(origins);
    let size = |name: &ParameterName| match name {
        ParameterName::Named(name) => of.get(&**name).copied().unwrap_or_default(),
        ParameterName::All => all,
        ParameterName::Dynamic => Added::default(),
    };
    let added = facts.statements.iter().flat_map(|statement| {
        let form = statement.details.localized.as_deref();
        let resets = form.filter(|_| localized(statement, keeps).is_none());
        let resets = resets.into_iter().flat_map(|_| &statement.parameters);
        let unset = form.into_iter().flat_map(|form| form.unset.iter());
        let unset = unset.filter_map(|it| statement.parameters.get(usize::from(it.touch)));
        let resets = resets.map(|touch| size(&touch.name).reset);
        let unset = unset.map(|touch| size(&touch.name).unset);
        resets.chain(unset)
    });
    let mut sum = 0;
    let mut sums = added.map(|bytes| {
        sum += bytes;
        sum
    });
    sums.any(|sum| sum > MAX_ADDED)
}

/// Of all values, and of those of each name.
fn sizes(origins: &Origins) -> (Added, HashMap<&str, Added>) {
    let mut all = Added::default();
    let mut of = HashMap::<&str, Added>::new();
    for (name, value) in origins.kept.iter().chain(&origins.pooled) {
        let quotes = |text: &str| text.len() + text.matches('\'').count();
        let reset = LOCAL + SELECT + CALL + quotes(name) + quotes(value);
        let unset = COALESCE + quotes(value);
        for it in [&mut all, of.entry(name).or_default()] {
            it.reset += reset;
            it.unset += unset;
        }
    }
    (all, of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::reading::{Says, put_query, rewrites};
    use crate::conversation::record::Record;
    use crate::sql::describe;

    fn origins(number: usize, value: &str) -> Origins {
        let pair = |number: usize| (format!("my.p{number}"), value.to_owned());
        let (kept, pooled) = (0..number)
            .map(pair)
            .partition(|(name, _)| name.len() % 2 == 0);
        Origins { kept, pooled }
    }

    /// Bytes that are added to the text; none: it is refused.
    fn added(text: &str, origins: &Origins) -> Option<usize> {
        let facts = describe(text.as_bytes());
        assert_eq!(facts.undescribed, None);
        if is_too_much(&facts, Keeps::All, origins) {
            return None;
        }
        let record = Record::new(&origins.kept, &origins.pooled);
        let mut out = Vec::new();
        let text = text.as_bytes();
        let says = Says {
            record: Some(&record),
            ..Says::default()
        };
        put_query(&mut out, b"", text, &facts, &says);
        Some(out.len() - text.len())
    }

    #[test]
    fn a_short_text_does_not_become_a_long_one() {
        let one = origins(1, &"x".repeat(9000));
        let many = origins(55, &r"\'".repeat(80));
        let tiny = origins(64, "");
        for (statement, times, origins) in [
            ("RESET my.p0;", 9900, &one),
            ("SET my.p0 TO DEFAULT;", 9900, &one),
            ("RESET ALL;", 3000, &many),
            ("RESET my.p54;", 9900, &many),
            ("RESET my.p63;", 9900, &tiny),
        ] {
            let text = statement.repeat(times);
            assert_eq!(added(&text, origins), None, "{statement}");
            // What it does a few times passes, and no text that passes becomes longer than this.
            let longest = (0..times)
                .step_by(5)
                .map_while(|times| added(&statement.repeat(times), origins));
            let longest: Vec<usize> = longest.collect();
            assert!(longest.len() >= 2, "{statement}");
            assert!(longest.iter().all(|it| *it <= MAX_ADDED), "{statement}");
        }
    }

    #[test]
    fn nor_do_nulls_that_return_to_the_startup_packet() {
        let origins = origins(1, &"'".repeat(4000));
        let text = |times: usize| {
            let calls = vec!["set_config('my.p0',NULL,false)"; times];
            format!("select {}", calls.join(","))
        };
        assert_eq!(added(&text(1000), &origins), None);
        assert_eq!(added(&format!("{};", text(2)).repeat(4000), &origins), None);
        assert_eq!(added(&text(17), &origins), None);
        // With the question behind it.
        let said = added(&text(16), &origins).expect("it is sent");
        assert!((16 * 8000..=MAX_ADDED + 100).contains(&said), "{said}");
        // Of another parameter, and where there is nothing to return to.
        let facts = describe(text(300).replace("my.p0", "my.q").as_bytes());
        assert!(!is_too_much(&facts, Keeps::All, &origins));
        let facts = describe(text(300).as_bytes());
        let none = Origins::default();
        assert!(!is_too_much(&facts, Keeps::All, &none));
        // Behind each RESET of a zone stands one call.
        let zone = Origins {
            kept: vec![("app.tenant_id".to_owned(), String::new())],
            pooled: Vec::new(),
        };
        for (text, too_much) in [
            ("RESET app.tenant_id;", true),
            ("RESET ALL;", true),
            ("RESET app.tenant;", false),
        ] {
            let of = |times| describe(text.repeat(times).as_bytes());
            let is = |times| is_too_much(&of(times), Keeps::All, &zone);
            assert_eq!((is(1000), is(2000)), (false, too_much), "{text}");
        }
        assert_eq!(
            rewrites(&facts.statements[0], Keeps::All, |_| None).len(),
            300
        );
    }
}
