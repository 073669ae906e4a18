//! What is counted of what an enforcing policy would do beside refusing.

use super::*;

const CHOOSES: &str = "zone = { from = \"client\", values = [\"acme\", \"globex\"] }";
const IDLE: &[u8] = b"Z\0\0\0\x05I";
const OPEN: &[u8] = b"Z\0\0\0\x05T";
const FAILED: &[u8] = b"Z\0\0\0\x05E";

impl Connection {
    /// What is told of `sent`, which the server answers so.
    fn tells(&mut self, sent: &[u8], answer: &[u8]) -> String {
        assert!(self.client(sent, usize::MAX) == sent);
        assert!(self.server(answer, usize::MAX) == answer);
        self.counting.told()
    }

    fn tells_of(&mut self, text: &str, answer: &[u8]) -> String {
        self.tells(&query(text), answer)
    }
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    put(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

fn bind(name: &str, values: &[&str]) -> Vec<u8> {
    let mut body = format!("\0{name}\0\0\0").into_bytes();
    body.extend((values.len() as u16).to_be_bytes());
    for value in values {
        body.extend((value.len() as u32).to_be_bytes());
        body.extend(value.as_bytes());
    }
    body.extend([0, 0]);
    [&put(b'B', &body)[..], &put(b'E', b"\0\0\0\0\0")].concat()
}

#[test]
fn a_zone_is_foreseen_once_for_each_transaction() {
    let mut connection = Connection::new(false);
    for (text, answer, told) in [
        ("select 1", IDLE, "zone"),
        ("select 1", IDLE, "zone"),
        ("begin", OPEN, ""),
        ("select 1", OPEN, "zone"),
        ("select 1", OPEN, ""),
        ("commit", IDLE, ""),
        ("begin; select 1", OPEN, "zone"),
        ("selec", FAILED, ""),
        ("select 1", FAILED, ""),
        ("rollback", IDLE, ""),
        ("", IDLE, ""),
        // It would be refused: nothing would be set for it.
        ("create table t (id int)", IDLE, ""),
        ("select 1", IDLE, "zone"),
    ] {
        assert_eq!(connection.tells_of(text, answer), told, "{text}");
    }
    // By the extended protocol: when it is bound.
    let prepared = [parse("s", "select 1"), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&prepared, IDLE), "unnamed");
    let runs = [bind("s", &[]), bind("s", &[]), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&runs, IDLE), "zone");
    let ahead = [&runs[..], &runs, &query("begin"), &runs, &runs].concat();
    let ready = [IDLE, IDLE, OPEN, OPEN, OPEN].concat();
    assert_eq!(connection.tells(&ahead, &ready), "zone zone zone");
    let closed = [put(b'C', b"Ss\0"), bind("s", &[]), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&closed, OPEN), "unknown-name");
}

#[test]
fn other_forms_are_foreseen() {
    let plain = POLICY.replace("zone = \"acme\"\n", "");
    let plain = plain.replace(
        "databases = [\"shop\"]\n[login",
        "databases = [\"other\"]\n[login",
    );
    let mut connection = Connection::of(&plain, false);
    assert_eq!(connection.tells_of("select 1", IDLE), "");
    assert_eq!(
        connection.tells_of("set timezone to 'UTC'", IDLE),
        "set-local"
    );
    assert_eq!(connection.tells_of("select 1", IDLE), "parameters");
    assert_eq!(connection.tells_of("set local timezone to 'UTC'", IDLE), "");
    assert_eq!(connection.tells_of("reset all", IDLE), "");
    assert_eq!(connection.tells_of("select 1", IDLE), "");
    let text = "select set_config('work_mem', '1MB', false)";
    let sent = [parse("", text), bind("", &[]), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&sent, IDLE), "set-local");
    assert_eq!(connection.tells_of("deallocate s", IDLE), "unknown-name");
    let named = [parse("s", "select 1"), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&named, IDLE), "parameters unnamed");
    assert_eq!(
        connection.tells_of("deallocate s", IDLE),
        "parameters deallocate"
    );
}

