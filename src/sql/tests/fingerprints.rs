//! Fingerprints.

use super::super::{
    Depth, Fingerprint, NotAFingerprint, describe, describe_at, fingerprint, weight,
};

#[test]
fn all_of_its_bytes_are_told_and_read_again() {
    let one = fingerprint(b"drop table t");
    let told = one.to_string();
    assert_eq!(told.len(), 2 * Fingerprint::BYTES);
    assert_eq!(told.parse(), Ok(one));
    let zeros = Fingerprint::new([0; 16]);
    assert_eq!(zeros.to_string().parse(), Ok(zeros));
    // Whoever can make two with the same beginning gains nothing.
    let mut other = told.clone();
    other.replace_range(31.., if told.ends_with('0') { "1" } else { "0" });
    assert_ne!(other.parse(), Ok(one));
    assert_eq!(
        told[..12].parse::<Fingerprint>(),
        Err(NotAFingerprint::Short)
    );
    for text in [
        "",
        &told[1..],
        &told.to_uppercase(),
        &format!("{told}0"),
        &format!("+{}", &told[1..]),
    ] {
        assert_eq!(
            text.parse::<Fingerprint>(),
            Err(NotAFingerprint::Other),
            "{text}"
        );
    }
}

#[test]
fn constants_case_and_comments_do_not_matter() {
    let same = [
        "delete from t where a = 1 and b in (1, 2, 3)",
        "DELETE  FROM t WHERE a=$1 AND b IN ('x') -- why",
        "delete from T where a = E'\\'' and b in (0x1F, $2)",
    ];
    assert!(
        same.iter()
            .all(|text| fingerprint(text.as_bytes()) == fingerprint(same[0].as_bytes()))
    );
    assert_eq!(
        fingerprint(b"drop table t").to_string(),
        fingerprint(b"drop/**/table\nT").to_string()
    );
}

#[test]
fn names_and_operators_matter() {
    let texts: [&[u8]; 6] = [
        b"drop table t",
        b"drop table u",
        b"drop table \"T\"",
        b"drop view t",
        b"drop table t, u",
        b"\xff",
    ];
    for (n, one) in texts.iter().enumerate() {
        assert!(
            texts[n + 1..]
                .iter()
                .all(|other| fingerprint(one) != fingerprint(other)),
            "{n}"
        );
    }
}

#[test]
fn passwords_are_no_part_of_it() {
    for text in [
        "create user view password 'P'",
        "alter role rule password 'P'",
        "create user mapping for function server s options (password 'P')",
        "create subscription view connection 'P' publication p",
    ] {
        let with = |password| fingerprint(text.replace('P', password).as_bytes());
        assert_eq!(with("a"), with("b"), "{text}");
        // Then they name two statements, and no exception can be for either.
        assert!(with("a").is_masked(), "{text}");
    }
}

#[test]
fn what_leaves_out_more_than_it_may_is_masked() {
    for text in [
        "create role r password 'a'",
        "CREATE USER r ENCRYPTED PASSWORD 'a'",
        "alter group g rename to h; alter user r password $$a$$",
        "select 1; alter role r set search_path = 'a'",
        "alter role all set work_mem = 10",
        "alter database d set session_preload_libraries = 'a'",
        "create subscription s connection 'host=a' publication p",
        "alter subscription s connection 'host=a'",
        "create server s foreign data wrapper w options (host 'a')",
        "alter server s options (set host 'a')",
        "create user mapping for r server s options (password 'a')",
        "alter user mapping for r server s options (set password 'a')",
        "create foreign data wrapper w options (a 'b')",
        "create foreign table f (n int) server s options (program 'a')",
        "alter foreign table f options (set program 'a')",
        "alter table f options (set program 'a')",
        "alter table f alter n options (column_name 'a')",
        "import foreign schema s from server v into t options (a 'b')",
        "alter system set primary_conninfo = 'password=a'",
        "alter system set \"primary_conninfo\" to 'password=a'",
        "/* */ create /* */ role r -- \n password 'a'",
        "create role r password U&'!0061' uescape '!'",
    ] {
        assert!(fingerprint(text.as_bytes()).is_masked(), "{text}");
    }
    for text in [
        "create role r login",
        "grant r to s",
        "drop role r",
        "drop user mapping for r server s",
        "alter subscription s disable",
        "alter server s owner to r",
        "create database d",
        "create table t (n int default 1, s text default 'a')",
        "create index i on t (n) where s = 'a'",
        "create table role (options text default 'a')",
        "comment on role r is 'a'",
        "alter system set archive_command = 'a'",
        "delete from t where password = 'a'",
        "do $$ begin perform 1; end $$",
        "vacuum t",
    ] {
        assert!(!fingerprint(text.as_bytes()).is_masked(), "{text}");
    }
}

