//! A connection that fails says why; a password goes only to who has proved something; a way around is found.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use super::common::*;
use crate::support::{self, Login, Shared, Stack, StackOptions};

static SHOP: Shared = Shared::new();

/// The cause that a failed connection names.
fn cause(login: &Login, arguments: &[&str]) -> String {
    let said = doctor(login, &[arguments, &["--json"]].concat());
    assert_eq!(said.code, 2, "{said:?}");
    let error = &said.json()["error"];
    let cause = error["cause"]
        .as_str()
        .unwrap_or_else(|| panic!("no cause: {said:?}"));
    assert!(
        said.stderr.starts_with(&format!("portcullis: {cause}: ")),
        "{said:?}"
    );
    for field in ["message", "hint"] {
        let text = error[field].as_str().expect("a text");
        assert!(
            !text.is_empty() && !text.contains('\n') && !text.contains("pass word"),
            "{said:?}"
        );
    }
    cause.to_owned()
}

#[test]
fn a_connection_that_fails_names_its_cause() {
    let stack = SHOP.get(|| StackOptions {
        sql: format!(
            "{}CREATE ROLE retired NOLOGIN PASSWORD 'x';",
            support::fixture::SQL
        ),
        ..StackOptions::default()
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let direct = direct(&stack, "shop_acme");
    let proxy = stack.login("shop_acme", "shop");
    for login in [&login, &direct, &proxy] {
        let wrong = Login {
            password: "wrong".into(),
            ..login.clone()
        };
        assert_eq!(cause(&wrong, &[]), "secret", "{wrong:?}");
        let none = Login {
            password: String::new(),
            ..login.clone()
        };
        assert_eq!(cause(&none, &[]), "secret", "{none:?}");
        let nowhere = Login {
            database: "nowhere".into(),
            ..login.clone()
        };
        assert_eq!(cause(&nowhere, &[]), "database", "{nowhere:?}");
    }
    assert_eq!(cause(&login, &["host=nowhere.invalid"]), "host");
    assert_eq!(cause(&login, &["port=1"]), "port");
    assert_eq!(cause(&login, &["host=/nonexistent"]), "port");
    let http = format!("port={}", stack.http_port);
    assert_eq!(cause(&proxy, &[&http]), "port", "it speaks HTTP");
    let retired = Login {
        user: "retired".into(),
        password: "x".into(),
        ..direct.clone()
    };
    assert_eq!(cause(&retired, &[]), "user");
    assert_eq!(
        cause(&direct, &["sslmode=require sslrootcert="]),
        "sslmode",
        "it has no TLS"
    );
    assert_eq!(
        cause(&proxy, &["sslmode=disable"]),
        "sslmode",
        "it wants TLS"
    );
    assert_eq!(
        cause(&login, &["host=db.example.com hostaddr=127.0.0.1"]),
        "sslmode",
        "another name"
    );
    let other = support::tls::Authority::new(stack.directory(), "other");
    let ca = format!("sslrootcert={}", other.certificate().display());
    assert_eq!(cause(&login, &[&ca]), "sslmode", "another authority");
    assert_eq!(cause(&login, &["sslrootcert=/nonexistent"]), "sslmode");
}

/// TLS reads until a record is whole: with a limit for each read this one would hold the doctor for an hour.
#[test]
fn who_sends_a_byte_now_and_then_is_not_waited_for() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let drips = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("the doctor");
        socket.read_exact(&mut [0; 8]).expect("SSLRequest");
        let record = b"S\x16\x03\x03\x40\x00";
        socket.write_all(record).expect("sent");
        let pace = Some(Duration::from_millis(100));
        socket.set_read_timeout(pace).expect("a pace");
        let mut sent = 0;
        while sent < 300 {
            match socket.read(&mut [0; 4096]) {
                Ok(1..) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => match socket.write(b"\0") {
                    Ok(_) => sent += 1,
                    Err(_) => break,
                },
                _ => break,
            }
        }
        sent
    });
    let login = Login {
        host: "127.0.0.1".into(),
        port,
        user: "shop_acme".into(),
        password: "pass word".into(),
        database: "shop".into(),
        sslmode: "require",
        sslrootcert: "".into(),
    };
    assert_eq!(cause(&login, &["connect_timeout=2"]), "sslmode");
    assert!(drips.join().expect("it ended") < 300, "the doctor waited");
}

