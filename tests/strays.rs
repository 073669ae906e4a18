//! Two zones over one and the same server connection: nothing of one transaction reaches the next.

mod support;

use support::fixture::{POLICY, User, password};
use support::message::{
    self, Message, bind, column, execute, extended, failed, fine, kinds, parse,
};
use support::shared::VERSIONS;
use support::{Stack, StackOptions, Wire};

/// Both logins of the shop use one server role, and its pool has one connection.
fn start(number: usize) -> Stack {
    let (version, pooler) = VERSIONS[number];
    let globex = "[login.shop_globex]\n";
    let policy = POLICY.replace(globex, &format!("{globex}server_role = \"shop_acme\"\n"));
    assert_ne!(policy, POLICY);
    let chooser = "[login.chooser]\nkind = \"service\"\ndatabases = [\"shop\"]\nserver_role = \"shop_acme\"\n";
    let zones = "zone = { from = \"client\", values = [\"acme\", \"globex\"] }\n";
    let policy = format!("{policy}{chooser}{zones}");
    Stack::start(StackOptions {
        users: vec![User::new("chooser", &password("chooser"))],
        version,
        pooler,
        policy,
        pool_size: 1,
        keys: vec!["migrator", "shop_acme"],
        ..StackOptions::default()
    })
}

/// Small and repeatable: the sequence of xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How a client comes to its zone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is the login's.
    Login,
    /// It sets it for its session.
    Session,
    /// It sets it in each transaction.
    Each,
}

/// One client that runs transactions of random kinds.
struct Client {
    way: Way,
    wire: Wire,
    zone: &'static str,
    dice: Dice,
    written: usize,
    /// Its own `work_mem`, MB: kept by Portcullis, and set beside the zone.
    memory: u64,
}

impl Client {
    fn new(stack: &Stack, zone: &'static str, seed: u64, way: Way) -> Self {
        let login = match way {
            Way::Login => format!("shop_{zone}"),
            Way::Session | Way::Each => "chooser".to_owned(),
        };
        let mut client = Self {
            way,
            wire: Wire::login(&stack.login(&login, "shop")),
            zone,
            dice: Dice(seed * 0x9e37_79b9),
            written: 0,
            memory: 4 + seed,
        };
        fine(&client.run(&format!("SET work_mem = '{}MB'", client.memory)));
        // All of them call it so, and mean something else.
        let text = format!("SELECT DISTINCT tenant_id || ' {zone} {seed}' FROM orders");
        fine(&client.wire.batch(&parse("s", &text)));
        if way == Way::Session {
            client.choose();
        }
        client
    }

    /// For the session.
    fn choose(&mut self) {
        let zone = self.zone;
        match self.dice.below(3) {
            0 => fine(&self.run(&format!("SET app.tenant_id = '{zone}'"))),
            1 => fine(&self.run(&format!(
                "SELECT set_config('app.tenant_id', '{zone}', false)"
            ))),
            _ => {
                let text = "SELECT set_config('app.tenant_id', $1, false)";
                fine(&self.wire.batch(&extended(text, &[Some(zone)])))
            }
        };
    }

    /// Runs a statement in one of the two protocols, cut anywhere.
    fn run(&mut self, sql: &str) -> Vec<Message> {
        let bytes = match self.dice.below(2) {
            0 => message::query(sql),
            _ => [extended(sql, &[]), message::sync()].concat(),
        };
        self.cut(&bytes);
        self.wire.receive_until(b'Z')
    }

    /// Sends it in two pieces or whole.
    fn cut(&mut self, bytes: &[u8]) {
        let size = 1 + self.dice.below(2 * bytes.len() as u64) as usize;
        let (first, second) = bytes.split_at(size.min(bytes.len()));
        self.wire.send(first);
        if !second.is_empty() {
            self.wire.send(second);
        }
    }

