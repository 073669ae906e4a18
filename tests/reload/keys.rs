//! Policy and keys of zones are valid together or not at all. What was wrong only because of the other one is read
//! again when that has changed, although its own file has not; what is wrong by itself is not.

use super::held::{looked, told, write};
use crate::support::fixture::POLICY;
use crate::support::message::column;
use crate::support::process::wait_until;
use crate::support::shop::SEEN;
use crate::support::signed::{SECRET, database, line};
use crate::support::{Stack, StackOptions, Wire};

/// The zones of `shop` are signed.
fn signed() -> String {
    POLICY.replace("protection = \"plain\"", "protection = \"signed\"")
}

fn key(database: &str) -> String {
    line(database, "k1", SECRET)
}

fn start(policy: &str, zone_keys: &str) -> Stack {
    let rows = "('acme', 'anvil'), ('globex', 'hammock')";
    Stack::start(StackOptions {
        sql: database("shop", "setting", rows, None, "") + "CREATE DATABASE app;\n",
        policy: policy.into(),
        zone_keys: zone_keys.into(),
        ..StackOptions::default()
    })
}

fn version(stack: &Stack) -> f64 {
    stack.metric("portcullis_policy_version")
}

fn policies_refused(stack: &Stack) -> f64 {
    stack.metric("portcullis_reloads_total{files=\"policy\",outcome=\"failed\"}")
}

fn waits_for(stack: &Stack, name: &str) -> String {
    wait_until("it is told", || told(stack, name).is_some());
    told(stack, name).expect("it is told")
}

fn nothing_is_told(stack: &Stack) {
    wait_until("nothing is told any more", || {
        told(stack, "policy").is_none() && told(stack, "auth_file").is_none()
    });
}

/// Through the signed wall.
fn sees_its_own(stack: &Stack) {
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    assert_eq!(column(&wire.query(SEEN)), ["acme"]);
}

#[test]
fn a_policy_that_lacked_a_key_comes_into_force_with_it() {
    let stack = start(POLICY, &key("ported"));
    write(&stack, "policy.toml", &signed());
    let why = waits_for(&stack, "policy");
    assert!(why.starts_with("the file on disk is not valid"), "{why}");
    assert!(told(&stack, "auth_file").is_none());
    // Another change of what is read with the keys: they are the same, and it is not told again.
    let refused = policies_refused(&stack);
    looked(&stack, "users", "userlist.txt");
    looked(&stack, "tls", "ca.crt");
    assert_eq!(policies_refused(&stack), refused);
    assert_eq!(told(&stack, "policy"), Some(why));
    // A key, but not the one: tried once.
    write(&stack, "zone-keys", &(key("ported") + &key("other")));
    wait_until("it is tried", || policies_refused(&stack) > refused);
    looked(&stack, "tls", "ca.crt");
    assert_eq!(policies_refused(&stack), refused + 1.0);
    assert_eq!(version(&stack), 1.0);
    write(&stack, "zone-keys", &(key("ported") + &key("shop")));
    wait_until("the policy is in force", || version(&stack) == 2.0);
    nothing_is_told(&stack);
    sees_its_own(&stack);
}

#[test]
fn a_key_file_that_is_mended_mends_the_policy_that_was_read_beside_it() {
    let stack = start(POLICY, &key("shop"));
    write(&stack, "zone-keys", "half a li");
    waits_for(&stack, "auth_file");
    write(&stack, "policy.toml", &signed());
    waits_for(&stack, "policy");
    write(&stack, "zone-keys", &key("shop"));
    wait_until("the policy is in force", || version(&stack) == 2.0);
    nothing_is_told(&stack);
    sees_its_own(&stack);
    // Gone, and there again.
    std::fs::remove_file(stack.file("zone-keys")).expect("removed");
    waits_for(&stack, "auth_file");
    write(&stack, "policy.toml", &(signed() + "# more\n"));
    waits_for(&stack, "policy");
    write(&stack, "zone-keys", &key("shop"));
    wait_until("the policy is in force", || version(&stack) == 3.0);
    nothing_is_told(&stack);
    sees_its_own(&stack);
}

#[test]
fn keys_that_the_policy_in_force_forbade_come_into_force_with_another() {
    let stack = start(&signed(), &key("shop"));
    sees_its_own(&stack);
    write(&stack, "zone-keys", &key("ported"));
    let why = waits_for(&stack, "auth_file");
    assert!(
        why.contains("there is no key for database \"shop\""),
        "{why}"
    );
    sees_its_own(&stack);
    write(&stack, "policy.toml", POLICY);
    wait_until("the policy is in force", || version(&stack) == 2.0);
    nothing_is_told(&stack);
}

/// Neither fits what is in force, and each fits the other.
#[test]
fn a_policy_and_keys_that_fit_only_each_other_come_into_force_together() {
    let stack = start(&signed(), &key("shop"));
    let elsewhere = signed().replace("databases = [\"shop\"]", "databases = [\"app\"]");
    for (first, second) in [("policy.toml", "zone-keys"), ("zone-keys", "policy.toml")] {
        let change = |name: &str, policy: &str, keys: &str| {
            let text = if name == "policy.toml" { policy } else { keys };
            write(&stack, name, text);
        };
        let before = version(&stack);
        change(first, &elsewhere, &key("app"));
        let told_first = if first == "policy.toml" {
            "policy"
        } else {
            "auth_file"
        };
        waits_for(&stack, told_first);
        assert_eq!(version(&stack), before);
        sees_its_own(&stack);
        change(second, &elsewhere, &key("app"));
        wait_until("the policy is in force", || version(&stack) == before + 1.0);
        nothing_is_told(&stack);
        write(&stack, "zone-keys", &key("shop"));
        write(&stack, "policy.toml", &signed());
        wait_until("it is as before", || version(&stack) == before + 2.0);
        nothing_is_told(&stack);
        sees_its_own(&stack);
    }
}

#[test]
fn a_policy_that_is_wrong_by_itself_is_not_read_again_with_the_keys() {
    let stack = start(POLICY, &key("ported"));
    // Wrong because of the keys, too.
    let wrong = signed().replace("noun = \"tenant\"", "noon = \"tenant\"");
    let mapped = "databases = [\"app\"]\nroute = \"replication\"\n";
    let unfit = signed().replace("databases = [\"app\"]\n", mapped);
    for policy in [wrong, unfit] {
        write(&stack, "policy.toml", &policy);
        let refused = policies_refused(&stack);
        wait_until("it is refused", || policies_refused(&stack) > refused);
        let refused = policies_refused(&stack);
        for keys in [key("shop"), key("ported")] {
            let taken = "portcullis_reloads_total{files=\"users\",outcome=\"ok\"}";
            let before = stack.metric(taken);
            write(&stack, "zone-keys", &keys);
            wait_until("the keys are taken", || stack.metric(taken) > before);
            looked(&stack, "tls", "ca.crt");
            assert_eq!(policies_refused(&stack), refused);
        }
    }
}
