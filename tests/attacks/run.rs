//! One attack after the other: proven without Portcullis, gone with it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::data::{Attack, Family, Only};
use super::evidence::{self, Evidence};
use super::script;
use crate::support::files::give_to_server;
use crate::support::message::{self, Message};
use crate::support::{
    Pooler, Stack, StackOptions, Transport, User, Version, Wire, fixture, password,
};

/// An over-privileged application: owner of its schema, may create roles and databases, is a member
/// of a role that sees all rows, and reads files and runs programs. shop_root is a superuser.
const PRIVILEGES: &str = include_str!("fixture.sql");

/// A server that needs longer has been held up.
const LONG: Duration = Duration::from_millis(200);

/// Takes back what most attacks make.
const UNDO: &str = include_str!("undo.sql");

/// Where an attack runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    /// Without Portcullis.
    Proof,
    Simple,
    Extended,
}

/// A family's stack, and what it looks like untouched.
pub struct Range<'f> {
    family: &'f Family,
    stack: Stack,
    /// The superuser's connections: to `postgres` and to the database.
    control: Wire,
    inside: Wire,
    untouched: Evidence,
    /// What each login finds then.
    clean: HashMap<String, Evidence>,
    files: PathBuf,
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub attacks: usize,
    pub runs: usize,
    pub pending: usize,
}

/// Says which attack it was when something gives up in its middle.
struct NameInPanic<'a>(&'a Attack);

impl Drop for NameInPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("during: {}", self.0.name());
        }
    }
}