/// The seventh: logged in, and migration tools would fail all the same.
#[test]
fn advisory_locks_that_cannot_be_taken_are_a_finding() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..StackOptions::default()
    });
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    assert!(found(&examined(&login, &["--read-only"]), "advisory-locks").is_empty());
    stack.direct(
        "shop",
        "REVOKE EXECUTE ON FUNCTION pg_try_advisory_xact_lock(int, int) FROM PUBLIC",
    );
    let report = examined(&login, &["--read-only"]);
    let finding = found(&report, "advisory-locks")[0];
    stack.direct("shop", finding["sql"][0].as_str().expect("a statement"));
    assert!(found(&examined(&login, &["--read-only"]), "advisory-locks").is_empty());
}

#[test]
fn who_asks_for_no_password_is_noticed() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        pgbouncer: "auth_type = trust".to_owned(),
        ..StackOptions::default()
    });
    // PgBouncer has no password to give, so PostgreSQL must not ask either.
    let stranger = Login {
        password: String::new(),
        ..direct(&stack, "shop_acme")
    };
    let trust = "local all all trust\nhost all all 127.0.0.1/32 trust\n";
    admit(&stack, trust, || {
        doctor(&stranger, &["--read-only"]).code < 2
    });
    let admin = stack.login_at(stack.transaction_port, "pgbouncer_admin", "shop");
    for login in [admin, direct(&stack, "shop_acme")] {
        let trusting = Login {
            password: String::new(),
            ..login
        };
        let report = examined(&trusting, &["--read-only"]);
        assert_eq!(found(&report, "connection-trust").len(), 1, "{report}");
        assert_eq!(report["connection"]["authentication"], "none");
        let judged = found(&report, "pgbouncer-auth-type").len();
        assert_eq!(
            judged == 1,
            report["server"]["kind"] == "pgbouncer",
            "{report}"
        );
    }
}

/// A server that asks for less than SCRAM gets no password from the doctor.
#[test]
fn passwords_go_only_to_who_has_proved_something() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: "CREATE DATABASE shop; SET password_encryption = 'md5'; CREATE ROLE old_timer LOGIN PASSWORD 'x';".to_owned(),
        ..StackOptions::default()
    });
    let rules = "local all all trust\nhost all old_timer 127.0.0.1/32 md5\nhost all all 127.0.0.1/32 password\n";
    let cleartext = direct(&stack, "shop_acme");
    let refused = || {
        doctor(&cleartext, &[])
            .stderr
            .contains("has not proved who it is")
    };
    admit(&stack, rules, refused);
    let old_timer = Login {
        user: "old_timer".into(),
        password: "x".into(),
        ..direct(&stack, "shop_acme")
    };
    assert_eq!(cause(&old_timer, &[]), "secret");
    assert!(
        doctor(&old_timer, &[])
            .stderr
            .contains("asks for an MD5 password")
    );
    assert_eq!(cause(&cleartext, &[]), "sslmode");
}

#[test]
fn a_password_on_the_command_line_is_refused_before_anything_is_dialled() {
    for dsn in [
        "host=nowhere.invalid password=hunter2",
        "postgresql://me:hunter2@nowhere.invalid/shop",
    ] {
        let said = run(&[dsn], Vec::new());
        assert_eq!(said.code, 2, "{said:?}");
        assert!(
            said.stderr.contains("no password on the command line"),
            "{said:?}"
        );
        assert!(said.stderr.contains("~/.pgpass"), "{said:?}");
        assert!(!said.stderr.contains("hunter2"), "{said:?}");
    }
}

/// No way around Portcullis: nothing listens, or pg_hba.conf sends everybody away. Anything else is one.
#[test]
fn a_way_around_is_found() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        ..StackOptions::default()
    });
    let pgbouncer = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let postgresql = Login {
        sslmode: "prefer",
        ..direct(&stack, "shop_acme")
    };
    let proved = |login: &Login, arguments: &[&str]| {
        let said = doctor(login, &[&["--prove-closed"], arguments].concat());
        let json = doctor(login, &[&["--prove-closed", "--json"], arguments].concat());
        if said.code < 2 {
            assert_eq!(json.json()["closed"], said.code == 0, "{json:?}");
            let word = if said.code == 0 { "fine   " } else { "OPEN   " };
            assert!(said.stdout.starts_with(word), "{said:?}");
        }
        said.code
    };
    let wrong = Login {
        password: "wrong".into(),
        ..pgbouncer.clone()
    };
    for login in [&pgbouncer, &postgresql, &wrong] {
        assert_eq!(proved(login, &[]), 1, "{login:?}");
        assert_eq!(proved(login, &["port=1"]), 0, "{login:?}");
        assert_eq!(proved(login, &["host=nowhere.invalid"]), 2, "{login:?}");
    }
    admit(&stack, "local all all trust\n", || {
        proved(&postgresql, &[]) == 0
    });
    // Without TLS the line may only have asked for it.
    assert_eq!(proved(&postgresql, &["sslmode=disable"]), 1);
}
