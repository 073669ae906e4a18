use super::*;

const SCRAM: &str = "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

/// As Debian ships it, filled in.
const INI: &str = r#"
;; database name = connect string
[databases]
; shop on the same machine
shop = host=127.0.0.1 port=5432 dbname=shop_production pool_size=40 connect_query='select ''x'''
shop_figures = host=10.0.0.7 user=figures password='s3cret word' auth_user=asker
legacy = host=10.0.0.9 client_encoding=latin1 pool_mode=session frobnicate=1
* = host=testserver

[peers]
1 = host=/tmp/pgbouncer1
2 = host=/tmp/pgbouncer2

[users]
shop_api = pool_mode=transaction max_user_connections=40 max_user_client_connections=300
nobody = max_user_client_connections=3

[pgbouncer]
logfile = /var/log/postgresql/pgbouncer.log
pidfile = /var/run/postgresql/pgbouncer.pid
listen_addr = 10.1.2.3, 127.0.0.1
listen_port = 6432
unix_socket_dir = /var/run/postgresql
client_tls_sslmode = prefer
client_tls_key_file = tls/server.key
client_tls_cert_file = /etc/pgbouncer/tls/server.crt
client_tls_ciphers = secure
server_tls_sslmode = verify-full
server_tls_ca_file = /etc/pgbouncer/ca.crt
auth_type = scram-sha-256
auth_file = userlist.txt
auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename=$1
admin_users = postgres, boris
stats_users =
pool_mode = transaction
ignore_startup_parameters = extra_float_digits,geqo
max_client_conn = 2000
default_pool_size = 20
client_login_timeout = 30.0
max_prepared_statement = 100
"#;

struct Made {
    directory: tempfile::TempDir,
    result: Result<Answer, String>,
}

impl Made {
    fn text(&self, file: &str) -> String {
        let path = self.directory.path().join("out").join(file);
        std::fs::read_to_string(path).unwrap()
    }

    fn talk(&self) -> String {
        let talk = self.result.as_ref().unwrap().stderr.clone();
        talk.replace(&self.directory.path().display().to_string(), "")
    }

    /// What `portcullis check` would find.
    fn policy(&self) -> Policy {
        let path = self.directory.path().join("out/portcullis.toml");
        let config = Config::load(&path).unwrap();
        let policy = std::fs::read_to_string(&config.policy).unwrap();
        let (policy, _) = Policy::parse(&policy, "production.toml").unwrap();
        // What the PgBouncer of the example does not verify is carried over, and told.
        let mut problems = check_together(&config, &policy);
        problems.retain(|problem| !problem.message.contains("does not verify who answers"));
        assert_eq!(problems, Vec::new());
        policy
    }
}

fn made(ini: &str, users: &str, json: bool) -> Made {
    let directory = tempfile::tempdir().unwrap();
    let from = directory.path().join("pgbouncer.ini");
    std::fs::write(&from, ini).unwrap();
    if !users.is_empty() {
        std::fs::write(directory.path().join("userlist.txt"), users).unwrap();
    }
    let args = InitArgs {
        from,
        output: directory.path().join("out"),
        json,
    };
    let result = init(&args);
    Made { directory, result }
}

fn users() -> String {
    let md5 = "md50123456789abcdef0123456789abcdef";
    format!(
        "\"shop_api\" \"{SCRAM}\"\n\"it's \"\"me\"\"\" \"{SCRAM}\"\n\"old\" \"{md5}\"\n\"{}\" \"{SCRAM}\"\n",
        "x".repeat(64)
    )
}

