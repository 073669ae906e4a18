//! `zone` of a login: a fixed one, or where it comes from.

use super::super::pattern::{MAX_PATTERN, Pattern};
use super::super::zone::{ALL_ZONES, Certificate, Field, Grant, MAX_ZONE, Values, ZoneSource};
use crate::config::reader::{Located, Reader, Span, Table, Wrong, one_of};

/// Most zones and patterns that one login may list.
pub const MAX_VALUES: usize = 1000;

/// `field` of a certificate.
pub const FIELDS: [(&str, Field); 2] = [("cn", Field::CommonName), ("san", Field::AlternativeName)];

/// Where the zone is said by something else.
#[derive(Clone, Copy)]
enum From {
    Client,
    Database,
    Certificate,
}

/// Takes the key `zone`.
pub(super) fn zone(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Located<ZoneSource>> {
    if let Some(span) = table
        .span_of_table("zone")
        .filter(|_| table.has_table("zone"))
    {
        let inner = reader.table(table, "zone")?;
        let value = source(reader, inner, &span)?;
        return Some(Located { value, span });
    }
    let fixed = reader.parsed(table, "zone", fixed)?;
    Some(Located {
        value: ZoneSource::Fixed(fixed.value),
        span: fixed.span,
    })
}

fn source(reader: &mut Reader<'_>, mut table: Table<'_>, span: &Span) -> Option<ZoneSource> {
    reader.require(&table, "from", "from = \"client\"");
    let from = reader.parsed(&mut table, "from", from);
    let read = match from.map(|from| from.value) {
        None => {
            for key in ["values", "all_zones", "pattern", "field"] {
                table.skip(key);
            }
            None
        }
        Some(From::Client) => client(reader, &mut table, span),
        Some(From::Database) => {
            reader.require(&table, "pattern", "pattern = \"tenant_*\"");
            let pattern = reader.parsed(&mut table, "pattern", one_star);
            pattern.map(|pattern| ZoneSource::Database(pattern.value))
        }
        Some(From::Certificate) => certificate(reader, &mut table),
    };
    reader.finish(table);
    read
}

fn from(text: &str) -> Result<From, Wrong> {
    one_of(
        text,
        &[
            ("client", From::Client),
            ("database", From::Database),
            ("certificate", From::Certificate),
        ],
    )
}

fn certificate(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<ZoneSource> {
    reader.require(table, "field", "field = \"cn\"");
    reader.require(table, "pattern", "pattern = \"tenant_*\"");
    let field = reader.parsed(table, "field", |text| one_of(text, &FIELDS));
    let pattern = reader.parsed(table, "pattern", one_star);
    let values = match table.has("values") {
        true => values(reader, table),
        false => Some(Values::Any),
    };
    Some(ZoneSource::Certificate(Certificate {
        field: field?.value,
        pattern: pattern?.value,
        values: values?,
        zone: None,
    }))
}

fn client(reader: &mut Reader<'_>, table: &mut Table<'_>, span: &Span) -> Option<ZoneSource> {
    let all_zones = reader.boolean(table, "all_zones");
    let all_zones = all_zones.is_some_and(|all| all.value);
    let values = match table.has("values") {
        true => values(reader, table)?,
        false if all_zones => Values::Listed(Box::default()),
        false => {
            reader.error_with_help(
                span.clone(),
                "a zone chosen by the client needs what it may choose from",
                "values = \"any\" (any one zone), values = [\"acme\", \"b-*\"] or all_zones = true",
            );
            return None;
        }
    };
    Some(ZoneSource::Client(Grant { values, all_zones }))
}

fn values(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Values> {
    if table.has_text("values") {
        return reader.parsed(table, "values", any).map(|any| any.value);
    }
    let list = reader.list(table, "values", value)?;
    if list.value.is_empty() || list.value.len() > MAX_VALUES {
        let message = format!("\"values\" lists 1 to {MAX_VALUES} zones and patterns");
        let help = "values = \"any\" is any one zone";
        reader.error_with_help(list.span, message, help);
        return None;
    }
    let patterns = list.value.into_iter().map(|item| item.value);
    Some(Values::Listed(patterns.collect()))
}

fn any(text: &str) -> Result<Values, Wrong> {
    match text {
        "any" => Ok(Values::Any),
        ALL_ZONES => Err(everything(text)),
        _ => Err(Wrong::new(format!("\"{text}\" is not a list of zones"))
            .help(format!("values = [\"{text}\"], or values = \"any\""))),
    }
}

fn everything(text: &str) -> Wrong {
    Wrong::new(format!(
        "zone pattern \"{text}\" would grant all zones at once"
    ))
    .help("did you mean values = \"any\" (any one zone) or all_zones = true?")
}

/// A zone, or a pattern of zones.
fn value(text: &str) -> Result<Pattern, Wrong> {
    let pattern = Pattern::new(text);
    if !text.is_empty() && pattern.is_anything() {
        return Err(everything(text));
    }
    if !pattern.is_exact() && text.len() > MAX_PATTERN {
        return Err(Wrong::new(format!(
            "a pattern has at most {MAX_PATTERN} bytes"
        )));
    }
    grammar(text)?;
    Ok(pattern)
}

fn one_star(text: &str) -> Result<Pattern, Wrong> {
    let pattern = Pattern::new(text);
    let one = text.bytes().filter(|byte| *byte == b'*').count() == 1;
    if !one || pattern.is_anything() || text.len() > MAX_PATTERN {
        return Err(
            Wrong::new(format!("\"{text}\" does not say where the zone stands"))
                .help("the name with one * for the zone: pattern = \"tenant_*\""),
        );
    }
    Ok(pattern)
}

/// A zone's grammar: 1 to [`MAX_ZONE`] bytes, no control characters.
fn grammar(text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("a zone must not be empty").help("without a zone: remove the key"));
    }
    if text.len() > MAX_ZONE {
        return Err(Wrong::new(format!("a zone has at most {MAX_ZONE} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("a zone must not contain control characters"));
    }
    Ok(())
}

/// One zone, by its name.
fn fixed(text: &str) -> Result<std::sync::Arc<str>, Wrong> {
    if text == ALL_ZONES {
        return Err(Wrong::new("zone \"*\" would grant all zones at once").help(
            "name one; or zone = { from = \"client\", all_zones = true }, where the client asks for it",
        ));
    }
    grammar(text).map(|()| text.into())
}
