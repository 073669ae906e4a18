//! Where the zone of a login comes from, and which zones it may have.

use std::sync::Arc;

use super::Who;
use super::file::{Kind, Login, Protection};
use super::pattern::Pattern;
use crate::sql::{ParameterName, ParameterTouch, ParameterUse};

/// Longest zone, in bytes.
pub const MAX_ZONE: usize = 255;

/// Every zone at once, as row-level security reads it: granted by `all_zones`, and never a pattern.
pub const ALL_ZONES: &str = "*";

/// `zone` of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneSource {
    /// `zone = "acme"`: fixed for every transaction.
    Fixed(Arc<str>),
    /// `{ from = "database", pattern = "tenant_*" }`: what stands in the database's name for the star.
    Database(Pattern),
    /// `{ from = "certificate", ... }`: what stands in a name of the client's certificate for the star.
    Certificate(Certificate),
    /// `{ from = "client", ... }`: the client sets the parameter itself, to what it is granted.
    Client(Grant),
}

/// `field`: what of a client certificate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `cn`: the common name of the subject.
    CommonName,
    /// `san`: DNS names and URIs of subjectAltName.
    AlternativeName,
}

/// Where a zone stands in client certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `field`
    pub field: Field,
    /// `pattern`
    pub pattern: Pattern,
    /// `values`: which zones it may be; default any one.
    pub values: Values,
    /// The one of this connection; none in a policy, which is of no connection.
    pub zone: Option<Arc<str>>,
}

/// Why a certificate says no zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoZone {
    /// No name fits the pattern.
    NoName,
    /// Several names say several zones.
    Several,
    /// It is none of the values.
    NotGranted,
}

impl Certificate {
    /// The zone that these names say.
    pub fn read(&self, names: &[String]) -> Result<Arc<str>, NoZone> {
        let mut zones = names.iter().filter_map(|name| self.pattern.starred(name));
        let zone = zones.next().ok_or(NoZone::NoName)?;
        if zones.any(|other| other != zone) {
            return Err(NoZone::Several);
        }
        let admitted = self.values.admit(zone);
        admitted.then(|| zone.into()).ok_or(NoZone::NotGranted)
    }

    /// Would the connection with the zone of `old` be given it again?
    fn carries_on(&self, old: &Self) -> bool {
        let granted = match &old.zone {
            Some(zone) => self.values.admit(zone),
            None => self.values == old.values,
        };
        granted && (self.field, &self.pattern) == (old.field, &old.pattern)
    }
}

/// The zones that a client may choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `values`
    pub values: Values,
    /// `all_zones`: the sentinel, which is every zone at once.
    pub all_zones: bool,
}

/// `values`: single zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// `"any"`: any one zone.
    Any,
    /// These, and what fits a pattern; may be empty, where all zones are granted and no single one.
    Listed(Box<[Pattern]>),
}

/// Can this be a zone? 1 to [`MAX_ZONE`] bytes, no control characters.
pub fn is_zone(value: &str) -> bool {
    !value.is_empty() && value.len() <= MAX_ZONE && !value.chars().any(char::is_control)
}

impl Values {
    /// Is it one zone, and one of these?
    fn admit(&self, value: &str) -> bool {
        is_single(value)
            && match self {
                Self::Any => true,
                Self::Listed(patterns) => patterns.iter().any(|pattern| pattern.fits(value)),
            }
    }
}

impl Grant {
    /// Is this zone, or every zone, granted? Compared byte by byte.
    pub fn admits(&self, value: &str) -> bool {
        if value == ALL_ZONES {
            return self.all_zones;
        }
        self.values.admit(value)
    }

    /// Is everything granted that `other` grants, as far as the words tell?
    fn covers(&self, other: &Self) -> bool {
        let values = match (&self.values, &other.values) {
            (Values::Any, _) => true,
            (Values::Listed(_), Values::Any) => false,
            (Values::Listed(mine), Values::Listed(theirs)) => {
                theirs.iter().all(|pattern| mine.contains(pattern))
            }
        };
        values && (self.all_zones || !other.all_zones)
    }
}

impl ZoneSource {
    /// The zone that every transaction on this database has; none where the client chooses, or where
    /// the database's name does not fit.
    pub fn on<'z>(&'z self, database: &'z str) -> Option<&'z str> {
        match self {
            Self::Fixed(zone) => Some(zone),
            Self::Database(pattern) => pattern.starred(database).filter(|zone| is_single(zone)),
            Self::Certificate(certificate) => certificate.zone.as_deref(),
            Self::Client(_) => None,
        }
    }