#[test]
fn no_exception_can_be_written_for_a_masked_one() {
    let masked = fingerprint(b"create role r password 'a'");
    let told = masked.to_string();
    assert!(told.ends_with("-masked") && told.len() == 39, "{told}");
    assert_eq!(told.parse::<Fingerprint>(), Err(NotAFingerprint::Masked));
    // Whoever leaves the mark out has another fingerprint.
    let digits = told.strip_suffix("-masked").expect("a mark");
    assert_ne!(digits.parse(), Ok(masked));
    for text in [
        "-masked",
        &format!("{}-masked", &digits[1..]),
        &format!("{told}-masked"),
    ] {
        assert_eq!(
            text.parse::<Fingerprint>(),
            Err(NotAFingerprint::Other),
            "{text}"
        );
    }
    // In the facts, too, and for the message as a whole.
    let facts = describe(b"vacuum t; create role r password 'a'");
    assert!(facts.fingerprint().is_some_and(Fingerprint::is_masked));
}

#[test]
fn code_matters() {
    let different = [
        "do $$ begin perform 1; end $$",
        "do $$ begin perform 2; end $$",
        "do language plpgsql $$ begin perform 1; end $$",
        "select 1; do $$ begin perform 2; end $$",
        "select 1; do $$ begin perform 3; end $$",
        "create function f() returns int language sql as 'select 1'",
        "create function f() returns int language sql as 'select 2'",
        "create or replace function f() returns int language sql as 'select 2'",
        "create or replace procedure f() language sql as 'select 3'",
        "alter system set archive_command = 'cp %p /a'",
        "alter system set archive_command = 'rm -rf /'",
        "load 'auto_explain'",
        "load '/tmp/evil.so'",
        "call run('select 1')",
        "call run('drop table x')",
        "create policy p on t using (a = 'acme')",
        "create policy p on t using (a = 'globex')",
        "alter function f() set search_path = 'a'",
        "alter function f() set search_path = 'b'",
        "create materialized view v as select 'a'",
        "create materialized view v as select 'b'",
        "create or replace temp view v as select 'a'",
        "create or replace temp view v as select 'b'",
        "create function f() returns int begin atomic select 1; select 'a'; end",
        "create function f() returns int begin atomic select 1; select 'b'; end",
        "create rule r as on insert to t do also (select 1; select 'a')",
        "create rule r as on insert to t do also (select 1; select 'b')",
        "create schema s create view v as select 'a'",
        "create schema s create view v as select 'b'",
        "create publication p for table t where (a = 'a')",
        "create publication p for table t where (a = 'b')",
        "create tablespace s location '/a'",
        "create tablespace s location '/b'",
        "create view v as select * from t where n = 1",
        "create view v as select * from t where n = 2",
        "create view v as select * from t where n in (1, 2)",
        "explain analyze create materialized view v as select 'a'",
        "explain analyze create materialized view v as select 'b'",
        "alter system set fsync = 0",
        "alter system set fsync = 1",
        "security label on table t is 'a'",
        "security label on table t is 'b'",
        "do U&'!0061' uescape '!'",
        "do U&'!0061' uescape '+'",
        "call run('a', 1)",
        "call run('a')",
        "delete from t where a = 1 and b ? 'x'",
        "delete from t where a = 1 and b 2 'x'",
        "drop table U&\"!0061\" uescape '!'",
        "drop table U&\"!0061\" uescape '+'",
        "create constraint trigger t after insert on o execute function f('a')",
        "create constraint trigger t after insert on o execute function f('b')",
    ];
    let names: std::collections::HashSet<String> = different
        .iter()
        .map(|text| fingerprint(text.as_bytes()).to_string())
        .collect();
    assert_eq!(names.len(), different.len());
    // Behind the code constants are constants again, and case and comments never matter.
    for (one, other) in [
        ("do $$ x $$; select 1", "DO /* now */ $$ x $$; select 2"),
        ("call nightly(20260101)", "call nightly(20260102)"),
        (
            "create temp table t as select * from o where id = 17",
            "create temp table t as select * from o where id = 18",
        ),
        (
            "create table t (n int default 1)",
            "create table t (n int default 2)",
        ),
        ("create role r password 'a'", "create role r password 'b'"),
    ] {
        assert_eq!(
            fingerprint(one.as_bytes()),
            fingerprint(other.as_bytes()),
            "{one}"
        );
    }
}

