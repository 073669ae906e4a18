//! With the configuration: the same through Portcullis, and no way to another zone.

use portcullis::policy::Guard;
use serde_json::Value;

use super::common::*;
use crate::support::{Pooler, Stack, StackOptions, fixture};

fn ways(report: &Value) -> &Vec<Value> {
    let ways = report["through_portcullis"]["ways"].as_array();
    ways.expect("ways that were tried")
}

fn ways_that_lead_to_another_zone(report: &Value) -> Vec<String> {
    let leads = |way: &&Value| way["seen"] != serde_json::json!([]);
    let ways = ways(report).iter().filter(leads);
    ways.map(|way| way["way"].as_str().expect("a name").to_owned())
        .collect()
}

#[test]
fn with_the_configuration_isolation_is_proved_through_portcullis() {
    let stack = Stack::start(one_connection(Pooler::V1_18));
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let config = stack.file("portcullis.toml").display().to_string();
    let report = examined(&login, &["--config", &config]);
    let through = &report["through_portcullis"];
    assert_eq!(through["address"], format!("localhost:{}", stack.port));
    assert_eq!(through["isolated"], serde_json::json!(["public.orders"]));
    // What a sceptic wants to see: the trick works, and not through Portcullis.
    assert_eq!(
        through["around"]["seen"],
        serde_json::json!(["public.orders"])
    );
    assert_eq!(
        ways_that_lead_to_another_zone(&report),
        Vec::<String>::new()
    );
    let refused: Vec<&str> = ways(&report)
        .iter()
        .filter_map(|way| way["refused_by"].as_str())
        .collect();
    assert!(refused.len() >= 6, "{through}");
    for guard in refused {
        assert!(Guard::from_id(guard).is_some(), "{guard}: {through}");
    }
    let said = doctor(&login, &["--config", &config]);
    assert_eq!(said.code, 1);
    assert!(
        said.stdout
            .contains("\nThe same through Portcullis at localhost:"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout
            .contains("1 table with rows of our own zone only"),
        "{}",
        said.stdout
    );
    for line in [
        &format!(
            "\nproof  at localhost:{} set_config() shows rows of another zone in 1 table: public.orders\n",
            stack.transaction_port
        ),
        "\nproof  through Portcullis 9 of 9 ways to another zone show none:\n       SET LOCAL (",
    ] {
        assert!(said.stdout.contains(line), "{line}{}", said.stdout);
    }
    let zones = said.stdout.contains("globex") || said.stdout.contains(" acme");
    assert!(!zones, "a zone's id is nobody's business: {said:?}");
    // A table that shows other zones' rows is no proof of anything.
    stack.direct("shop", "ALTER TABLE orders DISABLE ROW LEVEL SECURITY");
    let report = examined(&login, &["--config", &config]);
    assert_eq!(
        report["through_portcullis"]["isolated"],
        serde_json::json!([])
    );
    assert_eq!(
        objects(&report["through_portcullis"], "table-without-policy"),
        ["public.orders"]
    );
    assert!(report["through_portcullis"]["ways"] == serde_json::json!([]));
    let missing = doctor(&login, &["--config", "/nonexistent/portcullis.toml"]);
    assert_eq!(missing.code, 2, "{missing:?}");
}

/// A policy that observes keeps nobody from another zone, and the doctor leaves nothing in the pool.
#[test]
fn what_only_observes_is_no_proof() {
    let stack = Stack::start(StackOptions {
        policy: fixture::POLICY.replace("mode = \"enforce\"", "mode = \"observe\""),
        ..one_connection(Pooler::V1_24)
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let config = stack.file("portcullis.toml").display().to_string();
    let report = examined(&login, &["--config", &config]);
    let through = &report["through_portcullis"];
    assert_eq!(through["isolated"], serde_json::json!([]));
    assert_eq!(through["empty"], serde_json::json!(["public.orders"]));
    assert_eq!(
        ways_that_lead_to_another_zone(&report),
        [
            "SET LOCAL",
            "set_config() for the transaction",
            "set_config() of a name put together",
            "a DO block"
        ]
    );
    let broken = found(through, "zone-not-kept");
    assert_eq!(broken.len(), 4, "{through}");
    assert_eq!(
        broken[0]["advice"],
        "the policy observes: mode = \"enforce\""
    );
    let left = "SELECT coalesce(current_setting('app.tenant_id', true), '')";
    assert_eq!(stack.psql(&login, left).ok(), "\n");
}

/// A login whose clients choose is in the zone of `--zone`, and in none without it.
#[test]
fn a_login_that_chooses_is_told_its_zone() {
    let chooses = "zone = { from = \"client\", values = [\"acme\"] }\n";
    let policy = fixture::POLICY.replacen("zone = \"acme\"\n", chooses, 1);
    assert_ne!(policy, fixture::POLICY);
    let stack = Stack::start(StackOptions {
        policy,
        ..one_connection(Pooler::V1_18)
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let config = stack.file("portcullis.toml").display().to_string();
    let report = examined(&login, &["--config", &config]);
    let through = &report["through_portcullis"];
    assert_eq!(through["isolated"], serde_json::json!([]));
    let advised = found(through, "not-shown");
    let mut advised = advised
        .iter()
        .filter_map(|finding| finding["advice"].as_str());
    assert!(advised.any(|advice| advice.contains("--zone")), "{through}");
    let report = examined(&login, &["--config", &config, "--zone", "acme"]);
    let through = &report["through_portcullis"];
    assert_eq!(through["isolated"], serde_json::json!(["public.orders"]));
    assert_eq!(
        through["around"]["seen"],
        serde_json::json!(["public.orders"])
    );
    assert_eq!(ways(&report).len(), 9);
    assert_eq!(
        ways_that_lead_to_another_zone(&report),
        Vec::<String>::new()
    );
    // One that it is not granted.
    let said = doctor(&login, &["--config", &config, "--zone", "globex"]);
    assert_eq!(said.code, 2, "{said:?}");
}
