//! A policy and four logins.

use std::sync::Arc;

use portcullis::conversation::Setup;
use portcullis::policy::{Policy, Who};
use portcullis::zone::signed::Unsigned;
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
[guards]
"#;

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
    /// A service on a database without zones.
    Plain,
    /// The same on the session route: its server connection is its own.
    Session,
    /// A migrator, in a session that may end.
    Migrator,
}

impl Login {
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "shop_acme" => Some(Self::Zoned),
            "tools" => Some(Self::Plain),
            "jobs" => Some(Self::Session),
            "migrator" => Some(Self::Migrator),
            _ => None,
        }
    }

    pub fn who(self) -> Who {
        let (name, database) = match self {
            Self::Zoned => ("shop_acme", "shop"),
            Self::Plain => ("tools", "tools"),
            Self::Session => ("jobs", "tools"),
            Self::Migrator => ("migrator", "shop"),
        };
        let (policy, _) = Policy::parse(POLICY, "test.toml").expect("the policy above is valid");
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
            max_statement_bytes,
            record: self == Self::Migrator,
            replaceable: matches!(self, Self::Zoned | Self::Plain),
            origins: Arc::default(),
            reported: Vec::new(),
            observes: false,
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

/// The batch that asks whether the pool follows names.
pub fn question_bytes() -> Vec<u8> {
    let mut bytes = Vec::new();
    portcullis::zone::put_question(&mut bytes, &portcullis::zone::name(0xaa));
    bytes
}