    /// What is said about certificates.
    pub fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Certificate(certificate) => Some(certificate),
            _ => None,
        }
    }

    /// May a connection that was admitted with `old` go on with this one?
    pub fn carries_on(&self, old: &Self) -> bool {
        match (self, old) {
            (Self::Client(new), Self::Client(old)) => new.covers(old),
            (Self::Certificate(new), Self::Certificate(old)) => new.carries_on(old),
            (new, old) => new == old,
        }
    }
}

/// The login with the zone of one connection, where that comes from its certificate.
pub fn with_zone(login: &Arc<Login>, zone: Option<Arc<str>>) -> Arc<Login> {
    match login.zone.as_ref().and_then(ZoneSource::certificate) {
        Some(certificate) => Arc::new(Login {
            zone: Some(ZoneSource::Certificate(Certificate {
                zone,
                ..certificate.clone()
            })),
            ..Login::clone(login)
        }),
        None => Arc::clone(login),
    }
}

/// Is it one zone, and not all of them?
pub fn is_single(value: &str) -> bool {
    is_zone(value) && value != ALL_ZONES
}

impl Who {
    /// The zone that every transaction of this connection carries, whatever the client does.
    pub fn zone(&self) -> Option<&str> {
        self.login.zone.as_ref()?.on(&self.database)
    }

