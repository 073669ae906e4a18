use super::*;

fn one(text: &str) -> Verb {
    let mut verbs = parse(text).expect(text);
    assert_eq!(verbs.len(), 1, "{text}");
    verbs.remove(0)
}

fn wrong(text: &str) -> (String, u32) {
    let error = parse(text).expect_err(text);
    (error.message, error.position)
}

#[test]
fn verbs_in_any_case() {
    let id: SessionId = "mig_4k7qz2hd".parse().expect("an id");
    assert_eq!(one("show version"), Verb::ShowVersion);
    assert_eq!(one(" SHOW\n\tHelp ;"), Verb::ShowHelp);
    assert_eq!(one("SHOW MIGRATIONS;;"), Verb::ShowMigrations);
    assert_eq!(one("SHOW MIGRATION mig_4k7qz2hd"), Verb::ShowMigration(id));
    assert_eq!(
        one("Close Migration 'mig_4k7qz2hd' note 'it''s the wrong window; sorry'"),
        Verb::CloseMigration {
            id,
            note: Some("it's the wrong window; sorry".into())
        }
    );
    assert_eq!(
        one("close migration mig_4k7qz2hd;"),
        Verb::CloseMigration { id, note: None }
    );
    assert_eq!(
        (one("show report"), one("SHOW GUARDS")),
        (Verb::ShowReport, Verb::ShowGuards)
    );
    assert_eq!(one("Show Logins"), Verb::ShowLogins);
    assert_eq!(Verb::ShowLogins.needs(), ConsoleRole::Viewer);
    assert_eq!(Verb::ShowReport.needs(), ConsoleRole::Viewer);
    assert_eq!(
        (one("reload"), one("SHUTDOWN")),
        (Verb::Reload, Verb::Shutdown)
    );
    assert_eq!(parse(" ;; "), Ok(vec![]));
    assert_eq!(
        parse("RELOAD; SHOW VERSION"),
        Ok(vec![Verb::Reload, Verb::ShowVersion])
    );
}

#[test]
fn an_opening_takes_its_clauses_in_any_order() {
    let opening = OpenMigration {
        phase: Some(Phase::Expand),
        database: "shop".into(),
        role: Some("migrator".into()),
        reason: "SHOP-298 order notes".into(),
        ttl: Some(Duration::from_secs(1800)),
    };
    assert_eq!(
        one(
            "OPEN MIGRATION DATABASE 'shop' ROLE 'migrator' REASON 'SHOP-298 order notes' PHASE expand TTL '30min'"
        ),
        Verb::OpenMigration(opening.clone())
    );
    assert_eq!(
        one(
            "open migration phase 'EXPAND' ttl 30min reason 'SHOP-298 order notes' role migrator database shop"
        ),
        Verb::OpenMigration(opening.clone())
    );
    assert_eq!(
        one("OPEN MIGRATION DATABASE shop REASON 'SHOP-298 order notes'"),
        Verb::OpenMigration(OpenMigration {
            phase: None,
            role: None,
            ttl: None,
            ..opening
        })
    );
}

#[test]
fn every_mistake_is_located() {
    assert_eq!(
        wrong("DROP TABLE orders"),
        ("syntax error at or near \"DROP\"".into(), 1)
    );
    assert_eq!(wrong("é SHOW"), ("syntax error at or near \"é\"".into(), 1));
    assert_eq!(
        wrong("SHOW 'VERSION'"),
        ("syntax error at or near \"VERSION\"".into(), 6)
    );
    assert_eq!(wrong("SHOW"), ("syntax error at end of input".into(), 5));
    assert_eq!(
        wrong("OPEN MIGRATION PHASE 'shrink'"),
        ("\"shrink\" is no phase".into(), 22)
    );
    assert_eq!(
        wrong("OPEN MIGRATION PHASE"),
        ("PHASE needs a value".into(), 21)
    );
    assert_eq!(
        wrong("SHOW VERSION RELOAD"),
        ("syntax error at or near \"RELOAD\"".into(), 14)
    );
    assert_eq!(
        wrong("RELOAD; 'é' x"),
        ("syntax error at or near \"é\"".into(), 9)
    );
    assert_eq!(
        wrong("CLOSE MIGRATION"),
        ("MIGRATION needs a value".into(), 16)
    );
    assert_eq!(
        wrong("CLOSE MIGRATION c_91"),
        ("\"c_91\" is no migration session".into(), 17)
    );
    assert_eq!(
        wrong("OPEN MIGRATION REASON 'x'"),
        ("OPEN MIGRATION needs DATABASE 'name'".into(), 26)
    );
    assert_eq!(
        wrong("OPEN MIGRATION DATABASE shop"),
        ("OPEN MIGRATION needs REASON 'why'".into(), 29)
    );
    assert_eq!(
        wrong("OPEN MIGRATION DATABASE shop REASON ' '"),
        ("REASON is empty".into(), 37)
    );
    assert_eq!(
        wrong("OPEN MIGRATION DATABASE shop REASON 'x\ny'"),
        ("REASON holds a control character".into(), 37)
    );
    assert_eq!(
        wrong("OPEN MIGRATION DATABASE shop DATABASE crm REASON x"),
        ("OPEN MIGRATION needs REASON 'why'".into(), 30)
    );
    assert_eq!(
        wrong("OPEN MIGRATION DATABASE shop REASON x TTL 30"),
        ("TTL \"30\" is not a duration".into(), 43)
    );
    assert_eq!(
        wrong("SHOW MIGRATION 'mig_4k7qz2hd"),
        ("unterminated quoted string".into(), 16)
    );
    assert_eq!(
        wrong(&"RELOAD;".repeat(17)).0,
        "more than 16 verbs in one text"
    );
    assert_eq!(
        wrong(&format!(
            "OPEN MIGRATION DATABASE {} REASON x",
            "d".repeat(64)
        ))
        .0,
        "DATABASE is longer than 63 bytes"
    );
}

#[test]
fn the_help_names_only_verbs_that_exist() {
    for (verb, _) in HELP {
        let example = verb.replace("id", "mig_4k7qz2hd").replace(['[', ']'], "");
        parse(&example).expect(verb);
    }
}
