//! Parameters that can have a ceiling, and what a value of theirs amounts to.
//!
//! Values are read as PostgreSQL reads them (documentation, section 20.1.1), in its plain forms: a
//! decimal number, with or without a fraction, and a unit. Signs, exponents, other bases and leading
//! zeros (octal there) are not read, which a guard takes for too much.

use std::time::Duration;

/// What a parameter measures, with the unit that a bare number has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Time in milliseconds.
    Milliseconds,
    /// Memory in kB.
    Kilobytes,
    /// Memory in blocks of 8 kB.
    Blocks,
    /// A count or a factor.
    Number,
}

/// A parameter that can have a ceiling.
#[derive(Debug, PartialEq, Eq)]
pub struct Bounded {
    /// As PostgreSQL compares it: lower case.
    pub name: &'static str,
    /// What its values are.
    pub measure: Measure,
    /// 0 means without limit.
    pub zero_is_unlimited: bool,
}

const fn bounded(name: &'static str, measure: Measure, zero_is_unlimited: bool) -> Bounded {
    Bounded {
        name,
        measure,
        zero_is_unlimited,
    }
}

use Measure::{Blocks, Kilobytes, Milliseconds, Number};

/// All of them.
pub const BOUNDED: [Bounded; 15] = [
    bounded("statement_timeout", Milliseconds, true),
    bounded("transaction_timeout", Milliseconds, true),
    bounded("lock_timeout", Milliseconds, true),
    bounded("idle_in_transaction_session_timeout", Milliseconds, true),
    bounded("idle_session_timeout", Milliseconds, true),
    bounded("deadlock_timeout", Milliseconds, false),
    bounded("work_mem", Kilobytes, false),
    bounded("maintenance_work_mem", Kilobytes, false),
    bounded("logical_decoding_work_mem", Kilobytes, false),
    bounded("temp_file_limit", Kilobytes, false),
    bounded("temp_buffers", Blocks, false),
    bounded("hash_mem_multiplier", Number, false),
    bounded("max_parallel_workers", Number, false),
    bounded("max_parallel_workers_per_gather", Number, false),
    bounded("max_parallel_maintenance_workers", Number, false),
];

/// A ceiling of the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceiling {
    /// Of what.
    pub parameter: &'static Bounded,
    /// The most that a client may set, in the parameter's own unit.
    most: f64,
    /// As the policy writes it.
    pub text: Box<str>,
}

/// Why a value is above a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Above {
    /// It is more.
    More,
    /// It means without limit.
    Unlimited,
    /// It cannot be told what it amounts to.
    Unknown,
}

impl Ceiling {
    /// A ceiling; `None`: the text is no value of that parameter, lacks its unit, or would mean no limit.
    pub fn new(parameter: &'static Bounded, text: &str) -> Option<Self> {
        let bare = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let most = amount(text, parameter.measure)?;
        let unlimited = parameter.zero_is_unlimited && most < 1.0;
        let unit_is_told = parameter.measure == Number || !bare;
        (unit_is_told && !unlimited).then(|| Self {
            parameter,
            most,
            text: text.into(),
        })
    }

    /// Is a client's value above it? `None`: it is not.
    pub fn is_passed_by(&self, value: &str) -> Option<Above> {
        match amount(value, self.parameter.measure) {
            None => Some(Above::Unknown),
            // Less than one unit may be rounded to 0.
            Some(amount) if amount < 1.0 && self.parameter.zero_is_unlimited => {
                Some(Above::Unlimited)
            }
            Some(amount) if amount > self.most => Some(Above::More),
            Some(_) => None,
        }
    }
}

/// How long a limit is that PostgreSQL has shown, of a parameter in milliseconds; none: it is no limit.
pub fn time_limit(shown: &str) -> Option<Duration> {
    let seconds = amount(shown, Milliseconds)? / 1e3;
    let limit = Duration::try_from_secs_f64(seconds).ok()?;
    (!limit.is_zero()).then_some(limit)
}

