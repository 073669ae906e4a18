//! `[[exception]]`.

use super::super::exception::{EXEMPTIBLE, Exception};
use super::super::file::Login;
use super::super::{Date, Guard};
use super::ALWAYS_ENFORCED;
use super::rule::MAX_RULES;
use crate::config::reader::{Reader, Span, Table, Wrong, one_of};
use crate::sql::{Fingerprint, NotAFingerprint};

pub(super) fn exceptions(
    reader: &mut Reader<'_>,
    top: &mut Table<'_>,
    logins: &[(Login, Span)],
) -> Vec<Exception> {
    let tables = reader.tables(top, "exception", MAX_RULES);
    tables
        .into_iter()
        .filter_map(|table| exception(reader, table, logins))
        .collect()
}

fn exception(
    reader: &mut Reader<'_>,
    mut table: Table<'_>,
    logins: &[(Login, Span)],
) -> Option<Exception> {
    let line = reader.source.line(table.span.start);
    for (key, example) in [
        ("guard", "guard = \"procedural\""),
        ("login", "login = \"shop_api\""),
        (
            "fingerprint",
            "fingerprint = \"9f2c1d04e7a15c8d3b60f41e92ad7735\"",
        ),
        ("reason", "reason = \"until SHOP-311 ships\""),
        ("expires", "expires = 2027-03-01"),
    ] {
        reader.require(&table, key, example);
    }
    let guard = reader.parsed(&mut table, "guard", guard);
    let login = reader.parsed(&mut table, "login", |text| login(text, logins));
    let fingerprint = reader.parsed(&mut table, "fingerprint", fingerprint);
    let reason = reader.parsed(&mut table, "reason", reason);
    let expires = reader.day(&mut table, "expires").and_then(|day| {
        let (year, month, of_month) = day.value;
        let date = Date::new(year, month, of_month);
        if date.is_none() {
            reader.error(day.span, "there is no such day after 1970");
        }
        date
    });
    reader.finish(table);
    Some(Exception {
        guard: guard?.value,
        login: login?.value,
        fingerprint: fingerprint?.value,
        reason: reason?.value,
        expires: expires?,
        line,
    })
}

fn guard(text: &str) -> Result<Guard, Wrong> {
    let guard = one_of(text, &Guard::ALL.map(|guard| (guard.id(), guard)))?;
    let wrong = || Wrong::new(format!("guard \"{text}\" has no exceptions"));
    match guard {
        _ if EXEMPTIBLE.contains(&guard) => Ok(guard),
        Guard::Rule => Err(wrong().help("narrow the \"when\" of the rule instead")),
        Guard::DangerousFunctions => {
            Err(wrong()
                .help("[guards.dangerous-functions] allow = [...] names functions that pass"))
        }
        _ if ALWAYS_ENFORCED.contains(&guard) => Err(wrong().help("it is always enforced")),
        _ => Err(wrong().help("it judges constants, which make no difference to a fingerprint")),
    }
}

fn login(text: &str, logins: &[(Login, Span)]) -> Result<Box<str>, Wrong> {
    let names: Vec<&str> = logins.iter().map(|(login, _)| &*login.name).collect();
    if names.contains(&text) {
        return Ok(text.into());
    }
    let wrong = Wrong::new(format!("no login is called \"{text}\""));
    Err(match crate::config::problem::did_you_mean(text, names) {
        Some(near) => wrong.help(format!("did you mean \"{near}\"?")),
        None => wrong,
    })
}

fn fingerprint(text: &str) -> Result<Fingerprint, Wrong> {
    text.parse().map_err(|not| match not {
        NotAFingerprint::Short => Wrong::new(format!(
            "\"{text}\" is too short: a fingerprint has 32 hex digits"
        ))
        .help("portcullis explain and portcullis report tell the long one, and \"statement ...\" in the DETAIL of the refusal"),
        NotAFingerprint::Masked => Wrong::new(format!(
            "\"{text}\" names no single statement: its constants may be passwords and are left out"
        ))
        .help("such a statement has no exceptions; send it in a migration session"),
        NotAFingerprint::Other => Wrong::new(format!("\"{text}\" is not a fingerprint"))
            .help("the statement's fingerprint, 32 hex digits: \"statement ...\" in the DETAIL"),
    })
}

fn reason(text: &str) -> Result<Box<str>, Wrong> {
    match text.trim().is_empty() || text.len() > 1000 {
        true => Err(Wrong::new("a reason says why, in at most 1000 bytes")
            .help("who will miss this exception, and until when?")),
        false => Ok(text.into()),
    }
}
