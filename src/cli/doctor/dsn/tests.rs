use super::*;

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Dsn, DsnError> {
    Dsn::read(text, &|name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn read(text: &str) -> Dsn {
    read_with(text, &[("USER", "me")]).unwrap()
}

#[test]
fn keywords_and_uris_say_the_same() {
    for text in [
        "host=db.example.com port=6432 dbname=shop user=doctor sslmode=require connect_timeout=5",
        "host = 'db.example.com'  port='6432' dbname = shop\tuser=doc\\tor sslmode=require connect_timeout=5",
        "postgresql://doctor@db.example.com:6432/shop?sslmode=require&connect_timeout=5",
        "postgres://db.example.com/shop?user=doctor&port=6432&ssl=true&connect_timeout=5",
        "postgresql:///s%68op?host=db.example.com&port=6432&user=doctor&sslmode=require&connect_timeout=5",
    ] {
        let dsn = read(text);
        assert_eq!(
            (&*dsn.host, dsn.port, &*dsn.database, &*dsn.user),
            ("db.example.com", 6432, "shop", "doctor"),
            "{text}"
        );
        assert_eq!(dsn.sslmode, Mode::Require, "{text}");
        assert_eq!(dsn.connect_timeout, Duration::from_secs(5), "{text}");
    }
}

#[test]
fn values_may_be_quoted() {
    let dsn = read(r"user='o\'neil \\ co' dbname='a b' application_name=''  options='-c jit=off'");
    assert_eq!(dsn.user, r"o'neil \ co");
    assert_eq!(dsn.database, "a b");
    assert_eq!(dsn.application_name, "portcullis doctor");
    assert_eq!(dsn.options.as_deref(), Some("-c jit=off"));
    assert_eq!(read("postgresql://[::1]:7000/x").address(), "[::1]:7000");
    assert_eq!(
        read("postgresql://%2Frun%2Fpg/x").address(),
        "/run/pg/.s.PGSQL.5432"
    );
}

#[test]
fn what_is_missing_comes_from_the_environment_and_libpqs_defaults() {
    let variables = [
        ("PGHOST", "pooler"),
        ("PGPORT", "6432"),
        ("PGUSER", "doctor"),
        ("PGDATABASE", "shop"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/etc/ca.crt"),
        ("PGPASSWORD", "secret"),
        ("PGCONNECT_TIMEOUT", "1"),
    ];
    let dsn = read_with("", &variables).unwrap();
    assert_eq!(dsn.address(), "pooler:6432");
    assert_eq!((&*dsn.user, &*dsn.database), ("doctor", "shop"));
    assert_eq!(dsn.sslmode, Mode::VerifyFull);
    assert_eq!(dsn.sslrootcert, Some(PathBuf::from("/etc/ca.crt")));
    assert_eq!(dsn.connect_timeout, Duration::from_secs(2));
    assert_eq!(dsn.password.as_ref().map(Password::text), Some("secret"));
    assert!(!format!("{dsn:?}").contains("secret"));
    assert_eq!(
        read_with("port=1 host=h", &variables).unwrap().address(),
        "h:1"
    );
    let dsn = read("host=h");
    assert_eq!(
        (dsn.port, &*dsn.database, dsn.sslmode),
        (5432, "me", Mode::Prefer)
    );
    assert_eq!(read("shop").database, "shop");
}

#[test]
fn a_ca_makes_require_verify_as_in_libpq() {
    let mode = |text: &str| read(text).sslmode;
    assert_eq!(mode("host=h sslmode=require"), Mode::Require);
    assert_eq!(
        mode("host=h sslmode=require sslrootcert=/ca"),
        Mode::VerifyCa
    );
    assert_eq!(mode("host=h sslmode=prefer sslrootcert=/ca"), Mode::Prefer);
}

#[test]
fn what_cannot_be_used_is_refused_with_a_hint() {
    for (text, message) in [
        ("password=x", "no password on the command line"),
        ("postgresql://me:x@h/d", "no password on the command line"),
        (
            "postgresql://h/d?password=x",
            "no password on the command line",
        ),
        ("host=h port=0", "invalid port \"0\""),
        ("host=h port=6432,6433", "invalid port \"6432,6433\""),
        ("host=a,b", "several hosts in one connection string"),
        ("host=h sslmode=tls", "invalid sslmode \"tls\""),
        (
            "host=h sslmode=verify-full",
            "sslmode verify-full needs the CA's certificate",
        ),
        (
            "host=h sslmode=verify-ca sslrootcert=system",
            "sslrootcert=system is not supported",
        ),
        ("host=h hots=x", "invalid connection option \"hots\""),
        (
            "service=shop host=h",
            "connection option \"service\" is not supported",
        ),
        (
            "host h=x",
            "missing \"=\" after \"host\" in the connection string",
        ),
        (
            "host='h",
            "a quoted value in the connection string does not end",
        ),
        (
            "postgresql://[::1/d",
            "missing \"]\" after the IPv6 address in the URI",
        ),
        (
            "postgresql://h/%zz",
            "invalid percent-encoded text in the URI",
        ),
        (
            "postgresql://h/%00",
            "invalid percent-encoded text in the URI",
        ),
        ("postgresql://h/d?x", "missing \"=\" after \"x\" in the URI"),
        ("connect_timeout=soon", "invalid connect_timeout \"soon\""),
    ] {
        let error = read_with(text, &[("USER", "me")]).expect_err(text);
        assert_eq!(error.message, message, "{text}");
        assert!(!error.hint.is_empty());
    }
    assert_eq!(
        read_with("host=h", &[]).expect_err("nobody").message,
        "no user: neither USER nor LOGNAME is set, and this process has no account"
    );
    let named = read_with("host=h", &[("USER", ""), ("LOGNAME", "me")]);
    assert_eq!(named.unwrap().user, "me");
}

fn with_file(text: &str, mode: u32, dsn: &str) -> Dsn {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join(".pgpass");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    let home = directory.path().to_str().unwrap();
    read_with(dsn, &[("HOME", home)]).unwrap()
}

#[test]
fn the_password_file_is_read_as_libpq_reads_it() {
    let text = "# notes\nother:*:*:*:no\nh:6432:shop:doctor:a\\:b\\\\c d\n*:*:*:*:last\n";
    let found = |dsn: &str| {
        let password = with_file(text, 0o600, dsn).password;
        password.map(|password| password.text().to_owned())
    };
    assert_eq!(
        found("host=h port=6432 dbname=shop user=doctor").as_deref(),
        Some("a:b\\c d")
    );
    assert_eq!(
        found("host=h port=6432 dbname=app user=doctor").as_deref(),
        Some("last")
    );
    let open = with_file(text, 0o640, "host=h user=x");
    assert_eq!(open.password, None);
    assert!(open.passfile_problem.unwrap().contains("chmod 0600"));
    let socket = with_file("localhost:*:*:x:s\n", 0o600, "host=/tmp user=x");
    assert_eq!(socket.password.as_ref().map(Password::text), Some("s"));
    let short = with_file("h:5432:x\n", 0o600, "host=h user=x");
    assert_eq!((short.password, short.passfile_problem), (None, None));
}

#[test]
fn only_this_machine_is_local() {
    for (host, local) in [
        ("/run/postgresql", true),
        ("localhost", true),
        ("127.0.0.9", true),
        ("::1", true),
        ("10.0.0.1", false),
        ("db.example.com", false),
    ] {
        assert_eq!(read(&format!("host={host}")).is_local(), local, "{host}");
    }
}
