//! Isolation as a service level (`[isolation]`): the proof stands while zones are kept apart, and every way
//! to break that is seen, on the real stack.

mod support;

mod isolation_canary {
    //! One file for each matter.
    mod proof;
    mod routes;
    mod set_up;
}

use support::fixture::SQL;
use support::process::wait_until;
use support::{Stack, StackOptions};

const KIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/sql");

const PROVED: &str = "portcullis_isolation_last_proof_timestamp_seconds";

const TABLES: &str = "portcullis_isolation_tables{route=\"transaction\"}";

/// The kit's canary rows in a table of `shop`.
fn canaries(table: &str, row: &str) -> String {
    format!(
        "\\set table {table}
\\set column tenant_id
\\set zone_a canary-a
\\set zone_b canary-b
\\set row '{row}'
\\i {KIT}/canary.sql
"
    )
}

/// The shop, with a second table that wants values, and a partitioned one.
fn sql() -> String {
    let more = "\\connect shop
SET ROLE migrator;
CREATE TABLE \"Refunds\" (tenant_id varchar NOT NULL, amount int NOT NULL, at date DEFAULT now());
ALTER TABLE \"Refunds\" ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON \"Refunds\" USING (tenant_id = current_setting('app.tenant_id', true));
CREATE TABLE events (tenant_id text, id int) PARTITION BY RANGE (id);
CREATE TABLE events_1 PARTITION OF events DEFAULT;
ALTER TABLE events ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON events USING (tenant_id = current_setting('app.tenant_id', true));
GRANT SELECT ON \"Refunds\", events TO shop_acme;
RESET ROLE;
";
    [
        SQL,
        more,
        &canaries("public.orders", r#"{"note": "canary"}"#),
        &canaries("public.\"Refunds\"", r#"{"amount": 0}"#),
        &canaries("public.events", r#"{"id": 1}"#),
    ]
    .concat()
}

const ISOLATION: &str = r#"
[isolation]
interval = "1s"
timeout = "3s"
database = "shop"
logins = ["shop_acme"]
zones = ["canary-a", "canary-b"]
column = "tenant_id"
"#;

const DESK: &str = r#"
[login.desk]
kind = "service"
databases = ["shop"]
route = "session"
zone = "acme"
"#;

fn options() -> StackOptions {
    StackOptions {
        sql: sql(),
        pool_size: 1,
        keys: vec!["migrator", "shop_acme"],
        limits: ISOLATION.into(),
        ..StackOptions::default()
    }
}

/// The proofs of one route.
#[derive(Clone, Copy)]
struct On<'s>(&'s Stack, &'static str);

impl On<'_> {
    /// When this route was proved last.
    fn last(self) -> f64 {
        self.0.metric(&format!("{PROVED}{{route=\"{}\"}}", self.1))
    }

    fn failures(self, reason: &str) -> f64 {
        let route = self.1;
        let series =
            format!("portcullis_isolation_failures_total{{route=\"{route}\",reason=\"{reason}\"}}");
        self.0.metric(&series)
    }

    /// For whatever reason.
    fn all_failures(self) -> f64 {
        let (_, metrics) = self.0.http_get("/metrics");
        let family = format!("portcullis_isolation_failures_total{{route=\"{}\",", self.1);
        let of_route = metrics.lines().filter(|line| line.starts_with(&family));
        let values = of_route.filter_map(|line| line.rsplit_once(' '));
        values
            .map(|(_, value)| value.parse::<f64>().expect("a number"))
            .sum()
    }

    /// Waits until a proof succeeds that began after this.
    #[track_caller]
    fn proved(self) {
        let before = self.last();
        // The next one may have begun before: two more.
        for _ in 0..2 {
            let last = self.last().max(before);
            wait_until("isolation is proved", || self.last() > last);
        }
    }

    /// Waits until a proof fails for this reason, and until the proofs stand still.
    #[track_caller]
    fn broken(self, reason: &str) {
        let before = self.failures(reason);
        wait_until(&format!("a proof fails: {reason}"), || {
            self.failures(reason) > before
        });
        let (last, failed) = (self.last(), self.failures(reason));
        wait_until(&format!("it goes on to fail: {reason}"), || {
            self.failures(reason) > failed
        });
        // Nothing was proved in the meantime: the age grows.
        assert_eq!(self.last(), last);
    }
}

#[track_caller]
fn proved(stack: &Stack) {
    On(stack, "transaction").proved();
}

#[track_caller]
fn broken(stack: &Stack, reason: &str) {
    On(stack, "transaction").broken(reason);
}