#[test]
fn facts_carry_it_when_a_refusal_is_possible() {
    for text in [
        "drop table t",
        "set a = 1",
        "select set_config('a', 'b', true)",
        "selct",
        "/*",
        "copy t from stdin",
    ] {
        assert_eq!(
            describe(text.as_bytes()).fingerprint(),
            Some(fingerprint(text.as_bytes())),
            "{text}"
        );
    }
    assert_eq!(describe(b"select 1").fingerprint(), None);
}

#[test]
fn taken_when_it_is_asked_for_it_is_the_same() {
    let list = ["7"; 2000].join(", ");
    for text in [
        "begin",
        "select a, 'x' from \"T\" where b in (1, 2, $3) -- why",
        "insert into t (a, b) values (1, 2)",
        "declare c cursor for select 1; fetch 5 from c",
        "explain analyze select f(1); show all",
        &format!("select a from t where b = {list}"),
        &format!("update t set a = 1 where b in ({list})"),
        // At once, as on the surface.
        "update t set a = 1",
        "drop table t",
        "create role r password 'a'",
        "selct",
    ] {
        let named = describe_at(text.as_bytes(), Depth::Names);
        let untouched = named.clone();
        let wanted = Some(fingerprint(text.as_bytes()));
        assert!(named.fingerprint.is_some(), "{text}");
        assert_eq!(named.fingerprint(), wanted, "{text}");
        assert_eq!(named.fingerprint(), wanted, "{text}");
        assert_eq!(named.clone().fingerprint(), wanted, "{text}");
        assert_eq!(untouched, named, "{text}");
        assert_eq!(
            format!("{:?}", untouched.fingerprint),
            format!("{wanted:?}")
        );
    }
}

#[test]
fn a_text_that_is_kept_for_it_counts() {
    let text = format!("select {} from t", ["a"; 300].join(", "));
    let [surface, named] = [Depth::Surface, Depth::Names].map(|depth| {
        let mut facts = describe_at(text.as_bytes(), depth);
        facts.statements.clear();
        weight(&facts)
    });
    assert!(named >= surface + text.len(), "{named} {surface}");
}

#[test]
fn no_spelling_of_a_secret_is_part_of_it() {
    let spelled = [
        "hunter2",
        "other",
        "\"Hunter2\"",
        "'a'",
        "a, 'b'",
        "a, on",
        "-1",
        "U&\"a\" uescape '!'",
    ];
    for (text, masked) in [
        ("set app.encryption_key = P", false),
        ("select 1; set local app.key to P; select a", false),
        ("set encryption_key = P", false),
        ("alter role x set app.encryption_key = P", true),
        ("alter user x in database d set app.key to P", true),
        ("alter database d set app.key = P", true),
        ("alter system set app.key = P", true),
        ("alter system set \"primary_connINFO\" = P", true),
        ("alter system set ssl_passphrase_command = P", true),
        ("alter function f() set app.key = P", true),
        (
            "create function f() returns int set app.key = P language sql as 'select 1'",
            true,
        ),
        (
            "create procedure f() set app.key = P begin atomic select 1; end",
            true,
        ),
    ] {
        let with = |value| fingerprint(text.replace('P', value).as_bytes());
        for value in spelled {
            assert_eq!(with(value), with("'x'"), "{text} {value}");
        }
        assert_eq!(with("a").is_masked(), masked, "{text}");
        assert_ne!(with("a"), with("default"), "{text}");
    }
    for text in [
        "alter role x password P",
        "create user x password P login",
        "alter role x with encrypted password P; select P",
    ] {
        let with = |value| fingerprint(text.replace('P', value).as_bytes());
        for value in [
            "hunter2",
            "\"hunter2\"",
            "‘hunter2’",
            "“a b”",
            "= 'a'",
            "'it's b'",
            "a; b",
        ] {
            assert_eq!(with(value), with("a"), "{text} {value}");
            assert!(with(value).is_masked(), "{text} {value}");
        }
    }
}