/// Runs a family; panics with every attack that went wrong.
pub fn family(family: &Family, (version, pooler): (Version, Pooler)) -> Count {
    let mut range = Range::start(family, version, pooler);
    let not_here = match version {
        Version::Pg15 => Only::Newer,
        _ => Only::Older,
    };
    let mut count = Count::default();
    let mut wrong = Vec::new();
    for attack in family
        .attacks
        .iter()
        .filter(|attack| attack.only != Some(not_here))
    {
        let _name = NameInPanic(attack);
        count.attacks += 1;
        count.pending += usize::from(attack.pending.is_some());
        match range.attack(attack) {
            Ok(runs) => count.runs += runs,
            Err(problem) => wrong.push(format!("{} {}\n    {problem}", attack.name(), attack.why)),
        }
    }
    println!("{}: {count:?}, {} wrong", family.name, wrong.len());
    assert!(
        count.attacks > 0,
        "{}: no attack on {version:?}",
        family.name
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    count
}

impl<'f> Range<'f> {
    fn start(family: &'f Family, version: Version, pooler: Pooler) -> Self {
        let mut root = User::new("shop_root", &password("shop_root"));
        root.attributes = "SUPERUSER".into();
        // shop_root is a superuser and shop_acme owns a table, so that nothing else stands in their way.
        let login = "\n[login.shop_root]\nkind = \"service\"\ndatabases = [\"shop\"]\nzone = \"acme\"\nfast_path = [\"large-objects\"]\n\n[guards]\nserver-role = \"off\"\n[guards.parameters]\nceilings = { statement_timeout = \"15min\", idle_in_transaction_session_timeout = \"10min\", work_mem = \"64MB\", max_parallel_workers_per_gather = \"4\" }\n[guards.append-only]\nrelations = [\"public.journal\"]\n";
        let denied = match family.denies_nothing {
            true => "",
            false => "[guards.denied-relations]\nservice = [\"public.cards\"]\n",
        };
        let policy = match family.chosen {
            None if family.session => {
                let own = "zone = \"acme\"\nroute = \"session\"";
                fixture::POLICY.replacen("zone = \"acme\"", own, 1)
            }
            None => fixture::POLICY.to_owned(),
            Some(zone) => {
                let chosen = format!("zone = {{ from = \"client\", values = [\"{zone}\"] }}");
                fixture::POLICY.replacen("zone = \"acme\"", &chosen, 1)
            }
        };
        let stack = Stack::start(StackOptions {
            users: vec![root],
            // The next client gets the connection that the attacker had.
            pool_size: 1,
            sql: format!("{}{PRIVILEGES}{}", fixture::SQL, family.fixture),
            policy: format!("{policy}{login}{denied}{}", family.policy),
            postgresql: vec![
                ("max_prepared_transactions", "4"),
                ("wal_level", "logical"),
                ("allow_in_place_tablespaces", "on"),
            ],
            version,
            pooler,
            ..StackOptions::default()
        });
        let files = stack.file("files");
        std::fs::create_dir(&files).expect("a directory for files");
        give_to_server(&files);
        let mut control = evidence::superuser(&stack, "postgres");
        recreate(&mut control);
        let mut inside = evidence::superuser(&stack, "shop");
        let untouched = evidence::durable(&mut inside, "");
        Self {
            family,
            stack,
            control,
            inside,
            untouched,
            clean: HashMap::new(),
            files,
        }
    }

    /// The proof, then both protocols; how many runs through Portcullis there were.
    fn attack(&mut self, attack: &Attack) -> Result<usize, String> {
        let (difference, answers) = self.leg(attack, Leg::Proof)?;
        let effect = self.filled(attack.effect.as_deref().unwrap_or_default());
        if !difference.iter().any(|line| line.contains(&effect)) {
            let errors = refusals(&answers);
            return Err(format!(
                "not proven: no {effect:?} in {difference:#?}, errors: {errors:?}"
            ));
        }
        let mut runs = 0;
        for leg in [Leg::Simple, Leg::Extended] {
            let only = attack.simple_only == Some(true) || !attack.messages.is_empty();
            if only && leg == Leg::Extended {
                continue;
            }
            runs += 1;
            let (difference, answers) = self.leg(attack, leg)?;
            let found = difference.iter().any(|line| line.contains(&effect));
            if attack.pending.is_some() {
                if !found {
                    return Err(format!(
                        "{leg:?}: pending, but it has no effect any more: {:?}",
                        refusals(&answers)
                    ));
                }
                continue;
            }
            if !difference.is_empty() {
                return Err(format!(
                    "{leg:?}: IT SUCCEEDS: {difference:#?}, refused by {:?}",
                    refusals(&answers)
                ));
            }
            // Who may choose may set its own zone, and back; other zones are another guard's.
            if let Some(guard) = attack
                .refused
                .as_ref()
                .filter(|_| self.family.chosen.is_none())
                && !refusals(&answers)
                    .iter()
                    .any(|(found, words)| found == guard || words.starts_with(guard))
            {
                return Err(format!(
                    "{leg:?}: not refused by {guard}: {:?}",
                    refusals(&answers)
                ));
            }
        }
        Ok(runs)
    }

    /// Runs the attack, compares, and restores what it has changed.
    fn leg(&mut self, attack: &Attack, leg: Leg) -> Result<(Vec<String>, Vec<Message>), String> {
        if !attack.setup.is_empty() {
            // What a role or database has as its default is read by new connections only.
            self.end_connections()?;
            for statement in self.filled(&attack.setup).split("; ") {
                evidence::asked(&mut self.inside, statement);
            }
        }
        let bystander = attack.probe.contains("'bystander'").then(|| {
            let login = self
                .stack
                .login_at(self.stack.cluster.port, "shop_globex", "shop");
            Wire::login_with(
                &login,
                Transport::Plain,
                &[("application_name", "bystander")],
            )
        });
        let user = attack.login.as_deref().unwrap_or("shop_acme");
        let as_always = attack.setup.is_empty() && attack.probe.is_empty();
        let before = match self.clean.get(user).filter(|_| as_always) {
            Some(known) => known.clone(),
            None => self.evidence(attack, leg, user),
        };
        if as_always {
            self.clean.insert(user.to_owned(), before.clone());
        }
        let start = Instant::now();
        let answers = self.run(attack, leg, user);
        let time = start.elapsed();
        let mut after = self.evidence(attack, leg, user);
        drop(bystander);
        if leg == Leg::Proof && time > LONG {
            after.insert("the server was held up".into());
        }
        if let Ok(answers) = &answers {
            after.extend(evidence::seen(answers));
        }
        let difference: Vec<String> = before.symmetric_difference(&after).cloned().collect();
        if !(difference.is_empty() && as_always) {
            self.restore(attack)?;
        }
        Ok((difference, answers?))
    }

    fn evidence(&mut self, attack: &Attack, leg: Leg, user: &str) -> Evidence {
        let port = match leg {
            Leg::Simple | Leg::Extended if self.family.session => self.stack.session_port,
            _ => self.stack.transaction_port,
        };
        let left = evidence::left(&self.stack, port, user);
        let mut all = evidence::durable(&mut self.inside, &attack.probe);
        all.extend(left);
        all.extend(evidence::files(&self.files));
        all
    }

    fn run(&self, attack: &Attack, leg: Leg, user: &str) -> Result<Vec<Message>, String> {
        let port = match leg {
            Leg::Proof if attack.direct => self.stack.cluster.port,
            Leg::Proof => self.stack.transaction_port,
            Leg::Simple | Leg::Extended => self.stack.port,
        };
        let transport = match leg {
            Leg::Proof => Transport::Plain,
            _ => Transport::SslRequest,
        };
        let login = self.stack.login_at(port, user, "shop");
        let own = self.family.chosen.filter(|_| user == "shop_acme");
        let own = own.filter(|_| leg != Leg::Proof && attack.startup.is_empty());
        let startup = attack.startup.iter();
        let startup: Vec<(&str, &str)> = startup
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(own.map(|zone| ("app.tenant_id", zone)))
            .collect();
        let mut wire = match Wire::try_login(&login, transport, &startup) {
            Ok(wire) => wire,
            Err(error) if leg != Leg::Proof => return Ok(vec![error]),
            Err(error) => return Err(format!("{leg:?}: no login: {error:?}")),
        };
        let mut answers = Vec::new();
        if !attack.messages.is_empty() {
            let lines: Vec<String> = attack
                .messages
                .iter()
                .map(|line| self.filled(line))
                .collect();
            answers.extend(script::run(&mut wire, &lines));
        }
        for text in attack.sql.all() {
            let text = self.filled(&text);
            let text = if attack.bytes {
                text.chars().map(|c| c as u8).collect()
            } else {
                text.into_bytes()
            };
            wire.send(&sent(&text, leg));
            answers.extend(wire.receive_until(b'Z'));
            if answers.last().is_some_and(|last| last.kind != b'Z') {
                break;
            }
        }
        match answers.last() {
            Some(last) if last.kind == b'Z' => {}
            _ => return Err(format!("{leg:?}: the connection ended: {answers:?}")),
        }
        if leg == Leg::Proof {
            return Ok(answers);
        }
        // The connection goes on, whatever was refused.
        let end = answers.last().expect("an answer").transaction();
        if end != 'I' {
            message::fine(&wire.query("ROLLBACK"));
        }
        let usable = wire.query("SELECT 'still here'");
        if message::column(&usable) != ["still here"] {
            let (errors, before) = (refusals(&usable), refusals(&answers));
            return Err(format!(
                "{leg:?}: of no use any more: {errors:?} behind {before:?}"
            ));
        }
        Ok(answers)
    }

    /// `@files` is the directory for files, `@port` the port of PostgreSQL.
    fn filled(&self, text: &str) -> String {
        text.replace("@files", &self.files.display().to_string())
            .replace("@port", &self.stack.cluster.port.to_string())
            .replace("@socket", &self.stack.cluster.socket.display().to_string())
            // In a connection string that is an SQL string.
            .replace("@password", &password("shop_acme").replace('\'', r"\''"))
    }

    /// Ends the pool's connections to the server.
    fn end_connections(&mut self) -> Result<(), String> {
        const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname IS NOT NULL AND usename <> 'postgres' AND backend_type = 'client backend'";
        let deadline = Instant::now() + Duration::from_secs(20);
        while !message::column(&evidence::asked(&mut self.control, END)).is_empty() {
            if Instant::now() > deadline {
                return Err("connections do not end".into());
            }
        }
        Ok(())
    }

    /// Ends the pool's connections and puts back what is not as it was.
    fn restore(&mut self, attack: &Attack) -> Result<(), String> {
        self.end_connections()?;
        for entry in std::fs::read_dir(&self.files).expect("files").flatten() {
            std::fs::remove_file(entry.path()).expect("remove a file");
        }
        // What is not there cannot be undone; the comparison below decides.
        for statement in attack.undo.split(';').filter(|text| !text.is_empty()) {
            self.inside.query(statement);
        }
        self.inside.query(UNDO);
        if evidence::durable(&mut self.inside, "") == self.untouched {
            return Ok(());
        }
        recreate(&mut self.control);
        self.inside = evidence::superuser(&self.stack, "shop");
        let restored = evidence::durable(&mut self.inside, "");
        let difference: Vec<_> = restored.symmetric_difference(&self.untouched).collect();
        if difference.is_empty() {
            return Ok(());
        }
        panic!(
            "{}: {}\nnot restored: {difference:#?}",
            self.family.name,
            attack.name()
        );
    }
}

fn sent(text: &[u8], leg: Leg) -> Vec<u8> {
    let text = [text, b"\0"].concat();
    match leg {
        Leg::Extended => {
            let parse = message::framed(b'P', &[b"\0".as_slice(), &text, &[0, 0]].concat());
            let rest = [
                message::bind("", "", &[]),
                message::execute("", 0),
                message::sync(),
            ];
            [parse, rest.concat()].concat()
        }
        _ => message::framed(b'Q', &text),
    }
}

/// The guards that refused, with what they said; errors of the server look the same.
fn refusals(answers: &[Message]) -> Vec<(String, String)> {
    answers
        .iter()
        .filter(|answer| answer.kind == b'E')
        .map(|error| {
            let words = [error.sqlstate(), error.field(b'M').unwrap_or_default()].join(" ");
            (error.field(b'R').unwrap_or_default(), words)
        })
        .collect()
}

/// The database again as the fixture made it.
fn recreate(control: &mut Wire) {
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'shop%'";
    evidence::asked(control, end);
    let known = evidence::asked(
        control,
        "SELECT 1 FROM pg_database WHERE datname = 'shop_untouched'",
    );
    if message::column(&known).is_empty() {
        evidence::asked(control, "ALTER DATABASE shop RENAME TO shop_untouched");
    } else {
        evidence::asked(control, "DROP DATABASE IF EXISTS shop WITH (FORCE)");
    }
    evidence::asked(
        control,
        "CREATE DATABASE shop TEMPLATE shop_untouched OWNER migrator",
    );
    evidence::asked(control, "GRANT ALL ON DATABASE shop TO shop_acme");
}
