//! A policy and six logins.

use std::sync::Arc;

use portcullis::conversation::Setup;
use portcullis::policy::{Policy, Who};
use portcullis::zone::signed::{Audience, Signer, Unsigned};
use portcullis::zone::spelling::Spelling;
use portcullis::zone::{Form, Prefix};

/// `shop` needs a tenant, `tools` does not.
const POLICY: &str = r#"schema = 1
environment = "test"
[zone]
parameter = "app.tenant_id"
databases = ["shop"]
noun = "tenant"
[login.shop_acme]
kind = "service"
databases = ["shop"]
zone = "acme"
[login.tools]
kind = "service"
databases = ["tools"]
[login.jobs]
kind = "service"
databases = ["tools"]
route = "session"
[login.migrator]
kind = "migrator"
databases = ["shop"]
[login.cdc]
kind = "replication"
databases = ["tools"]
relations = ["public.orders"]
slots = ["cdc"]
[guards]
"#;

/// Beside it, with zones that are signed.
const CHOOSER: &str = r#"
[login.shop_api]
kind = "service"
databases = ["shop"]
zone = { from = "client", values = ["acme", "globex"] }
[guards]
"#;

/// What shop_api sets itself, and to what it may.
pub const PARAMETER: &str = "app.tenant_id";
pub const GRANTED: [&str; 2] = ["acme", "globex"];

/// Makes tokens that only look like some.
pub struct Notary;

impl Signer for Notary {
    fn put_token(&self, zone: &str, _: &Audience, out: &mut Vec<u8>) {
        let hex: String = zone.bytes().map(|byte| format!("{byte:02x}")).collect();
        out.extend(format!("pz1.k1.0.0.{hex}.0").into_bytes());
    }
}

/// The zone of such a token.
pub fn zone_of(token: &str) -> Option<String> {
    let hex = token.split('.').nth(4)?;
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}

/// The zone of shop_acme.
pub const ZONE: &str = "acme";
/// The prefix's name on the server.
pub const PREFIX_NAME: &str = "pc_00000000000000aa";
/// The portal that never exists.
pub const NOWHERE: &str = "pc_00000000000000bb";

/// Who is at the client's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// A service whose every transaction needs the zone.
    Zoned,
    /// A service that sets its zone itself; zones are signed.
    Chooser,
    /// A service on a database without zones.
    Plain,
    /// The same on the session route: its server connection is its own.
    Session,
    /// A migrator, in a session that may end.
    Migrator,
    /// Logical decoding, on a replication connection.
    Replication,
}

impl Login {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "shop_acme" => Some(Self::Zoned),
            "shop_api" => Some(Self::Chooser),
            "tools" => Some(Self::Plain),
            "jobs" => Some(Self::Session),
            "migrator" => Some(Self::Migrator),
            "cdc" => Some(Self::Replication),
            _ => None,
        }
    }

    pub fn who(self) -> Who {
        let (name, database) = match self {
            Self::Zoned => ("shop_acme", "shop"),
            Self::Chooser => ("shop_api", "shop"),
            Self::Plain => ("tools", "tools"),
            Self::Session => ("jobs", "tools"),
            Self::Migrator => ("migrator", "shop"),
            Self::Replication => ("cdc", "tools"),
        };
        let signed = || {
            let signed = POLICY.replace("[zone]\n", "[zone]\nprotection = \"signed\"\n");
            signed.replace("[guards]\n", CHOOSER)
        };
        let text = match self {
            Self::Chooser => &signed(),
            _ => POLICY,
        };
        let (policy, _) = Policy::parse(text, "test.toml").expect("the policy above is valid");
        Who {
            login: Arc::clone(&policy.logins[name]),
            policy: Arc::new(policy),
            database: database.into(),
        }
    }

    pub fn setup(self, max_statement_bytes: usize) -> Setup {
        let zone = (self == Self::Zoned).then(|| Arc::new(prefix()));
        Setup {
            connection: 0x2a,
            random: [0xaa, 0xbb],
            zone,
            chooses: (self == Self::Chooser).then(|| self.who()),
            max_statement_bytes,
            record: self == Self::Migrator,
            replaceable: matches!(self, Self::Zoned | Self::Chooser | Self::Plain),
            origins: Arc::default(),
            reported: Vec::new(),
            observes: false,
            walsender: self == Self::Replication,
            spelling: Arc::default(),
        }
    }
}

fn prefix() -> Prefix {
    Prefix::new(&[("app.tenant_id", ZONE)], None)
}

/// The messages that set the zone.
pub fn prefix_bytes(form: Form) -> Vec<u8> {
    let mut bytes = Vec::new();
    prefix().put(&mut bytes, &portcullis::zone::name(0xaa), form, &Unsigned);
    bytes
}

/// The same once one was lost.
pub fn prefix_spelled_otherwise() -> Vec<u8> {
    let mut bytes = prefix_bytes(Form::Whole);
    let spelling = Spelling::default();
    spelling.lost(0);
    prefix().respell(&mut bytes, Form::Whole, &spelling);
    bytes
}

/// The batch that asks whether the pool follows names.
pub fn question_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    portcullis::zone::put_question(&mut bytes, &portcullis::zone::name(0xaa));
    bytes
}