#[test]
fn what_is_no_secret_is_part_of_it() {
    let different = [
        "set search_path = a",
        "set search_path = b",
        "set enable_seqscan = on",
        "set enable_seqscan = off",
        "set app.flag = on",
        "set app.flag = off",
        "set app.other = a",
        "set wal_compression = a",
        "set wal_compression = b",
        "set role = a",
        "set role = b",
        "alter system set wal_level = logical",
        "alter system set wal_level = minimal",
        "alter function f() set work_mem = '1MB'",
        "alter function f() set work_mem = '2MB'",
        "alter function f() set search_path = a",
        "alter function f() set search_path = b",
        // Behind the value.
        "create function f() returns int set app.key = a language sql as 'select 1'",
        "create function f() returns int set app.key = a language sql as 'select 2'",
        "create function f() returns int set app.key = a stable language sql as 'select 2'",
        "create function f() returns int set app.key = a set app.other = a language sql as 'select 2'",
        "set app.key = a; select b",
        "set app.key = a; select c",
    ];
    let names: std::collections::HashSet<String> = different
        .iter()
        .map(|text| fingerprint(text.as_bytes()).to_string())
        .collect();
    assert_eq!(names.len(), different.len());
}

#[test]
fn those_in_policies_stay_what_they_are() {
    for (text, told) in [
        ("set app.key = 'a'", "48e076f6c81087a78525914759a1d865"),
        (
            "set app.flags = on, off",
            "06823a73e9c2adad43fe99679646ad6d",
        ),
        ("set search_path = a, b", "3bcd7e46a69e8e37f7dc24e926a64a1a"),
        (
            "set enable_seqscan = off",
            "e1461e9373bbe8dc28f8a2fc4961d06f",
        ),
        ("set work_mem = 5", "5da83b90474991c0e3b685885edfa557"),
        (
            "set application_name = a",
            "4f9012ef7ed2bd8faf0afc02ece5c304",
        ),
        (
            "set log_min_duration_statement = -1",
            "5b30795fe3e0dcb87486e5e764cb09b2",
        ),
        ("set local role = a", "0c31e1048cc3b912215dc10ca30ebac1"),
        (
            "alter system set archive_command = 'cp'",
            "740b08f58853c50a8b3d8110df8dee08",
        ),
        (
            "alter system set wal_level = logical",
            "a0f7d051021afbbb40c788d590c22366",
        ),
        (
            "alter system set primary_conninfo = 'a'",
            "6fee0b6411f2de24f4efe391ea54995f-masked",
        ),
        (
            "alter role x set app.key = 'a'",
            "f69bcd7fcc77b1ad1edf7abc22d9f301-masked",
        ),
        (
            "alter role x set search_path = a",
            "50bab70842759104661e42d3898503e7",
        ),
        (
            "alter role x password 'a' valid until 'b'",
            "07a080228cbc2a6f1a4e965bbbeb3bc7-masked",
        ),
        (
            "alter database d set tablespace a",
            "bad7e2a910dba425d485801ff315fb63",
        ),
        (
            "alter function f() set search_path = 'a'",
            "a0936b9e237895172971f1d0f5c00f0b",
        ),
        (
            "alter function f() set work_mem = '1MB'",
            "5abc021bdef45655f88d0e409577d5d5",
        ),
        (
            "create function f() returns int set search_path from current language sql as 'select 1'",
            "e3c01ea77a11914e1b8a5602a0ca52ff",
        ),
        (
            "create table t (password text)",
            "5def229afa2f5c1d7741e07cd3b0dc64",
        ),
        (
            "create user mapping for r server password options (user 'a')",
            "66b5aa1d0b3f4081aab88a0d120f3cf2-masked",
        ),
        (
            "update t set password = b",
            "54d595343d39c39fb1f549c564b22089",
        ),
    ] {
        assert_eq!(fingerprint(text.as_bytes()).to_string(), told, "{text}");
    }
}
