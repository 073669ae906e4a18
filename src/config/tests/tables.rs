//! `[peers]` and `[isolation]`.

use super::*;

#[test]
fn peers_are_others_with_ids_and_addresses_of_their_own() {
    // The list may name this one too: the same for all of them.
    let others = "2 = \"portcullis-2.internal:6432\"\n";
    let all = COMPLETE.replace(
        others,
        &format!("{others}1 = \"portcullis-1.internal:6432\"\n"),
    );
    let peers = parse(&all).unwrap().peers.unwrap();
    assert_eq!(peers.peer_id, 1);
    assert_eq!(peers.others.keys().copied().collect::<Vec<_>>(), [2]);
    assert_eq!(peers.others[&2].to_string(), "portcullis-2.internal:6432");
    assert!(parse(LEAST).unwrap().peers.is_none());
    for (from, to, expected) in [
        ("peer_id = 1\n", "", "missing key \"peer_id\" in [peers]"),
        ("peer_id = 1\n", "peer_id = 128\n", "must be 1 to 127"),
        (
            "2 = \"portcullis-2.internal:6432\"",
            "0 = \"a:1\"",
            "is not the id of a peer",
        ),
        (
            "2 = \"portcullis-2.internal:6432\"",
            "b = \"a:1\"",
            "is not the id of a peer",
        ),
        (
            "2 = \"portcullis-2.internal:6432\"\n",
            "",
            "names no other proxy",
        ),
        (
            "2 = \"portcullis-2.internal:6432\"",
            "2 = \"portcullis-2\"",
            "is not a host and a port",
        ),
        (
            "2 = \"portcullis-2.internal:6432\"",
            "2 = \"a:1\"\n3 = \"a:1\"",
            "named twice",
        ),
        (
            "sslmode = \"verify-full\"\nca_file = \"/etc/ca.crt\"\n[isolation]",
            "[isolation]",
            "missing key \"ca_file\" in [peers]",
        ),
    ] {
        let said = told(from, to).join("\n");
        assert!(said.contains(expected), "{to}: {said}");
    }
}

#[test]
fn the_proof_of_isolation_is_bounded() {
    let isolation = parse(COMPLETE).unwrap().isolation.unwrap();
    assert_eq!(isolation.interval, Duration::from_secs(30));
    assert_eq!(isolation.tables.as_deref().map(<[_]>::len), Some(1));
    assert!(isolation.readiness);
    assert!(parse(LEAST).unwrap().isolation.is_none());
    for (from, to, expected) in [
        ("interval = \"30s\"", "interval = 30", "needs a unit"),
        ("interval = \"30s\"", "interval = \"2d\"", "out of bounds"),
        ("timeout = \"5s\"", "timeout = \"0s\"", "out of bounds"),
        (
            "tables = [\"public.orders\"]",
            "tables = []",
            "must name 1 to 1000",
        ),
        ("\"canary-a\", ", "", "two different zones"),
    ] {
        let said = told(from, to).join("\n");
        assert!(said.contains(expected), "{to}: {said}");
    }
}
