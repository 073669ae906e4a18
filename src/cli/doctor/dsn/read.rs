//! Keywords and URIs -> pairs.

use super::DsnError;

/// What is understood.
const TAKEN: [&str; 13] = [
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "passfile",
    "port",
    "ssl",
    "sslmode",
    "sslrootcert",
    "user",
    "client_encoding",
];
/// libpq's, and of no consequence for one connection to one server.
const IGNORED: [&str; 11] = [
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "load_balance_hosts",
    "sslcompression",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// What a connection string says; the last one of a keyword counts.
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    pub(super) fn get(&self, keyword: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == keyword);
        found.map(|(_, value)| value.as_str())
    }
}

/// Reads either form; a single word without `=` is a database, as psql has it.
pub(super) fn pairs(text: &str) -> Result<Pairs, DsnError> {
    let text = text.trim();
    let pairs = match text
        .strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"))
    {
        Some(rest) => uri(rest)?,
        None if !text.is_empty() && !text.contains(['=', ' ']) => {
            vec![("dbname".to_owned(), text.to_owned())]
        }
        None => keywords(text)?,
    };
    for (keyword, _) in &pairs {
        known(keyword)?;
    }
    Ok(Pairs(pairs))
}

fn known(keyword: &str) -> Result<(), DsnError> {
    if TAKEN.contains(&keyword) || IGNORED.contains(&keyword) {
        return Ok(());
    }
    Err(match keyword {
        "password" | "sslpassword" => a_password(),
        "service" | "sslcert" | "sslkey" | "channel_binding" | "sslnegotiation" | "requiressl"
        | "require_auth" | "krbsrvname" | "gsslib" | "sslcrl" => DsnError::new(
            format!("connection option \"{keyword}\" is not supported"),
            "Leave it out.",
        ),
        _ => DsnError::new(
            format!("invalid connection option \"{keyword}\""),
            format!("Known are {}.", TAKEN.join(", ")),
        ),
    })
}

/// What is on a command line is in the process list and in the shell's history.
fn a_password() -> DsnError {
    DsnError::new(
        "no password on the command line",
        "Put it in ~/.pgpass or in PGPASSWORD.",
    )
}

/// `keyword = value`, values bare or in single quotes, a backslash before what is meant as it is.
fn keywords(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    let malformed = |message: String| DsnError::new(message, "Write it as host=... dbname=...");
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| c == '=' || c.is_whitespace())
            .unwrap_or(rest.len());
        let (keyword, after) = rest.split_at(end);
        let value = after.trim_start().strip_prefix('=').ok_or_else(|| {
            malformed(format!(
                "missing \"=\" after \"{keyword}\" in the connection string"
            ))
        })?;
        let (value, after) = value_of(value.trim_start()).ok_or_else(|| {
            malformed("a quoted value in the connection string does not end".to_owned())
        })?;
        pairs.push((keyword.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// A value and what follows it; None where its quote does not end.
fn value_of(text: &str) -> Option<(String, &str)> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            '\'' if quoted => return text.get(at + 1..).map(|rest| (value, rest)),
            c if !quoted && c.is_whitespace() => {
                return text.get(at..).map(|rest| (value, rest));
            }
            c => value.push(c),
        }
    }
    (!quoted).then_some((value, ""))
}

/// `user@host:port/dbname?keyword=value&...`, each part percent-encoded.
fn uri(text: &str) -> Result<Vec<(String, String)>, DsnError> {
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let (login, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    if login.contains(':') {
        return Err(a_password());
    }
    let (host, port) = host_and_port(address)?;
    let mut pairs = Vec::new();
    for (keyword, value) in [
        ("user", login),
        ("host", host),
        ("port", port),
        ("dbname", database),
    ] {
        if !value.is_empty() {
            pairs.push((keyword.to_owned(), decoded(value)?));
        }
    }
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (keyword, value) = parameter.split_once('=').ok_or_else(|| {
            DsnError::new(
                format!("missing \"=\" after \"{parameter}\" in the URI"),
                "Write parameters as ?sslmode=require&connect_timeout=5",
            )
        })?;
        pairs.push((decoded(keyword)?, decoded(value)?));
    }
    Ok(pairs)
}

fn host_and_port(address: &str) -> Result<(&str, &str), DsnError> {
    let Some(bracketed) = address.strip_prefix('[') else {
        return Ok(address.split_once(':').unwrap_or((address, "")));
    };
    let (host, rest) = bracketed.split_once(']').ok_or_else(|| {
        DsnError::new(
            "missing \"]\" after the IPv6 address in the URI",
            "Write it as postgresql://[::1]:6432/shop",
        )
    })?;
    Ok((host, rest.strip_prefix(':').unwrap_or("")))
}

fn decoded(text: &str) -> Result<String, DsnError> {
    let wrong = || {
        DsnError::new(
            "invalid percent-encoded text in the URI",
            "Write a percent sign as %25.",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            rest.next()
                .and_then(|digit| char::from(digit).to_digit(16))
                .ok_or_else(wrong)
        };
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).map_err(|_| wrong())?);
    }
    // A zero byte would end the value early in the startup packet.
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    match text.contains('\0') {
        true => Err(wrong()),
        false => Ok(text),
    }
}