    /// What the client may choose from, where it chooses.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.login.zone {
            Some(ZoneSource::Client(grant)) => Some(grant),
            _ => None,
        }
    }

    /// The parameter that the client sets itself, where it does.
    pub fn chosen_parameter(&self) -> Option<&str> {
        self.grant()?;
        self.zone_parameter()
    }

    /// Does this give back the zone that the client has chosen, so that its session has none? For one transaction
    /// the empty text is no zone, and is not granted.
    pub fn gives_back(&self, touch: &ParameterTouch) -> bool {
        let is = |name: &str| self.chosen_parameter() == Some(name);
        touch.how == ParameterUse::Session
            && touch.value.as_deref() == Some("")
            && matches!(&touch.name, ParameterName::Named(name) if is(name))
    }

    /// The parameter that row-level security reads, where this connection's zone is guarded.
    pub fn zone_parameter(&self) -> Option<&str> {
        let zone = self.policy.zone.as_ref()?;
        self.zone_is_guarded().then_some(&*zone.parameter)
    }

    /// Is this a service or a person on a database that needs a zone, or one that has a zone anyway?
    /// Then the zone parameter is guarded.
    pub fn zone_is_guarded(&self) -> bool {
        self.login.kind != Kind::Migrator && (self.login.zone.is_some() || self.zone_is_required())
    }

    /// Is this a service or a person on a database that needs a zone?
    pub fn zone_is_required(&self) -> bool {
        let needs = |zone: &super::file::ZonePolicy| {
            zone.databases.iter().any(|name| **name == *self.database)
        };
        matches!(self.login.kind, Kind::Service | Kind::Human)
            && self.policy.zone.as_ref().is_some_and(needs)
    }

    /// Does row-level security rely on tokens?
    pub fn zone_is_signed(&self) -> bool {
        let zone = self.policy.zone.as_ref();
        zone.is_some_and(|zone| zone.protection == Protection::Signed)
    }

    /// The team's word for a zone.
    pub fn noun(&self) -> &str {
        self.policy.zone.as_ref().map_or("zone", |zone| &zone.noun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(values: &[&str], all_zones: bool) -> Grant {
        let patterns = values.iter().map(|text| Pattern::new(text));
        let values = match values {
            ["any"] => Values::Any,
            _ => Values::Listed(patterns.collect()),
        };
        Grant { values, all_zones }
    }

    #[test]
    fn the_sentinel_is_a_grant_of_its_own_and_nothing_empty_or_strange_is_a_zone() {
        let long = "x".repeat(MAX_ZONE + 1);
        for (values, all, value, admitted) in [
            (&["any"][..], false, "acme", true),
            (&["any"], false, "*", false),
            (&["any"], true, "*", true),
            (&["any"], true, "", false),
            (&["any"], false, "a\nb", false),
            (&["any"], false, &long, false),
            (&["any"], false, &long[1..], true),
            (&["any"], false, "**", true),
            (&["acme", "b-*"], false, "acme", true),
            (&["acme", "b-*"], false, "ACME", false),
            (&["acme", "b-*"], false, "acme ", false),
            (&["acme", "b-*"], false, "b-1", true),
            (&["acme", "b-*"], false, "b-", true),
            (&["acme", "b-*"], false, "xb-1", false),
            (&["acme", "b-*"], false, "*", false),
            (&["acme", "b-*"], false, "", false),
            (&[], true, "*", true),
            (&[], true, "acme", false),
        ] {
            let granted = grant(values, all).admits(value);
            assert_eq!(granted, admitted, "{values:?} {all} {value:?}");
        }
    }

    #[test]
    fn the_zone_is_what_stands_in_the_databases_name_for_the_star() {
        let zone = |pattern: &str, database: &str| {
            let source = ZoneSource::Database(Pattern::new(pattern));
            source.on(database).map(str::to_owned)
        };
        assert_eq!(zone("tenant_*", "tenant_acme").as_deref(), Some("acme"));
        assert_eq!(zone("*_shop", "acme_shop").as_deref(), Some("acme"));
        assert_eq!(zone("t_*_db", "t_acme_db").as_deref(), Some("acme"));
        for (pattern, database) in [
            ("tenant_*", "tenant_"),
            ("tenant_*", "shop"),
            ("tenant_*", "tenant_*"),
            ("ab*ba", "aba"),
            ("shop", "shop"),
        ] {
            assert_eq!(zone(pattern, database), None, "{pattern} {database}");
        }
    }

    #[test]
    fn a_wider_grant_ends_no_connection_and_a_narrower_one_does() {
        let client = |values: &[&str], all| ZoneSource::Client(grant(values, all));
        for (old, new, carried) in [
            (client(&["a"], false), client(&["a", "b-*"], false), true),
            (client(&["a", "b-*"], false), client(&["a"], false), false),
            (client(&["a"], false), client(&["any"], false), true),
            (client(&["any"], false), client(&["a"], false), false),
            (client(&["any"], true), client(&["any"], false), false),
            (client(&["any"], false), client(&["any"], true), true),
            (
                client(&["any"], false),
                ZoneSource::Fixed("a".into()),
                false,
            ),
            (
                ZoneSource::Fixed("a".into()),
                client(&["any"], false),
                false,
            ),
            (
                ZoneSource::Fixed("a".into()),
                ZoneSource::Fixed("a".into()),
                true,
            ),
            (
                ZoneSource::Fixed("a".into()),
                ZoneSource::Fixed("b".into()),
                false,
            ),
        ] {
            assert_eq!(new.carries_on(&old), carried, "{old:?} {new:?}");
        }
    }

    #[test]
    fn a_certificate_says_one_zone_or_none() {
        let certificate = |values: &[&str]| Certificate {
            field: Field::CommonName,
            pattern: Pattern::new("t_*"),
            values: grant(values, false).values,
            zone: None,
        };
        let read = |values: &[&str], names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let zone = certificate(values).read(&names);
            zone.map(|zone| zone.to_string())
        };
        assert_eq!(read(&["any"], &["t_a"]), Ok("a".to_owned()));
        assert_eq!(read(&["a"], &["x", "t_a", "t_a"]), Ok("a".to_owned()));
        for (values, names, why) in [
            (&["any"][..], &[][..], NoZone::NoName),
            (&["any"], &["T_a", "xt_a"], NoZone::NoName),
            (&["any"], &["t_a", "t_b"], NoZone::Several),
            (&["a"], &["t_a", "t_b"], NoZone::Several),
            (&["a"], &["t_b"], NoZone::NotGranted),
            (&["any"], &["t_"], NoZone::NotGranted),
            (&["any"], &["t_*"], NoZone::NotGranted),
            (&["any"], &["t_a\0"], NoZone::NotGranted),
        ] {
            assert_eq!(read(values, names), Err(why), "{values:?} {names:?}");
        }
        let of = |values: &[&str], zone: Option<&str>| {
            let zone = zone.map(Arc::from);
            ZoneSource::Certificate(Certificate {
                zone,
                ..certificate(values)
            })
        };
        let old = of(&["a", "b"], Some("a"));
        assert!(of(&["a"], None).carries_on(&old) && of(&["any"], None).carries_on(&old));
        assert!(!of(&["b"], None).carries_on(&old));
        assert!(!of(&["a"], None).carries_on(&of(&["a", "b"], None)));
    }
}
