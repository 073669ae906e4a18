//! Names without quotes that have capital letters beyond ASCII: `CAFÉ`, `SET_CONFİG`.
//!
//! PostgreSQL leaves such letters alone in UTF-8. In a database with an encoding of one byte (LATIN1, WIN1254) the C
//! library's `tolower` is asked (`downcase_identifier`): `CAFÉ` is the relation `café`, and `İ` becomes `i`, so that
//! `SET_CONFİG` calls set_config. The text does not say which database it is for. So the text as the other kind
//! would read it is described as well: names count in both readings, and where it does something else it is refused.

use super::token::{Kind, Token};
use super::{
    Depth, Details, Facts, HiddenCalls, ParameterName, ParameterTouch, ParameterUse, Statement,
    Undescribed, describe_at,
};

/// Adds what the text means where capital letters beyond ASCII are folded.
pub(super) fn add(text: &str, tokens: &[Token], depth: Depth, facts: &mut Facts) {
    if text.is_ascii() || facts.undescribed.is_some() {
        return;
    }
    let Some(folded) = folded(text, tokens) else {
        return;
    };
    let other = describe_at(folded.as_bytes(), depth);
    let pairs = || facts.statements.iter().zip(&other.statements);
    let same = other.undescribed.is_none()
        && facts.statements.len() == other.statements.len()
        && pairs().all(|(own, other)| does_the_same(own, other));
    if !same {
        facts.undescribed = Some(Undescribed::Folded);
    }
    for (own, other) in facts.statements.iter_mut().zip(other.statements) {
        forget_values(&mut own.parameters, &other.parameters);
        add_names(&mut own.details, other.details);
    }
}

/// The text with every such name in small letters, and in quotes so that it is not folded again. None: it has none.
fn folded(text: &str, tokens: &[Token]) -> Option<String> {
    let mut folded = String::new();
    let mut copied = 0;
    for token in tokens.iter().filter(|token| token.kind == Kind::Word) {
        let (start, end) = (token.start as usize, token.end as usize);
        let word = text.get(start..end)?;
        let is_folded = |it: char| !it.is_ascii() && it.is_uppercase();
        if word.is_ascii() || !word.contains(is_folded) {
            continue;
        }
        folded.push_str(text.get(copied..start)?);
        // Apart from what stands beside it: behind `CAFÉ"x"` the quotes would be part of the name.
        folded.push_str(" \"");
        folded.extend(word.chars().map(small));
        folded.push_str("\" ");
        copied = end;
    }
    folded.push_str(text.get(copied..)?);
    (copied > 0).then_some(folded)
}

/// The one letter that `tolower` makes of it. Of all that the encodings of one byte have, only that of `İ` is ASCII.
fn small(letter: char) -> char {
    match letter {
        'İ' => 'i',
        _ => letter.to_lowercase().next().unwrap_or(letter),
    }
}

/// Apart from the names of relations and functions.
fn does_the_same(own: &Statement, other: &Statement) -> bool {
    let what = |it: &Statement| {
        (
            it.classes,
            it.tag,
            it.transaction,
            it.unlocks_all,
            it.recalls,
            it.alone,
            it.only_sets,
            it.details.temporary_table.as_ref().map(|it| it.act),
        )
    };
    fn set(it: &Statement) -> impl Iterator<Item = (&ParameterName, ParameterUse)> {
        it.parameters.iter().map(|touch| (&touch.name, touch.how))
    }
    what(own) == what(other)
        && own.parameters.len() == other.parameters.len()
        && set(own).eq(set(other))
        && own.functions == other.functions
        && without_names(&own.details) == without_names(&other.details)
}

/// A value in such letters is one that cannot be told.
fn forget_values(own: &mut [ParameterTouch], other: &[ParameterTouch]) {
    for (own, other) in own.iter_mut().zip(other) {
        if own.value != other.value {
            own.value = None;
        }
    }
}

fn without_names(details: &Details) -> Details {
    Details {
        relations: None,
        calls: None,
        hidden: None,
        // Where in the text something is.
        localized: None,
        bound: None,
        // It says of what.
        takes_away: None,
        temporary_table: None,
        ..details.clone()
    }
}

/// Names count in both readings.
fn add_names(own: &mut Details, other: Details) {
    let relations = other.relations;
    own.relations = own.relations.take().zip(relations).map(both);
    own.calls = own.calls.take().zip(other.calls).map(both);
    if let (Some(own), Some(other)) = (&mut own.temporary_table, other.temporary_table) {
        own.names = both((std::mem::take(&mut own.names), other.names));
    }
    let Some(other) = other.hidden else { return };
    let HiddenCalls { fields, operators } = *other;
    let hidden = own.hidden.get_or_insert_default();
    let all = (std::mem::take(&mut hidden.fields), fields);
    hidden.fields = both(all);
    let all = (std::mem::take(&mut hidden.operators), operators);
    hidden.operators = both(all);
}

