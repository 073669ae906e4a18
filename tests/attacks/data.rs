//! The attacks as they are written down: one TOML file per family.

use std::path::Path;

use serde::Deserialize;

/// A family: `[defaults]` for all of its attacks, SQL for its database, and the attacks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    #[serde(skip)]
    pub name: String,
    /// The zone that shop_acme sets itself, in its startup packet, and may set; none: it is fixed.
    #[serde(skip)]
    pub chosen: Option<&'static str>,
    /// shop_acme has a server connection of its own (`route = "session"`).
    #[serde(skip)]
    pub session: bool,
    /// What a superuser adds to the database before it is frozen.
    #[serde(default)]
    pub fixture: String,
    /// What stands behind the policy that all families have.
    #[serde(default)]
    pub policy: String,
    /// That policy denies no relation: whatever may hide a name would be refused for that first.
    #[serde(default)]
    pub denies_nothing: bool,
    #[serde(default)]
    pub defaults: Defaults,
    #[serde(rename = "attack")]
    pub attacks: Vec<Attack>,
}

/// What an attack has when it does not say otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    #[serde(default)]
    pub effect: String,
    #[serde(default)]
    pub refused: String,
    #[serde(default)]
    pub simple_only: bool,
}

/// One attack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// Its texts, one message each; or `messages`.
    #[serde(default)]
    pub sql: Texts,
    /// Messages of the protocol, see `script.rs`.
    #[serde(default)]
    pub messages: Vec<String>,
    /// Why it is one, where the text does not say so itself.
    #[serde(default)]
    pub why: String,
    /// The login. Default: shop_acme, who owns the schema; shop_root is a superuser.
    #[serde(rename = "as")]
    pub login: Option<String>,
    /// Startup parameters: all in `sql` follows.
    #[serde(default)]
    pub startup: Vec<(String, String)>,
    /// Characters are bytes: U+0083 is the byte 0x83.
    #[serde(default)]
    pub bytes: bool,
    /// What must be in the difference that it makes without Portcullis.
    pub effect: Option<String>,
    /// The guard that refuses it; a SQLSTATE where it is none of them.
    pub refused: Option<String>,
    /// The guard that will refuse it: until then it has to succeed.
    pub pending: Option<String>,
    /// Nobody refuses it; it has no effect behind Portcullis.
    #[serde(default)]
    pub harmless: bool,
    /// Several statements in one text: not for the extended protocol.
    pub simple_only: Option<bool>,
    /// Only on the newer PostgreSQL and PgBouncer, or only on the older ones.
    pub only: Option<Only>,
    /// Asked by a superuser before and after: what the general evidence does not show. If it names
    /// 'bystander', another client of that application_name is there.
    #[serde(default)]
    pub probe: String,
    /// Run by a superuser before each leg.
    #[serde(default)]
    pub setup: String,
    /// Run by a superuser after each leg: what is not in the database itself.
    #[serde(default)]
    pub undo: String,
    /// Proven on a connection straight to PostgreSQL: PgBouncer does not take it either.
    #[serde(default)]
    pub direct: bool,
}

/// Where an attack has its effect at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// PostgreSQL 15 behind PgBouncer 1.18.
    Older,
    /// PostgreSQL 17 behind PgBouncer 1.24.
    Newer,
}

/// One text, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    One(String),
    Many(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Texts {
    /// The texts, with `{{N:text}}` standing for N times text.
    pub fn all(&self) -> Vec<String> {
        let texts = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        };
        texts.iter().map(|text| repeat(text)).collect()
    }
}

fn repeat(text: &str) -> String {
    let Some((before, rest)) = text.split_once("{{") else {
        return text.to_owned();
    };
    let (count, rest) = rest.split_once(':').expect("{{N:text}}");
    let (unit, after) = rest.split_once("}}").expect("{{N:text}}");
    let count = count.parse().expect("a number in {{N:text}}");
    before.to_owned() + &unit.repeat(count) + &repeat(after)
}

impl Attack {
    /// What the tests call it.
    pub fn name(&self) -> String {
        let texts = match &self.sql {
            Texts::One(text) => text.clone(),
            Texts::Many(texts) => texts.join("; "),
        };
        let text = [texts, self.messages.join("; ")].concat();
        let shown: String = text.chars().take(160).collect();
        let parameters: String = self
            .startup
            .iter()
            .map(|(name, value)| format!("startup {name}={value:?}; "))
            .collect();
        parameters + &shown
    }
}

/// Reads `tests/attacks/NAME.toml`; the defaults are filled in.
pub fn family(name: &str) -> Family {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/attacks")
        .join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut family: Family =
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    family.name = name.to_owned();
    let defaults = &family.defaults;
    for attack in &mut family.attacks {
        attack.effect.get_or_insert_with(|| defaults.effect.clone());
        attack.simple_only.get_or_insert(defaults.simple_only);
        if attack.pending.is_none() && !attack.harmless {
            attack
                .refused
                .get_or_insert_with(|| defaults.refused.clone());
        }
        let effect = attack.effect.as_deref().unwrap_or_default();
        assert!(!effect.is_empty(), "{name}: no effect: {}", attack.name());
        assert_ne!(attack.refused.as_deref(), Some(""), "{}", attack.name());
    }
    family
}
