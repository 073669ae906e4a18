use super::*;

fn query(text: &str) -> (String, Vec<Move>) {
    let facts = describe(text.as_bytes());
    let mut out = Vec::new();
    let sent = put_query(&mut out, b"", text.as_bytes(), &facts, &Says::default());
    (String::from_utf8(out).unwrap(), sent.moves)
}

/// Behind a RESET the server may read a backslash in `'...'` as an escape.
#[test]
fn what_is_said_behind_a_reset_is_the_same_with_and_without_escapes() {
    for (text, wanted) in [
        ("o'ff", "'o''ff'"),
        ("", "''"),
        (r"\',false),f()--", r"$p0$\',false),f()--$p0$"),
        (r"\ $p0$", r"$p1$\ $p0$$p1$"),
        (r"\ $p0", r"$p1$\ $p0$p1$"),
        (r"\", r"$p0$\$p0$"),
        (r"\$p1$p0$p", r"$p2$\$p1$p0$p$p2$"),
        (
            r"\$p0x$p99999999999999999999$",
            r"$p0$\$p0x$p99999999999999999999$$p0$",
        ),
    ] {
        assert_eq!(quoted(text), wanted);
    }
}

#[test]
fn a_reset_returns_to_the_startup_packet_at_once() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let record = Record::new(&[pair("jit", "o'ff")], &[pair("timezone", "UTC")]);
    for (text, sent) in [
        (
            "RESET jit -- c",
            "SET   LOCAL jit TO DEFAULT;select pg_catalog.set_config('jit','o''ff',true) -- c",
        ),
        (
            "SET TIME ZONE LOCAL;",
            "SET LOCAL TIME ZONE LOCAL;select pg_catalog.set_config('timezone','UTC',false);",
        ),
        (
            "RESET ALL",
            "RESET ALL;select pg_catalog.set_config('jit','o''ff',true),pg_catalog.set_config('timezone','UTC',false)",
        ),
        (
            "/* a */RESET\"timezone\"",
            "/* a */SET   LOCAL\"timezone\" TO DEFAULT;select pg_catalog.set_config('timezone','UTC',false)",
        ),
        (
            "reset Time Zone",
            "SET   LOCAL Time Zone DEFAULT;select pg_catalog.set_config('timezone','UTC',false)",
        ),
        (
            "set session jit = default",
            "set LOCAL   jit = default;select pg_catalog.set_config('jit','o''ff',true)",
        ),
        (
            "set local jit to default",
            "set local jit to default;select pg_catalog.set_config('jit','o''ff',true)",
        ),
        ("RESET work_mem", "RESET work_mem"),
        ("DISCARD ALL", "DISCARD ALL"),
    ] {
        let facts = describe(text.as_bytes());
        let mut out = Vec::new();
        let says = Says {
            record: Some(&record),
            ..Says::default()
        };
        let said = put_query(&mut out, b"", text.as_bytes(), &facts, &says);
        assert_eq!(String::from_utf8(out).unwrap(), sent);
        assert_eq!(said.behind, [usize::from(text != sent)]);
    }
}

#[test]
fn null_returns_to_the_startup_packet() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let record = Record::new(&[pair("jit", "o'ff")], &[pair("timezone", "UTC")]);
    for (text, sent) in [
        (
            "select set_config('JIT', NULL::text, false) where x",
            "select set_config('JIT', coalesce(NULL::text,'o''ff'), true ) where x",
        ),
        (
            "select set_config('timezone', cast($1 as text), false), set_config('jit', $2, false)",
            "select set_config('timezone', coalesce(cast($1 as text),'UTC'), true ), set_config('jit', coalesce($2,'o''ff'), true )",
        ),
        (
            "select set_config('jit', null, true), set_config('work_mem', null, false), set_config('jit', 'on', false)",
            "select set_config('jit', null, true), set_config('work_mem', null, true ), set_config('jit', 'on', true )",
        ),
    ] {
        let facts = describe(text.as_bytes());
        let mut out = Vec::new();
        let all = Keeps::All;
        let says = Says {
            keeps: all,
            record: Some(&record),
            ..Says::default()
        };
        put_query(&mut out, b"", text.as_bytes(), &facts, &says);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(out.split(";select").next(), Some(sent));
    }
}