    /// A transaction that sets its zone itself.
    fn own(&mut self) {
        // Before it does, nothing is answered.
        if self.dice.below(4) == 0 {
            let said = self.run("SELECT tenant_id FROM orders");
            assert_eq!(failed(&said), ("42501".into(), 'I'));
        }
        let text = "SELECT set_config('app.tenant_id', $1, true)";
        let any = "SELECT set_config($1, $2, true)";
        let name = Some("app.tenant_id");
        let literal = format!("SET LOCAL app.tenant_id = '{}'", self.zone);
        let told = format!("SELECT set_config($1, '{}', true)", self.zone);
        let set = match self.dice.below(4) {
            0 => extended(text, &[Some(self.zone)]),
            1 => extended(any, &[name, Some(self.zone)]),
            2 => extended(&told, &[name]),
            _ => extended(&literal, &[]),
        };
        let end = ["COMMIT", "ROLLBACK", "SELECT 1/0"][self.dice.below(3) as usize];
        let insert = format!("INSERT INTO orders (note) VALUES ('by {}')", self.zone);
        let seen = "SELECT DISTINCT tenant_id FROM orders";
        let look = [parse("", seen), bind("", "", &[]), execute("", 0)].concat();
        let all = [
            extended("BEGIN", &[]),
            set,
            extended(&insert, &[]),
            look,
            extended(end, &[]),
            message::sync(),
        ];
        self.cut(&all.concat());
        let answer = self.wire.receive_until(b'Z');
        let last = answer.iter().rfind(|message| message.kind == b'D');
        let last = last.expect("a row").row().remove(0);
        assert_eq!(last.as_deref(), Some(self.zone));
        match end {
            "COMMIT" => {
                assert_eq!(fine(&answer), 'I');
                self.written += 1;
            }
            "ROLLBACK" => assert_eq!(fine(&answer), 'I'),
            _ => {
                assert_eq!(failed(&answer), ("22012".into(), 'E'));
                fine(&self.run("ROLLBACK"));
            }
        }
    }

    fn insert(&mut self) -> usize {
        let sql = format!("INSERT INTO orders (note) VALUES ('by {}')", self.zone);
        let answer = self.run(&sql);
        assert!(matches!(fine(&answer), 'I' | 'T'));
        1
    }

    /// Every row that can be seen is of the own zone.
    fn look(&mut self) {
        let sql = "SELECT DISTINCT tenant_id || ' ' || current_setting('work_mem') FROM orders";
        let answer = self.run(sql);
        assert_eq!(
            column(&answer),
            [format!("{} {}MB", self.zone, self.memory)]
        );
    }

    /// So it is by a statement that was prepared once.
    fn prepared(&mut self) {
        let run = [bind("", "s", &[]), execute("", 0), message::sync()].concat();
        self.cut(&run);
        let said = column(&self.wire.receive_until(b'Z'));
        let zone = self.zone;
        assert_eq!(said, [format!("{zone} {zone} {}", self.memory - 4)]);
    }

    /// A batch whose first answer is asked for, and waited for, before the rest is sent.
    fn flushed(&mut self) {
        let sql = format!("INSERT INTO orders (note) VALUES ('by {}')", self.zone);
        self.cut(&[extended(&sql, &[]), message::flush()].concat());
        assert_eq!(kinds(&self.wire.receive_until(b'C')), "12C");
        let copy = "COPY (SELECT DISTINCT tenant_id FROM orders) TO STDOUT";
        self.cut(&[extended(copy, &[]), message::sync()].concat());
        let answer = self.wire.receive_until(b'Z');
        let rows = answer.iter().filter(|it| it.kind == b'd');
        let rows: Vec<_> = rows.map(|it| String::from_utf8_lossy(&it.body)).collect();
        assert_eq!(rows, [format!("{}\n", self.zone)], "{}", kinds(&answer));
        fine(&answer);
        self.written += 1;
    }

    fn transaction(&mut self) {
        match self.way {
            Way::Each => return self.own(),
            // From time to time anew, and once in a transaction that takes it back.
            Way::Session if self.dice.below(16) == 0 => self.choose(),
            Way::Session if self.dice.below(16) == 0 => {
                fine(&self.run("BEGIN"));
                fine(&self.run("SET app.tenant_id = 'acme'"));
                fine(&self.run("ROLLBACK"));
            }
            Way::Session | Way::Login => {}
        }
        match self.dice.below(10) {
            0 | 1 => self.written += self.insert(),
            2 => self.look(),
            3 => self.pipeline(),
            8 => self.prepared(),
            9 => self.flushed(),
            4 => {
                assert_eq!(failed(&self.run("SELECT 1/0")), ("22012".into(), 'I'));
            }
            end => {
                assert_eq!(fine(&self.run("BEGIN")), 'T');
                let written = self.insert();
                self.look();
                match end {
                    5 => {
                        fine(&self.run("ROLLBACK"));
                    }
                    6 => {
                        assert_eq!(failed(&self.run("SELECT nope")), ("42703".into(), 'E'));
                        fine(&self.run("ROLLBACK"));
                    }
                    _ => {
                        fine(&self.run("COMMIT"));
                        self.written += written;
                    }
                }
            }
        }
    }