fn both<T: PartialEq>((mut own, other): (Vec<T>, Vec<T>)) -> Vec<T> {
    // Lists of the same text: what differs stands at the same place.
    let new: Vec<T> = match own.len() == other.len() {
        true => {
            let pairs = own.iter().zip(other);
            pairs
                .filter(|(own, other)| **own != *other)
                .map(|(_, other)| other)
                .collect()
        }
        false => other,
    };
    own.extend(new);
    own
}

#[cfg(test)]
mod tests {
    use super::super::{Depth, Facts, describe_at};
    use super::*;

    fn facts(text: &str) -> Facts {
        describe_at(text.as_bytes(), Depth::Names)
    }

    #[test]
    fn what_the_small_letter_makes_a_guarded_name_cannot_be_judged() {
        for text in [
            "select SET_CONFİG('app.tenant_id', 'x', true)",
            "select pg_catalog.pg_read_fİle('x')",
            "select ('x').PG_READ_FİLE",
            "set app.tenant_İd = 'x'",
            "SET LOCAL App.Tenant_İd TO x",
            "set local role İ",
            "update pg_settİngs set setting = 'x'",
            "delete from pg_polİcy where true",
            "table pg_statİstic",
            "select 1; select É, pg_read_fİle('x')",
            "savepoint É",
            "execute İ",
        ] {
            let facts = facts(text);
            assert_eq!(facts.undescribed, Some(Undescribed::Folded), "{text}");
            assert!(facts.fingerprint.is_some(), "{text}");
        }
    }

    /// The attack: in quotes as well, both were one name.
    #[test]
    fn a_quoted_name_right_behind_such_a_name_is_another() {
        for text in [
            "update PG_SETTİNGS\"x\" set setting = 'x'",
            "select g.PG_READ_FİLE\"a\" from lower('x') g",
            "select ('x').PG_READ_FİLE\"a\"",
            "table PG_STATİSTİC",
            "select * from PG_STATİSTİC\"x\"",
            "delete from PG_POLİCY\"x\" where true",
            "select 1 \"x\"from\"y\"cross join PG_STATİSTİC\"x\"",
        ] {
            let facts = facts(text);
            assert_eq!(facts.undescribed, Some(Undescribed::Folded), "{text}");
        }
        let facts = facts("select * from CAFÉ\"x\"");
        let relations = facts.statements[0].details.relations.iter().flatten();
        let relations: Vec<_> = relations.map(|it| &*it.relation.name).collect();
        assert_eq!(relations, ["cafÉ", "café"]);
    }

    #[test]
    fn other_names_pass() {
        for text in [
            "select İd, É from Ürün where Ç = 'İ' group by İd",
            "insert into Ürün (İsim) values ($1) returning İd",
            "select \"SET_CONFİG\"('x'), 'set_confİg', $İ$ pg_read_fİle() $İ$ -- set_confİg",
            "alter table Ürün drop column İsim",
            "select set_confıg('x'), pg_read_fîle('x'), ünal.pg_read('x')",
            "begin; savepoint é; rollback to é; savepoint \"É\"; commit",
            "create temp table tmp_Ürün (İd int primary key) on commit drop",
        ] {
            assert_eq!(facts(text).undescribed, None, "{text}");
        }
    }

    #[test]
    fn a_value_in_such_letters_is_not_told() {
        let touch = |text: &str| facts(text).statements[0].parameters[0].clone();
        for text in ["set app.tenant_id = Évry", "set app.tenant_id to \"é\", İ"] {
            assert_eq!(facts(text).undescribed, None, "{text}");
            assert_eq!(touch(text).value, None, "{text}");
        }
        assert_eq!(
            touch("set app.tenant_id = évry").value.as_deref(),
            Some("évry")
        );
        assert_eq!(
            touch("set app.tenant_id = 'Évry'").value.as_deref(),
            Some("Évry")
        );
    }

    #[test]
    fn relations_and_functions_are_named_in_both_readings() {
        let facts =
            facts("select Ö.f, GETİR(1) from Müşteri, CAFÉ Ö where Ö.X operator(Ü.+) 1 = 2");
        let details = &facts.statements[0].details;
        let relations = details.relations.iter().flatten();
        let relations: Vec<_> = relations.map(|it| &*it.relation.name).collect();
        assert_eq!(relations, ["müşteri", "cafÉ", "café"]);
        let calls = details.calls.iter().flatten();
        let calls: Vec<_> = calls.map(|it| &*it.name).collect();
        assert_eq!(calls, ["getİr", "getir"]);
        let operators: Vec<_> = details
            .operators()
            .iter()
            .map(|it| it.schema.as_deref())
            .collect();
        assert_eq!(operators, [Some("Ü"), Some("ü")]);
    }
}