/// What a value amounts to in the unit of a measure.
fn amount(text: &str, measure: Measure) -> Option<f64> {
    const TIMES: [(&str, f64); 6] = [
        ("us", 0.001),
        ("ms", 1.0),
        ("s", 1e3),
        ("min", 60e3),
        ("h", 3600e3),
        ("d", 86_400e3),
    ];
    const SIZES: [(&str, f64); 5] = [
        ("B", 1.0 / 1024.0),
        ("kB", 1.0),
        ("MB", 1024.0),
        ("GB", 1024.0 * 1024.0),
        ("TB", 1024.0 * 1024.0 * 1024.0),
    ];
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (digits, unit) = (&text[..end], text[end..].trim_start());
    let number = plain_number(digits)?;
    let factor_of = |units: &[(&str, f64)]| {
        let found = units.iter().find(|(name, _)| *name == unit);
        found.map(|(_, factor)| *factor)
    };
    let factor = match (measure, unit) {
        (_, "") => 1.0,
        (Milliseconds, _) => factor_of(&TIMES)?,
        (Kilobytes, _) => factor_of(&SIZES)?,
        (Blocks, _) => factor_of(&SIZES)? / 8.0,
        (Number, _) => return None,
    };
    Some(number * factor)
}

/// `15`, `1.5`, `0`; not `015`, `.5`, `1.` or an unreasonable length.
fn plain_number(digits: &str) -> Option<f64> {
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let octal = whole.len() > 1 && whole.starts_with('0');
    (digits.len() <= 20 && plain(whole) && !octal && fraction.is_none_or(plain))
        .then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling(name: &str, text: &str) -> Option<Ceiling> {
        let parameter = BOUNDED.iter().find(|bounded| bounded.name == name).unwrap();
        Ceiling::new(parameter, text)
    }

    #[test]
    fn a_value_is_compared_in_whatever_unit_it_comes() {
        let fifteen = ceiling("statement_timeout", "15min").unwrap();
        for value in [
            "15min",
            "900s",
            "900000",
            " 5 s ",
            "0.25h",
            "1ms",
            "14.9999min",
        ] {
            assert_eq!(fifteen.is_passed_by(value), None, "{value}");
        }
        for (value, why) in [
            ("16min", Above::More),
            ("900001", Above::More),
            ("1d", Above::More),
            ("0", Above::Unlimited),
            ("0s", Above::Unlimited),
            ("0.4", Above::Unlimited),
            ("400us", Above::Unlimited),
            ("-1", Above::Unknown),
            ("1e9", Above::Unknown),
            ("0x1F", Above::Unknown),
            ("017", Above::Unknown),
            ("15MIN", Above::Unknown),
            ("15MB", Above::Unknown),
            ("", Above::Unknown),
            ("default", Above::Unknown),
            ("1 s s", Above::Unknown),
            ("99999999999999999999999", Above::Unknown),
        ] {
            assert_eq!(fifteen.is_passed_by(value), Some(why), "{value}");
        }
    }

    #[test]
    fn a_time_limit_is_what_the_server_shows() {
        for (shown, milliseconds) in [
            ("100ms", 100),
            ("10s", 10_000),
            ("1min", 60_000),
            ("2h", 7_200_000),
            ("24d", 2_073_600_000),
            ("2147483647ms", 2_147_483_647),
        ] {
            let limit = Duration::from_millis(milliseconds);
            assert_eq!(time_limit(shown), Some(limit), "{shown}");
        }
        for none in ["0", "", "-1", "default", "1kB"] {
            assert_eq!(time_limit(none), None, "{none}");
        }
    }

    #[test]
    fn sizes_have_their_own_bare_unit() {
        let work_mem = ceiling("work_mem", "64MB").unwrap();
        assert_eq!(work_mem.is_passed_by("65536"), None);
        assert_eq!(work_mem.is_passed_by("65537"), Some(Above::More));
        assert_eq!(work_mem.is_passed_by("0.05GB"), None);
        assert_eq!(work_mem.is_passed_by("1GB"), Some(Above::More));
        assert_eq!(work_mem.is_passed_by("64mb"), Some(Above::Unknown));
        let buffers = ceiling("temp_buffers", "8MB").unwrap();
        assert_eq!(buffers.is_passed_by("1024"), None);
        assert_eq!(buffers.is_passed_by("1025"), Some(Above::More));
        let factor = ceiling("hash_mem_multiplier", "2").unwrap();
        assert_eq!(factor.is_passed_by("2.0"), None);
        assert_eq!(factor.is_passed_by("2.1"), Some(Above::More));
        assert_eq!(factor.is_passed_by("1MB"), Some(Above::Unknown));
    }

    #[test]
    fn a_ceiling_tells_its_unit_and_is_one() {
        assert!(ceiling("statement_timeout", "15").is_none());
        assert!(ceiling("statement_timeout", "0s").is_none());
        assert!(ceiling("work_mem", "64").is_none());
        assert!(ceiling("work_mem", "64s").is_none());
        assert!(ceiling("max_parallel_workers_per_gather", "0").is_some());
    }
}
