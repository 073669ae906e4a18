//! `lexing-parameters`: the server reads SQL as Portcullis reads it, or not at all.

use crate::policy::objection::quoted;
use crate::policy::{Kind, Objection, RouteName, State, Who};
use crate::sql::{Facts, ParameterName, ParameterTouch, ParameterUse};

/// In the startup packet of every connection, whatever server, database and role have as their defaults: they decide
/// where a string ends. PgBouncer of every version keeps both for each client; behind a RESET on a connection that is
/// handed on they are set again.
pub const PINNED: [(&str, &str); 2] = [
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
];

/// Objects to any change of how strings are read, other than to the value that is in force anyway,
/// and to parameters whose name is computed: it could be one of these. Migration sessions included.
///
/// RESET ALL passes: it returns to the values of the connection's start. So does RESET of what is pinned, on the
/// transaction route, where what is pinned is set again behind it.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let pooled = who.login.route == RouteName::Transaction && who.login.kind != Kind::Migrator;
    facts.statements.iter().find_map(|statement| {
        let touch = statement.parameters.iter().find(|touch| {
            let resets = touch.how == ParameterUse::Reset && is_pinned(touch);
            changes_lexing(touch) && !(pooled && resets)
        })?;
        Some(objection(touch).at(statement.position))
    })
}

fn changes_lexing(touch: &ParameterTouch) -> bool {
    match &touch.name {
        ParameterName::Dynamic => true,
        ParameterName::All => false,
        ParameterName::Named(name) => {
            let Some((_, harmless, _)) = find(name) else {
                return false;
            };
            let harmless = touch.value.as_deref().is_some_and(harmless);
            !(harmless && touch.how != ParameterUse::Reset)
        }
    }
}

/// Is it in the startup packet of every connection?
fn is_pinned(touch: &ParameterTouch) -> bool {
    let is = |name: &str| PINNED.iter().any(|(pinned, _)| *pinned == name);
    matches!(&touch.name, ParameterName::Named(name) if is(name))
}

/// What to do in place of a name that is computed.
pub(super) const COMPUTED_NAME: &str = "Use SET, or set_config() with the name as a string constant or bound alone: \
     set_config($1, $2, true)";

/// Name, which values change nothing, and the hint.
type Lexing = (&'static str, fn(&str) -> bool, &'static str);

const PARAMETERS: [Lexing; 3] = [
    (
        "client_encoding",
        is_utf8,
        "Keep client_encoding at UTF8 and convert in the client",
    ),
    (
        "standard_conforming_strings",
        is_on,
        "Keep standard_conforming_strings on and write E'...' where a backslash escapes",
    ),
    (
        "backslash_quote",
        is_safe_encoding,
        "Double the quote in a string: ''",
    ),
];

fn find(name: &str) -> Option<&'static Lexing> {
    PARAMETERS.iter().find(|(parameter, ..)| *parameter == name)
}

fn objection(touch: &ParameterTouch) -> Objection {
    let ParameterName::Named(name) = &touch.name else {
        return Objection::new("cannot set a parameter whose name is computed").hint(COMPUTED_NAME);
    };
    let message = match &touch.value {
        Some(value) => format!(
            "parameter \"{name}\" cannot be set to \"{}\"",
            quoted(value)
        ),
        None => format!("parameter \"{name}\" cannot be changed"),
    };
    let hint = find(name).map_or("Leave it as it is", |(.., hint)| hint);
    Objection::new(message)
        .detail("It changes how the server reads SQL")
        .hint(hint)
}

/// The objection to a name that is bound and cannot be read.
pub fn unreadable() -> Objection {
    Objection::new("cannot tell which parameter this sets")
        .detail("Its name must be a string constant, or a bound value of type text")
        .hint("Bind it as text, in UTF-8")
}

/// `UTF8` in the spellings that drivers use (asyncpg quotes it).
pub fn is_utf8(value: &str) -> bool {
    is_encoding(value, &["utf8", "unicode"])
}

/// The encoding that is none: bytes as they are. What libpq asks for in the C locale, where nothing tells it another.
pub fn is_sql_ascii(value: &str) -> bool {
    is_encoding(value, &["sqlascii"])
}

/// As PostgreSQL compares encoding names: letters and digits only, any case.
fn is_encoding(value: &str, names: &[&str]) -> bool {
    let name: String = value.chars().filter(char::is_ascii_alphanumeric).collect();
    names.iter().any(|it| name.eq_ignore_ascii_case(it))
}

fn is_on(value: &str) -> bool {
    ["on", "true", "yes", "1"]
        .iter()
        .any(|on| value.eq_ignore_ascii_case(on))
}