#[test]
fn a_query_is_sent_in_its_local_form_with_a_question_behind_each_statement() {
    for (text, sent) in [
        ("SET x = 1 -- c", "SET LOCAL x = 1;SHOW \"x\" -- c"),
        ("SET\"x\"=1", "SET LOCAL\"x\"=1;SHOW \"x\""),
        (
            "set Session App.X to 'é';",
            "set LOCAL   App.X to 'é';SHOW \"app\".\"x\";",
        ),
        (
            "SET x = 1; SET LOCAL y = 2; SELECT 1",
            "SET LOCAL x = 1;SHOW \"x\"; SET LOCAL y = 2; SELECT 1",
        ),
        (
            "select set_config('a', 'b', FALSE), set_config('c.d', $$e$$, /**/false)",
            "select set_config('a', 'b', true ), set_config('c.d', $$e$$, /**/true );select pg_catalog.current_setting('a',true);select pg_catalog.current_setting('c.d',true)",
        ),
        (
            "SET TIME ZONE 'UTC'",
            "SET LOCAL TIME ZONE 'UTC';SHOW \"timezone\"",
        ),
        (
            "set session characteristics as transaction read only",
            "set LOCAL session characteristics as transaction read only;SHOW \"default_transaction_read_only\"",
        ),
        (
            "SET jit = U&'!006fff' /* c */ uescape -- d\n'!' ; SELECT 1",
            "SET LOCAL jit = U&'!006fff' /* c */ uescape -- d\n'!';SHOW \"jit\" ; SELECT 1",
        ),
        (
            "SET jit = U&\"off\"; UNLISTEN uescape",
            "SET LOCAL jit = U&\"off\";SHOW \"jit\"; UNLISTEN uescape",
        ),
        (
            "select set_config('a', $1, ($2)::bool), set_config('c', 'd', false), $2",
            "select set_config('a', $1, ($2)::bool), set_config('c', 'd', false), $2",
        ),
        (
            "select set_config('a', $1, ($2)::bool /**/ ), set_config('c', 'd', false)",
            "select set_config('a', $1, (true or ($2)::bool) /**/ ), set_config('c', 'd', true );select pg_catalog.current_setting('a',true);select pg_catalog.current_setting('c',true)",
        ),
        (
            "select set_config('a', set_config('c', 'd', $1), $2--",
            "select set_config('a', set_config('c', 'd', $1), $2--",
        ),
        (
            "select set_config('a', set_config('c', 'd', $1), $2)",
            "select set_config('a', set_config('c', 'd', (true or $1)), (true or $2));select pg_catalog.current_setting('a',true);select pg_catalog.current_setting('c',true)",
        ),
        (
            "select set_config('jit', null, false), set_config('a', $1::text, false)",
            "select set_config('jit', null, true ), set_config('a', $1::text, true );select pg_catalog.current_setting('jit',true);select pg_catalog.current_setting('a',true)",
        ),
        // Nothing that is kept.
        (
            "SET client_encoding = 'UTF8'",
            "SET client_encoding = 'UTF8'",
        ),
        ("RESET x", "RESET x"),
        ("SET x TO DEFAULT", "SET x TO DEFAULT"),
        (
            "SET local.x = 1",
            "SET LOCAL local.x = 1;SHOW \"local\".\"x\"",
        ),
        (
            "SET session.x = 1",
            "SET LOCAL session.x = 1;SHOW \"session\".\"x\"",
        ),
    ] {
        assert_eq!(query(text).0, sent);
    }
}