#[test]
fn a_real_file_becomes_a_configuration_that_is_valid() {
    let made = made(INI, &users(), false);
    let path = made.directory.path().join("out/portcullis.toml");
    let config = Config::load(&path).unwrap();
    assert_eq!(config.listen.postgres.to_string(), "10.1.2.3:6433");
    assert_eq!(config.listen.max_client_conn, 2000);
    assert_eq!(config.transaction.hosts[0].to_string(), "10.1.2.3:6432");
    assert!(config.session.is_none());
    assert_eq!(config.limits.client_login_timeout.as_secs(), 30);
    let base = made.directory.path();
    assert_eq!(
        config.client_tls.key_file,
        Some(base.join("tls/server.key"))
    );
    assert_eq!(config.client_tls.sslmode, crate::config::SslMode::Allow);
    assert_eq!(config.server_tls.sslmode, crate::config::SslMode::Require);
    assert_eq!(config.auth.auth_file, base.join("userlist.txt"));
    let answer = made.result.as_ref().unwrap();
    let written = format!(
        "{0}/out/portcullis.toml\n{0}/out/policies/production.toml\n",
        base.display()
    );
    assert_eq!((answer.code, &answer.stdout), (0, &written));
}

#[test]
fn every_user_is_a_service_on_every_database_and_nothing_is_refused_that_need_not_be() {
    let made = made(INI, &users(), false);
    let policy = made.policy();
    assert!(policy.observes);
    let mut names: Vec<&str> = policy.logins.keys().map(|name| &**name).collect();
    names.sort_unstable();
    assert_eq!(names, ["it's \"me\"", "old", "shop_api"]);
    for login in policy.logins.values() {
        assert_eq!(login.kind, crate::policy::Kind::Service);
        let databases: Vec<&str> = login.databases.iter().map(|name| &**name).collect();
        assert_eq!(databases, ["shop", "shop_figures", "legacy"]);
    }
    assert_eq!(policy.logins["shop_api"].max_connections, Some(300));
    assert_eq!(policy.logins["old"].max_connections, None);
    let who = crate::cli::judged::who(&policy.into(), "shop_api", None).unwrap();
    for text in [
        "DROP TABLE orders",
        "DO 'x'",
        "SET ROLE x",
        "COPY t TO PROGRAM 'x'",
    ] {
        let steps = crate::cli::test::player::messages(text, false);
        let played = crate::cli::test::player::play(&who, crate::cli::judged::state(false), &steps);
        assert_eq!(played.refused_at, None, "{text}");
    }
}

#[test]
fn what_is_left_out_is_said_and_no_secret_is() {
    let made = made(INI, &users(), false);
    let talk = made.talk();
    for said in [
        "  pgbouncer.ini:16: nobody: max_user_client_connections: no such login, or not a number that fits\n",
        "  pgbouncer.ini:6: shop_figures: auth_user: verifiers are read from auth_file only\n",
        "  pgbouncer.ini:7: legacy: client_encoding: clients speak UTF8\n",
        "  pgbouncer.ini:7: legacy: pool_mode: a route has one pool_mode: give this database a PgBouncer of its own\n",
        "  pgbouncer.ini:7: legacy: frobnicate: this version does not know the setting\n",
        "  pgbouncer.ini:8: *: the policy names every database: add those that are reached through *\n",
        "  pgbouncer.ini:21: listen_addr: Portcullis listens on one address: 10.1.2.3\n",
        "  pgbouncer.ini:27: client_tls_ciphers: Portcullis speaks TLS 1.2 and 1.3",
        "  pgbouncer.ini:32: auth_query: verifiers are read from auth_file only",
        "  pgbouncer.ini:33: admin_users: give these people console",
        "  pgbouncer.ini:36: ignore_startup_parameters: PgBouncer drops geqo; Portcullis sets it once it enforces\n",
        "  pgbouncer.ini:40: max_prepared_statement: this version does not know the setting\n",
        "  /userlist.txt:3: user \"old\" has an md5 secret, which cannot be used for SCRAM; run SET password_encryption",
        ": it cannot be the name of a login\n",
        "  [peers]: PgBouncer's go on passing cancel requests on behind Portcullis, as they are; several Portcullis",
        "PgBouncer goes on with: connect_query, dbname, default_pool_size, host, logfile, ",
        "next:  portcullis check /out/portcullis.toml\n",
    ] {
        assert!(talk.contains(said), "{said}\n{talk}");
    }
    assert_eq!(talk.matches("[peers]:").count(), 1, "{talk}");
    for unsaid in [
        "s3cret",
        "SCRAM-SHA-256$",
        "stats_users",
        "server_tls_ca_file:",
    ] {
        assert!(!talk.contains(unsaid), "{unsaid}\n{talk}");
    }
}