    /// Three batches and a Query in one write.
    fn pipeline(&mut self) {
        let note = format!("INSERT INTO orders (note) VALUES ('by {}')", self.zone);
        let seen = "SELECT DISTINCT tenant_id FROM orders";
        let batch = |sql: &str| [extended(sql, &[]), message::sync()].concat();
        let sent = [
            batch(&note),
            batch(seen),
            batch(&note),
            message::query(seen),
        ];
        self.wire.send(&sent.concat());
        for expected in ["12CZ", "12DCZ", "12CZ", "TDCZ"] {
            let answer = self.wire.receive_until(b'Z');
            assert_eq!(kinds(&answer), expected);
            assert!(column(&answer).iter().all(|zone| *zone == self.zone));
        }
        self.written += 2;
    }
}

/// 1,000 transactions, two clients of each zone at once.
fn interleave(number: usize, ways: [Way; 4]) {
    let stack = start(number);
    let written: Vec<(&str, usize)> = std::thread::scope(|scope| {
        let clients = [("acme", 1), ("globex", 2), ("acme", 3), ("globex", 4)];
        let mut ways = ways.into_iter();
        let clients = clients.map(|(zone, seed)| (zone, seed, ways.next().unwrap_or(Way::Login)));
        let running: Vec<_> = clients
            .map(|(zone, seed, way)| {
                let stack = &stack;
                scope.spawn(move || {
                    let mut client = Client::new(stack, zone, seed, way);
                    (0..250).for_each(|_| client.transaction());
                    (zone, client.written)
                })
            })
            .into();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().expect("a client");
        running.into_iter().map(join).collect()
    });
    for zone in ["acme", "globex"] {
        let of_zone = written.iter().filter(|(of, _)| *of == zone);
        let expected: usize = of_zone.map(|(_, count)| count).sum();
        assert!(expected > 50, "the dice never wrote");
        let sql = format!(
            "SELECT count(*), count(*) FILTER (WHERE tenant_id <> '{zone}') FROM orders WHERE note = 'by {zone}'"
        );
        assert_eq!(stack.direct("shop", &sql), format!("{expected}|0\n"));
    }
    no_zone_is_left(&stack);
}

/// On the connection that all of them used, asked past Portcullis.
fn no_zone_is_left(stack: &Stack) {
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    let mut wire = Wire::login(&login);
    let answer = wire.query(
        "SELECT coalesce(current_setting('app.tenant_id', true), '') || current_setting('work_mem')",
    );
    assert_eq!(column(&answer), ["4MB"]);
    let left = wire.query("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'pc\\_%'");
    assert_eq!(column(&left), ["0"]);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_acme'";
    assert_eq!(
        stack.direct("shop", sessions),
        "1\n",
        "one connection was used"
    );
}

#[test]
fn no_row_strays_on_postgresql_15() {
    interleave(0, [Way::Login; 4]);
}

#[test]
fn no_row_strays_between_clients_that_choose_on_postgresql_15() {
    interleave(0, [Way::Session, Way::Session, Way::Each, Way::Each]);
    interleave(0, [Way::Session, Way::Each, Way::Login, Way::Session]);
}

#[test]
fn no_row_strays_on_postgresql_17() {
    interleave(1, [Way::Login; 4]);
}

#[test]
fn no_row_strays_between_clients_that_choose_on_postgresql_17() {
    interleave(1, [Way::Session, Way::Session, Way::Each, Way::Each]);
    interleave(1, [Way::Session, Way::Each, Way::Login, Way::Session]);
}

#[test]
fn no_row_strays_on_postgresql_18() {
    interleave(2, [Way::Login; 4]);
}