#[test]
fn where_the_zone_alone_is_kept_a_query_sets_the_rest_for_the_session() {
    let keeps = Keeps::Only("app.zone");
    for (text, sent) in [
        (
            "select set_config('a', 'b', false), set_config('App.Zone', 'c', false), set_config('d', 'e', true), set_config('f', 'g', false)",
            "select set_config('a', 'b', false), set_config('App.Zone', 'c', true ), set_config('d', 'e', true), set_config('f', 'g', false);select pg_catalog.current_setting('app.zone',true)",
        ),
        (
            "set app.zone = 'a'; set b = 'c'",
            "set LOCAL app.zone = 'a';SHOW \"app\".\"zone\"; set b = 'c'",
        ),
        (
            "select set_config('a', 'b', false)",
            "select set_config('a', 'b', false)",
        ),
    ] {
        let facts = describe(text.as_bytes());
        let mut out = Vec::new();
        let says = Says {
            keeps,
            ..Says::default()
        };
        put_query(&mut out, b"", text.as_bytes(), &facts, &says);
        assert_eq!(String::from_utf8(out).unwrap(), sent);
    }
}

#[test]
fn positions_are_those_of_the_clients_text() {
    let text = "SET x = 'é'; SELECT nothing";
    let (sent, moves) = query(text);
    let place = |text: &str, word: &str| {
        let at = text.find(word).unwrap();
        text[..at].chars().count() as u32 + 1
    };
    for word in ["SET", "x =", "SELECT", "nothing"] {
        assert_eq!(
            moved(&moves, place(&sent, word)),
            Some(place(text, word)),
            "{word}"
        );
    }
    assert_eq!(moved(&moves, place(&sent, "SHOW")), None);
    assert_eq!(moved(&moves, place(&sent, "LOCAL")), None);
}

#[test]
fn what_cannot_be_said_for_one_transaction_has_no_local_form() {
    for text in [
        "select set_config('a', 'b', $1 or false)",
        "declare c cursor for select set_config('a', 'b', $1)",
        "prepare p as select set_config('a', 'b', $1)",
        "explain analyze select set_config('a', 'b', $1)",
        "select set_config('a', 'b', 'f' || '')",
        "select set_config('a', 'b', null)",
        "select set_config('a', 'b', 0)",
        "select set_config('a', 'b', 'f'::own)",
        "select set_config('a', 'b', false or false)",
        "declare c cursor for select set_config('a', 'b', false)",
        "prepare p as select set_config('a', 'b', false)",
        "explain analyze select set_config('a', 'b', false)",
        "select set_config('a', 'b', false), set_config('c', 'd', 1 = 2)",
    ] {
        let facts = describe(text.as_bytes());
        assert!(facts.statements[0].details.localized.is_none(), "{text}");
    }
}

#[test]
fn what_is_inserted_in_a_parse_moves_what_stands_behind_it() {
    let text = "select 'é', set_config('jit', $1, $2), '€', set_config('jit', null, false), x";
    let facts = describe(text.as_bytes());
    let rewrites = rewrites(&facts.statements[0], Keeps::All, |_| Some("é"));
    let mut sent = Vec::new();
    put_rewritten(&mut sent, text.as_bytes(), &rewrites);
    let sent = String::from_utf8(sent).unwrap();
    let moves = moves(text.as_bytes(), &rewrites).expect("something is inserted");
    let place = |text: &str, of: &str| {
        let (before, _) = text.split_once(of).expect("it is there");
        before.chars().count() as u32 + 1
    };
    for of in ["select", "$1", "$2", "'€'", "null", ", x"] {
        let position = place(&sent, of);
        assert_eq!(moved(&moves, position), Some(place(text, of)), "{sent}");
    }
    for of in ["coalesce($1", "or $2", "'é'), (true"] {
        assert_eq!(moved(&moves, place(&sent, of)), None, "{of}: {sent}");
    }
    let same = &rewrites[..0];
    assert_eq!(super::moves(text.as_bytes(), same), None);
}