fn is_safe_encoding(value: &str) -> bool {
    value.eq_ignore_ascii_case("safe_encoding")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::fixture::*;
    use super::*;
    use crate::policy::{Guard, Login};
    use crate::sql::describe;

    #[test]
    fn values_that_change_how_sql_is_read_are_refused_to_all() {
        for (name, value) in [
            ("client_encoding", "SJIS"),
            ("client_encoding", "utf8x"),
            ("standard_conforming_strings", "off"),
            ("standard_conforming_strings", "o"),
            ("backslash_quote", "on"),
        ] {
            let message = format!("parameter \"{name}\" cannot be set to \"{value}\"");
            assert_refused(
                &set(name, value),
                &who("boris", "tools"),
                CLOSED,
                Guard::LexingParameters,
                &message,
            );
            assert_refused(
                &set(name, value),
                &migrator(),
                OPEN,
                Guard::LexingParameters,
                &message,
            );
        }
    }

    #[test]
    fn the_values_in_force_pass() {
        for (name, value) in [
            ("client_encoding", "UTF8"),
            ("client_encoding", "utf-8"),
            ("client_encoding", "UNICODE"),
            ("standard_conforming_strings", "ON"),
            ("backslash_quote", "safe_encoding"),
            ("escape_string_warning", "off"),
            ("timezone", "UTC"),
        ] {
            assert_allowed(&set(name, value), &acme(), CLOSED);
        }
        assert_allowed(
            &parameter(ParameterName::All, ParameterUse::Reset, None),
            &who("boris", "tools"),
            CLOSED,
        );
    }

    #[test]
    fn unknown_values_resets_and_stored_settings_are_refused() {
        let name = || ParameterName::Named("client_encoding".into());
        let message = "parameter \"client_encoding\" cannot be changed";
        let boris = who("boris", "tools");
        assert_refused(
            &parameter(name(), ParameterUse::Local, None),
            &boris,
            CLOSED,
            Guard::LexingParameters,
            message,
        );
        let reset = parameter(name(), ParameterUse::Reset, None);
        let mut own = boris.clone();
        own.login = Arc::new(Login {
            route: RouteName::Session,
            ..(*own.login).clone()
        });
        for (who, state) in [(own, CLOSED), (migrator(), OPEN)] {
            let guard = Guard::LexingParameters;
            assert_refused(&reset, &who, state, guard, message);
        }
        // It is pinned, and set again behind it.
        assert_allowed(&reset, &boris, CLOSED);
        let quote = ParameterName::Named("backslash_quote".into());
        refused(&parameter(quote, ParameterUse::Reset, None), &boris, CLOSED);
        refused(
            &parameter(name(), ParameterUse::Stored, None),
            &migrator(),
            OPEN,
        );
    }

    #[test]
    fn a_stored_setting_may_be_what_is_in_force_anyway() {
        for text in [
            "ALTER ROLE app SET client_encoding = 'utf8'",
            "alter role app in database shop set client_encoding to \"UTF-8\"",
            "alter role all set names 'unicode'",
            "ALTER DATABASE shop SET standard_conforming_strings TO 'on'",
            "alter user app set standard_conforming_strings = 1",
            "alter role app set backslash_quote = safe_encoding",
        ] {
            assert_allowed(&describe(text.as_bytes()), &migrator(), OPEN);
        }
        for text in [
            "ALTER ROLE app SET client_encoding = 'SJIS'",
            "alter role app set client_encoding = utf8, sjis",
            "alter role app set client_encoding to default",
            "alter role app set client_encoding from current",
            "alter role app reset client_encoding",
            "alter database shop set standard_conforming_strings = off",
            "alter database shop set standard_conforming_strings = 'o'",
            "alter role app set backslash_quote = on",
            "alter function f() set standard_conforming_strings = off set standard_conforming_strings = on",
            "create function f() returns int language sql set standard_conforming_strings = off set standard_conforming_strings = on return 1",
            "alter role app set client_encoding = 'utf8'; alter role app set client_encoding = 'sjis'",
        ] {
            let refusal = refused(&describe(text.as_bytes()), &migrator(), OPEN);
            assert_eq!(refusal.guard, Guard::LexingParameters, "{text}");
        }
    }

    #[test]
    fn a_computed_name_could_be_one_of_them() {
        let message = "cannot set a parameter whose name is computed";
        let computed = parameter(ParameterName::Dynamic, ParameterUse::Local, Some("x"));
        assert_refused(
            &computed,
            &who("boris", "tools"),
            CLOSED,
            Guard::LexingParameters,
            message,
        );
        assert_refused(
            &computed,
            &migrator(),
            OPEN,
            Guard::LexingParameters,
            message,
        );
    }

    #[test]
    fn a_value_is_quoted_on_one_line() {
        let refusal = refused(
            &set("client_encoding", &format!("a\n{}", "é".repeat(100))),
            &migrator(),
            OPEN,
        );
        assert_eq!(
            refusal.message,
            format!(
                "parameter \"client_encoding\" cannot be set to \"a?{}...\"",
                "é".repeat(62)
            )
        );
    }

    #[test]
    fn utf8_has_many_spellings_and_sjis_is_none() {
        for good in ["UTF8", "utf-8", "'utf-8'", "UNICODE", "Utf_8"] {
            assert!(is_utf8(good), "{good}");
        }
        for bad in ["SJIS", "LATIN1", "", "UTF16", "SQL_ASCII"] {
            assert!(!is_utf8(bad), "{bad}");
        }
        for (value, is) in [
            ("SQL_ASCII", true),
            ("sqlascii", true),
            ("SQL_ASCII2", false),
            ("", false),
            ("ASCII", false),
        ] {
            assert_eq!(is_sql_ascii(value), is, "{value}");
        }
    }
}