#[test]
fn no_row_strays_between_clients_that_choose_on_postgresql_18() {
    interleave(2, [Way::Session, Way::Session, Way::Each, Way::Each]);
    interleave(2, [Way::Session, Way::Each, Way::Login, Way::Session]);
}

fn injections(stack: &Stack) -> u64 {
    let (_, metrics) = stack.http_get("/metrics");
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("portcullis_zone_injections_total"));
    let value = |line: &str| {
        line.rsplit(' ')
            .next()
            .and_then(|value| value.parse::<u64>().ok())
    };
    lines.filter_map(value).sum()
}

#[test]
fn pings_get_no_injection() {
    for number in 0..VERSIONS.len() {
        pings(&start(number));
    }
}

fn pings(stack: &Stack) {
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    let empty = [
        ("IZ", message::query("")),
        ("IZ", message::query(" -- only a comment")),
        ("IZ", message::query(";;")),
        ("Z", message::sync()),
        ("1Z", [message::parse("", ""), message::sync()].concat()),
        ("12IZ", [extended("", &[]), message::sync()].concat()),
        ("CZ", message::query("BEGIN")),
        ("CZ", message::query("COMMIT")),
    ];
    let before = injections(stack);
    for (expected, sent) in empty {
        wire.send(&sent);
        assert_eq!(kinds(&wire.receive_until(b'Z')), expected);
    }
    assert_eq!(injections(stack), before);
    fine(&wire.query("SELECT 1"));
    assert_eq!(
        injections(stack),
        before + 1,
        "it is this figure that counts"
    );
}

#[test]
fn no_cursor_gives_rows_of_one_zone_to_the_other() {
    for number in 0..VERSIONS.len() {
        cursors(&start(number));
    }
}

fn cursors(stack: &Stack) {
    let login = |zone: &str| Wire::login(&stack.login(&format!("shop_{zone}"), "shop"));
    let (mut acme, mut globex) = (login("acme"), login("globex"));
    let declare = "DECLARE kept CURSOR WITH HOLD FOR SELECT tenant_id FROM orders";
    for answer in [acme.query(declare), acme.batch(&extended(declare, &[]))] {
        assert_eq!(failed(&answer), ("0A000".into(), 'I'));
    }
    let answer = globex.query("FETCH ALL FROM kept");
    assert_eq!(failed(&answer), ("34000".into(), 'I'));
    // One that ends with its transaction passes.
    fine(&acme.query("BEGIN"));
    fine(&acme.query(&declare.replace("WITH HOLD", "")));
    let seen = column(&acme.query("FETCH ALL FROM kept"));
    assert!(!seen.is_empty() && seen.iter().all(|zone| zone == "acme"));
    fine(&acme.query("COMMIT"));
}

/// Session mode keeps the server connection: the zone is set for each transaction all the same.
#[test]
fn a_zone_holds_on_the_session_route() {
    let acme = "[login.shop_acme]\n";
    for (version, pooler) in VERSIONS {
        on_the_session_route(&Stack::start(StackOptions {
            version,
            pooler,
            policy: POLICY.replace(acme, &format!("{acme}route = \"session\"\n")),
            ..StackOptions::default()
        }));
    }
}

fn on_the_session_route(stack: &Stack) {
    let login = stack.login("shop_acme", "shop");
    let mut wire = Wire::login(&login);
    let seen = "SELECT DISTINCT tenant_id FROM orders";
    for _ in 0..2 {
        fine(&wire.query("INSERT INTO orders (note) VALUES ('session')"));
        assert_eq!(column(&wire.batch(&extended(seen, &[]))), ["acme"]);
        let set = "SET app.tenant_id = 'globex'";
        assert_eq!(failed(&wire.query(set)).0, "42501");
        for sql in ["RESET ALL", "DISCARD ALL"] {
            fine(&wire.query(sql));
            assert_eq!(column(&wire.query(seen)), ["acme"], "{sql}");
        }
    }
    let used = stack.session.log();
    assert!(used.contains("shop/shop_acme"), "it is the session pool");
    let written = "SELECT DISTINCT tenant_id FROM orders WHERE note = 'session'";
    assert_eq!(stack.direct("shop", written), "acme\n");
}