#[test]
fn a_pooler_in_session_mode_is_both_routes() {
    let ini = "[databases]\nshop =\n[pgbouncer]\nlisten_addr = *\nlisten_port = 65535\nauth_file = userlist.txt\n";
    let made = made(ini, &format!("\"a\" \"{SCRAM}\"\n"), false);
    let policy = made.policy();
    assert_eq!(policy.logins["a"].route, crate::policy::RouteName::Session);
    let config = made.text("portcullis.toml");
    assert!(
        config.contains("postgres        = \"0.0.0.0:6433\""),
        "{config}"
    );
    assert_eq!(
        config.matches("hosts = [\"127.0.0.1:65535\"]").count(),
        2,
        "{config}"
    );
    assert!(
        config.contains(
            "[server_tls]    # towards PgBouncer, which offers no TLS\nsslmode = \"disable\""
        ),
        "{config}"
    );
    assert!(
        made.talk().starts_with("written; nothing is left out\n"),
        "{}",
        made.talk()
    );
}

#[test]
fn no_two_listeners_get_one_port() {
    for address in ["127.0.0.1", "*"] {
        for (pooler, postgres, http, why) in [
            (6432, 6433, 9632, None),
            (9630, 9631, 9632, None),
            (
                9631,
                9632,
                9633,
                Some("listen.http has port 9633: Portcullis listens for applications on 9632"),
            ),
            (
                9632,
                9633,
                9634,
                Some("listen.http has port 9634: PgBouncer has 9632"),
            ),
            (9633, 9634, 9632, None),
            (65535, 6433, 9632, None),
        ] {
            let ini = format!(
                "[databases]\nshop =\n[pgbouncer]\nlisten_addr = {address}\nlisten_port = {pooler}\nauth_file = userlist.txt\n"
            );
            let made = made(&ini, &users(), false);
            let path = made.directory.path().join("out/portcullis.toml");
            let listen = Config::load(&path).unwrap().listen;
            let ports = (listen.postgres.port(), listen.http.map(|http| http.port()));
            assert_eq!(ports, (postgres, Some(http)), "{pooler}");
            let (written, talk) = (made.text("portcullis.toml"), made.talk());
            let json = self::made(&ini, &users(), true).result.unwrap().stdout;
            let json: serde_json::Value = serde_json::from_str(&json).unwrap();
            match why {
                Some(why) => {
                    let (_, because) = why.split_once(": ").unwrap();
                    let moved = json!([{ "setting": "listen.http", "port": http, "why": because }]);
                    assert_eq!(json["moved"], moved);
                    assert!(
                        written.contains(&format!("/health/ready; {why}\n")),
                        "{written}"
                    );
                    assert!(talk.contains(&format!("\n{why}\n")), "{talk}");
                }
                None => {
                    assert_eq!(json["moved"], json!([]));
                    assert!(written.contains("/health/ready\n"), "{written}");
                    assert!(!talk.contains("listen.http"), "{talk}");
                }
            }
        }
    }
}

#[test]
fn how_many_clients_there_may_be_is_told_where_it_is_another_number() {
    for (written, becomes, why) in [
        ("2000", 2000, None),
        (
            "0",
            1,
            Some("Portcullis takes 1 to 1000000, and 1 is written: change listen.max_client_conn"),
        ),
        (
            "2000000",
            1_000_000,
            Some(
                "Portcullis takes 1 to 1000000, and 1000000 is written: change listen.max_client_conn",
            ),
        ),
        (
            "-1",
            100,
            Some("\"-1\" is not a number that fits; 100 is taken"),
        ),
    ] {
        let ini = INI.replace(
            "max_client_conn = 2000",
            &format!("max_client_conn = {written}"),
        );
        let made = made(&ini, &users(), false);
        let path = made.directory.path().join("out/portcullis.toml");
        let config = Config::load(&path).unwrap();
        assert_eq!(config.listen.max_client_conn, becomes, "{written}");
        let told = "  pgbouncer.ini:37: max_client_conn: ";
        let talk = made.talk();
        match why {
            Some(why) => assert!(talk.contains(&format!("{told}{why}\n")), "{talk}"),
            None => assert!(!talk.contains(told), "{talk}"),
        }
    }
}

