//! Fingerprints of statements that are closed, as psql sends them, and of those that are not.

use super::super::{Depth, bounds, describe_at, fingerprint};

#[test]
fn what_closes_a_statement_does_not_matter() {
    for text in [
        "drop table t",
        "select 1; drop table t",
        "begin",
        "create role r password 'a'",
        "alter role r password hunter2",
        "set app.key = a",
        "delete from t where a in (1, 2)",
        "call run('a')",
        "create function f() returns int begin atomic select 1; end",
        "create rule r as on insert to t do also (select 1; select 2)",
        "selct",
        "",
    ] {
        let wanted = fingerprint(text.as_bytes());
        for end in [
            ";",
            ";\n",
            ";\r\n",
            " ;\t",
            ";;",
            "; ; -- note",
            "/* a */;/* ; */\n",
            "-- ;\n;",
        ] {
            let closed = format!("{text}{end}");
            assert_eq!(fingerprint(closed.as_bytes()), wanted, "{closed}");
            let facts = describe_at(closed.as_bytes(), Depth::Names);
            assert_eq!(facts.fingerprint(), Some(wanted), "{closed}");
        }
    }
}

#[test]
fn semicolons_between_statements_matter() {
    let deep = "/*".repeat(bounds::MAX_COMMENT_DEPTH as usize + 1);
    let different = [
        "vacuum a",
        "vacuum a; vacuum b",
        "vacuum a; vacuum b; vacuum c",
        "; vacuum a",
        "vacuum a vacuum b",
        "vacuum a;; vacuum b",
        // What follows is not known.
        &format!("vacuum a; {deep}"),
    ];
    let names: std::collections::HashSet<String> = different
        .iter()
        .map(|text| fingerprint(text.as_bytes()).to_string())
        .collect();
    assert_eq!(names.len(), different.len());
}
