//! PostgreSQL's units, and addresses.
//!
//! Durations: us ms s min h d; sizes: B kB MB GB TB (PostgreSQL documentation, section 20.1.1
//! "Parameter Names and Values"). Upper and lower case matter, as they do there. Whole numbers only.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Endpoint;
use super::reader::Wrong;

const DURATIONS: [(&str, u64); 6] = [
    ("us", 1),
    ("ms", 1_000),
    ("s", 1_000_000),
    ("min", 60_000_000),
    ("h", 3_600_000_000),
    ("d", 86_400_000_000),
];

const SIZES: [(&str, u64); 5] = [
    ("B", 1),
    ("kB", 1 << 10),
    ("MB", 1 << 20),
    ("GB", 1 << 30),
    ("TB", 1 << 40),
];

/// `30s`, `4h`, `500 ms`.
pub(crate) fn duration(text: &str) -> Result<Duration, Wrong> {
    quantity(text, &DURATIONS, "duration", "us ms s min h d").map(Duration::from_micros)
}

/// A duration between two others.
pub(crate) fn duration_within(text: &str, least: &str, most: &str) -> Result<Duration, Wrong> {
    let value = duration(text)?;
    if value < duration(least)? || value > duration(most)? {
        return Err(Wrong::new(format!(
            "\"{text}\" is out of bounds: {least} to {most}"
        )));
    }
    Ok(value)
}

/// `1MB`, `64 kB`; bytes.
pub(crate) fn size(text: &str) -> Result<u64, Wrong> {
    quantity(text, &SIZES, "size", "B kB MB GB TB")
}

/// A size between two others; bytes.
pub(crate) fn size_within(text: &str, least: &str, most: &str) -> Result<usize, Wrong> {
    let value = size(text)?;
    if value < size(least)? || value > size(most)? {
        return Err(Wrong::new(format!(
            "\"{text}\" is out of bounds: {least} to {most}"
        )));
    }
    usize::try_from(value)
        .map_err(|_| Wrong::new(format!("\"{text}\" is too large for this machine")))
}

fn quantity(text: &str, units: &[(&str, u64)], what: &str, list: &str) -> Result<u64, Wrong> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = (&text[..split], text[split..].trim());
    let bad = || Wrong::new(format!("\"{text}\" is not a {what}"));
    let number: u64 = digits
        .parse()
        .map_err(|_| bad().help(format!("a whole number and a unit: {list}")))?;
    if unit.is_empty() {
        return Err(bad().help(format!("it needs a unit: {list}")));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let near = units
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit));
        return Err(bad().help(match near {
            Some((name, _)) => format!("did you mean \"{digits}{name}\"?"),
            None => format!("the units are {list}"),
        }));
    };
    number
        .checked_mul(*factor)
        .ok_or_else(|| Wrong::new(format!("\"{text}\" is too large")))
}

/// `0.0.0.0:6432`, `[::1]:6432`: where to listen; a name could mean several addresses.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(format!("\"{text}\" is not an address and a port"))
            .help("for example \"0.0.0.0:6432\" or \"[::]:6432\"")
    })
}

/// `name:port`, `10.0.0.7:6432`, `[::1]:6432`.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, Wrong> {
    let bad = || {
        Wrong::new(format!("\"{text}\" is not a host and a port"))
            .help("for example \"pgbouncer.internal:6432\" or \"[::1]:6432\"")
    };
    let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
    let port = port
        .parse::<u16>()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(bad)?;
    Ok(Endpoint {
        host: host_name(host).ok_or_else(bad)?,
        port,
    })
}

/// The same, the port being optional.
pub(crate) fn endpoint_or_port(text: &str, port: u16) -> Result<Endpoint, Wrong> {
    match host_name(text) {
        Some(host) => Ok(Endpoint { host, port }),
        None => endpoint(text),
    }
}

/// A host without its brackets; `None` if it is none (RFC 1123 names, with `_` as found in the wild; at most 253 characters).
fn host_name(text: &str) -> Option<String> {
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return matches!(inner.parse(), Ok(IpAddr::V6(_))).then(|| inner.to_owned());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (text.len() <= 253 && text.strip_suffix('.').unwrap_or(text).split('.').all(label))
        .then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help(wrong: Wrong) -> String {
        wrong.help.unwrap_or_default()
    }

    #[test]
    fn durations_have_postgresql_units() {
        for (text, seconds) in [
            ("30s", 30),
            ("4h", 14_400),
            ("2 min", 120),
            ("1d", 86_400),
            ("0s", 0),
        ] {
            assert_eq!(
                duration(text).unwrap(),
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("7us").unwrap(), Duration::from_micros(7));
        for text in [
            "",
            "s",
            "30",
            "30m",
            "1.5h",
            "-1s",
            "30S",
            "99999999999999999999s",
            "9999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(
            help(duration("30").unwrap_err()),
            "it needs a unit: us ms s min h d"
        );
        assert_eq!(
            help(duration("30MIN").unwrap_err()),
            "did you mean \"30min\"?"
        );
    }

    #[test]
    fn sizes_have_postgresql_units() {
        assert_eq!(size("1MB").unwrap(), 1_048_576);
        assert_eq!(size("64 kB").unwrap(), 65_536);
        assert_eq!(size("9B").unwrap(), 9);
        assert_eq!(help(size("1KB").unwrap_err()), "did you mean \"1kB\"?");
        assert!(size("1").is_err() && size("99999999TB").is_err());
        assert!(size_within("1B", "1kB", "1MB").is_err());
        assert_eq!(size_within("1kB", "1kB", "1MB").unwrap(), 1024);
    }

    #[test]
    fn endpoints_are_names_or_addresses() {
        for (text, host) in [
            ("a.internal:6432", "a.internal"),
            ("10.0.0.7:1", "10.0.0.7"),
            ("[::1]:6432", "::1"),
            ("a_b:9", "a_b"),
        ] {
            assert_eq!(endpoint(text).unwrap().host, host);
        }
        for text in [
            "a", "a:", ":6432", "a:0", "a:65536", "::1:6432", "[::1]", "[a]:1", "a b:1", "-a:1",
            "a/b:1", "a..b:1",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
        assert_eq!(
            endpoint_or_port("db.example.com", 6432).unwrap(),
            Endpoint {
                host: "db.example.com".into(),
                port: 6432
            }
        );
        assert_eq!(
            endpoint_or_port("[::1]:7", 6432).unwrap(),
            Endpoint {
                host: "::1".into(),
                port: 7
            }
        );
    }
}