#[test]
fn nothing_that_is_there_is_touched() {
    let made = made(INI, &users(), false);
    let args = InitArgs {
        from: made.directory.path().join("pgbouncer.ini"),
        output: made.directory.path().join("out"),
        json: false,
    };
    let config = args.output.join("portcullis.toml");
    std::fs::write(&config, "mine").unwrap();
    let why = init(&args).unwrap_err();
    assert!(
        why.ends_with("portcullis.toml is there already; nothing was written"),
        "{why}"
    );
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "mine");
    // One of two is enough to write neither.
    std::fs::remove_file(&config).unwrap();
    assert!(
        init(&args)
            .unwrap_err()
            .ends_with("production.toml is there already; nothing was written")
    );
    assert!(!config.exists());
}

#[test]
fn without_databases_users_or_a_file_it_is_said() {
    let empty = made(
        "[pgbouncer]\npool_mode = statement\nlisten_addr = db.example.com\nclient_tls_sslmode = require\n",
        "",
        false,
    );
    let talk = empty.talk();
    for said in [
        "  [databases]: no database is named",
        "  auth_file: there is none, and Portcullis needs one: make /userlist.txt\n",
        "  /userlist.txt: could not read the file: No such file or directory (os error 2): no logins are written\n",
        "  pgbouncer.ini:2: pool_mode: Portcullis keeps transactions together",
        "  pgbouncer.ini:3: listen_addr: \"db.example.com\" is not an address; Portcullis listens on 127.0.0.1\n",
        "  pgbouncer.ini:4: client_tls_sslmode: there is no client_tls_cert_file or no client_tls_key_file\n",
    ] {
        assert!(talk.contains(said), "{said}\n{talk}");
    }
    assert!(empty.policy().logins.is_empty());
    let broken = made("[databases\n", "", false);
    assert!(
        broken
            .result
            .unwrap_err()
            .ends_with("pgbouncer.ini:1: a section without its ]")
    );
    assert!(!broken.directory.path().join("out").exists());
}

#[test]
fn users_without_a_named_database_are_told() {
    const WHY: &str = ": no login is written, as no database is named: nobody can log in until the policy has a [login.NAME] for each\n";
    let ini = "[databases]\n* = host=db\n[pgbouncer]\nlisten_addr = 127.0.0.1\nauth_file = userlist.txt\n";
    let two = format!("\"ann\" \"{SCRAM}\"\n\"bob\" \"{SCRAM}\"\n");
    let few = made(ini, &two, false);
    assert!(few.policy().logins.is_empty());
    let talk = few.talk();
    assert!(talk.contains(&format!("  users ann, bob{WHY}")), "{talk}");
    let many: String = (10..22)
        .map(|number| format!("\"u{number}\" \"{SCRAM}\"\n"))
        .collect();
    let talk = made(ini, &many, false).talk();
    assert!(talk.contains(&format!(", u19 and 2 more{WHY}")), "{talk}");
    let named = made(&format!("{ini}[databases]\nshop =\n"), &two, false);
    assert!(!named.talk().contains("no login is written"));
}

#[test]
fn json_has_the_same() {
    let made = made(INI, &users(), true);
    let answer = made.result.as_ref().unwrap();
    let value: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(value["written"].as_array().map(Vec::len), Some(2));
    let lost = value["not_carried_over"].as_array().unwrap();
    assert!(
        lost.iter()
            .any(|lost| lost["setting"] == "pgbouncer.ini:32: auth_query"),
        "{lost:?}"
    );
    assert!(
        value["stays_in_pgbouncer"]
            .as_array()
            .unwrap()
            .contains(&"server_tls_sslmode".into())
    );
}