#[test]
fn a_zone_that_the_client_sets_itself_is_followed() {
    let chooses = POLICY.replace("zone = \"acme\"", CHOOSES);
    let mut connection = Connection::of(&chooses, false);
    let objections = |connection: &mut Connection, text: &str| {
        let before = connection.counting.objections.get();
        let told = connection.tells_of(text, IDLE);
        (connection.counting.objections.get() - before, told)
    };
    // It has none: an enforcing policy would refuse that.
    assert_eq!(objections(&mut connection, "select 1"), (1, String::new()));
    let prepared = [parse("s", "select 1"), bind("s", &[]), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&prepared, IDLE), "unnamed zone-required");
    let (none, told) = objections(&mut connection, "set app.tenant_id = 'acme'");
    assert_eq!((none, &*told), (0, "set-local"));
    assert_eq!(objections(&mut connection, "select 1"), (0, "zone".into()));
    let runs = [bind("s", &[]), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&runs, IDLE), "zone");
    // Bound with one that is not granted.
    let sets = parse("z", "select set_config('app.tenant_id', $1, true)");
    connection.tells(&[sets, SYNC.to_vec()].concat(), IDLE);
    for (zone, told) in [("globex", "zone"), ("evil", "zone-not-granted")] {
        let sent = [bind("z", &[zone]), SYNC.to_vec()].concat();
        assert_eq!(connection.tells(&sent, IDLE), told, "{zone}");
    }
    // And for how long.
    let sets = parse("h", "select set_config('app.tenant_id', $1, $2)");
    connection.tells(&[sets, SYNC.to_vec()].concat(), IDLE);
    for (zone, local, told) in [
        ("globex", "t", "zone"),
        ("globex", "f", "zone"),
        ("evil", "t", "zone-not-granted"),
        ("evil", "f", "zone-not-granted"),
        ("acme", "maybe", "zone-parameter"),
    ] {
        let sent = [bind("h", &[zone, local]), SYNC.to_vec()].concat();
        assert_eq!(connection.tells(&sent, IDLE), told, "{zone} {local}");
    }
}

#[test]
fn what_a_pooled_connection_refuses_beside_the_guards_is_foreseen() {
    let off = format!("{POLICY}[guards]\nsession-state = \"off\"\n");
    let mut connection = Connection::of(&off, false);
    assert_eq!(
        connection.tells_of("prepare p as select 1", IDLE),
        "zone-parameter"
    );
    assert_eq!(connection.tells_of("execute p", IDLE), "zone-parameter");
    assert_eq!(connection.tells_of("deallocate all", IDLE), "zone");
    for (text, told) in [
        ("begin; select 1; commit", "zone"),
        ("select 1; begin; select 2; commit", "zone"),
        ("set transaction read only; select 2", "zone-required"),
        ("select 1; select 2", "zone"),
    ] {
        assert_eq!(connection.tells_of(text, IDLE), told, "{text}");
    }
    let long = query(&"x".repeat(MAX + 1));
    assert_eq!(connection.tells(&long, IDLE), "statement-bounds");
    let fits = query(&format!("select '{}'", "x".repeat(MAX - 9)));
    assert_eq!(connection.tells(&fits, IDLE), "zone");
}

/// Names cost memory, and a client can give many.
#[test]
fn what_is_known_of_names_is_bounded() {
    let mut connection = Connection::new(false);
    for name in 0..5000 {
        let sent = [parse(&name.to_string(), "select 1"), SYNC.to_vec()].concat();
        connection.tells(&sent, IDLE);
    }
    // Nobody can tell any more who is unknown.
    let runs = [bind("never", &[]), SYNC.to_vec()].concat();
    assert_eq!(connection.tells(&runs, IDLE), "");
}
