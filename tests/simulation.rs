//! Random clients against a model of the server, with the conversation in between and every byte
//! stream cut and delayed at random. A client must see exactly what it would see if one server did
//! all of it alone; statements must run with their zone; refused ones must not reach the server; and
//! nobody waits for ever.
//!
//! A failure prints its seed; `PORTCULLIS_TEST_SEED=<seed>` replays that one alone, and
//! `PORTCULLIS_TEST_TIMES=<n>` runs more of them.

mod conversing;
#[path = "simulation/program.rs"]
mod program;
#[path = "support/wanted.rs"]
#[allow(dead_code)]
mod wanted;

use conversing::driver::Driver;
use conversing::frames::{self, Frame};
use conversing::random::Random;
use conversing::server::{Place, Pool, Server};
use conversing::who::Login;
use program::{Act, Writer};

/// Seeds of each kind of login.
const RUNS: u64 = 3000;
/// More turns than any program needs: the conversation is in a circle.
const MAX_TURNS: usize = 200_000;

/// Client, conversation and server, and the bytes between them.
struct World {
    random: Random,
    driver: Driver,
    server: Server,
    /// Sent by the client and not read.
    from_client: Vec<u8>,
    /// How much of the driver's output to the server, and of the server's, was delivered.
    asked: usize,
    answered: usize,
}

impl World {
    fn new(mut random: Random, login: Login) -> Self {
        let mut server = Server::new(Place::Behind, login);
        server.pool = *random.pick(&[Pool::Follows, Pool::Follows, Pool::Forgets, Pool::Hides]);
        Self {
            random,
            driver: Driver::new(login),
            server,
            from_client: Vec::new(),
            asked: 0,
            answered: 0,
        }
    }

    /// Delivers some bytes somewhere; false when there are none to deliver.
    fn turn(&mut self) -> Result<bool, String> {
        let reads = self.driver.reads_client();
        let waiting = [
            if reads { self.from_client.len() } else { 0 },
            self.driver.to_server.len() - self.asked,
            self.server.output.len() - self.answered,
        ];
        if waiting == [0; 3] {
            return Ok(false);
        }
        let mut side = self.random.below(3);
        while waiting[side] == 0 {
            side = (side + 1) % 3;
        }
        let most = *self.random.pick(&[1, 7, 40, 4000]);
        let length = 1 + self.random.below(waiting[side].min(most));
        match side {
            0 => {
                let chunk: Vec<u8> = self.from_client.drain(..length).collect();
                self.driver.client_sends(&chunk);
            }
            1 => {
                let chunk = &self.driver.to_server[self.asked..self.asked + length];
                self.server.receive(chunk);
                self.asked += length;
            }
            _ => {
                let chunk = &self.server.output[self.answered..self.answered + length];
                self.driver.server_sends(chunk);
                self.answered += length;
            }
        }
        match &self.driver.fatal {
            Some(fatal) => Err(format!("the connection ended: {fatal:?}")),
            None => Ok(true),
        }
    }

    /// Everything on its way arrives.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..MAX_TURNS {
            if !self.turn()? {
                let held = self.driver.held() + self.from_client.len();
                if held > 0 {
                    return Err(format!("{held} bytes of the client wait for ever"));
                }
                return Ok(());
            }
        }
        Err("it never comes to rest".to_owned())
    }
}

/// What a client sees of a byte stream.
///
/// Some errors are one. For a migrator: what is gone (a portal with its savepoint, a name by DEALLOCATE)
/// may not be run either. With a zone: the unnamed portal of an earlier batch may be gone with a prefix
/// instead of being spent or aborted; a prefix finds out first that a pipelined batch found the
/// transaction aborted.
fn seen(bytes: &[u8], login: Login) -> Vec<String> {
    let (frames, rest) = frames::split(bytes);
    assert!(rest.is_empty(), "half a message");
    let look = |frame: &Frame<'_>| {
        let kind = char::from(frame.kind);
        match frame.kind {
            b'E' | b'N' => {
                let sqlstate = frames::field(frame.body, b'C').unwrap_or_default();
                match (&*sqlstate, login) {
                    ("26000" | "34000" | "55000", Login::Zoned) => "E 25P02".to_owned(),
                    ("26000" | "34000" | "55000" | "42501", Login::Chooser) => "E 25P02".to_owned(),
                    ("34000" | "26000", Login::Migrator) => "E 42501".to_owned(),
                    _ => format!("{kind} {sqlstate}"),
                }
            }
            // SHOW, and what set_config answers.
            b'D' if login == Login::Chooser => format!("D {}", frame.body.escape_ascii()),
            b'C' | b'Z' => format!("{kind} {}", frame.body.escape_ascii()),
            _ => kind.to_string(),
        }
    };
    frames.iter().map(look).collect()
}

/// Runs one program through the conversation; then the same against a server alone.
fn simulate(seed: u64, login: Login) -> Result<usize, String> {
    let mut random = Random::new(seed);
    let length = 2 + random.below(24);
    let zones = matches!(login, Login::Zoned | Login::Chooser);
    let seasoned = zones && random.one_in(2);
    let program = Writer::program(Random::new(random.next()), length, login, seasoned);
    let mut world = World::new(random.clone(), login);
    let mut doomed = Random::new(random.next());
    world.server.doomed = (1..=program.marks).filter(|_| doomed.one_in(12)).collect();

    let result = run(&mut world, &program.acts, login);
    let describe = |error| {
        let lines = program.acts.iter().map(|act| match act {
            Act::Send(words, _) => format!("  {words}"),
            other => format!("  {other:?}"),
        });
        let lines: Vec<String> = lines.collect();
        let lines = lines.join("\n");
        let fallen = &world.server.fallen;
        let sent = tail(&world.driver.to_server);
        let got = tail(&world.driver.to_client);
        let error = format!("{error}\nlast to the server {sent}\nlast to the client {got}");
        format!("{login:?} seed {seed}: {error}\ncancelled prefixes {fallen:?}\n{lines}")
    };
    result.map_err(describe)?;
    Ok(world.server.runs)
}

/// The last messages of a stream, for people.
fn tail(bytes: &[u8]) -> String {
    let (frames, _) = frames::split(bytes);
    let last = &frames[frames.len().saturating_sub(12)..];
    let lines: Vec<String> = last
        .iter()
        .map(|frame| format!("\n    {}", frames::show(frame)))
        .collect();
    lines.concat()
}

fn run(world: &mut World, acts: &[Act], login: Login) -> Result<(), String> {
    // What the client had at each of its waits.
    let mut had = Vec::new();
    for act in acts {
        match act {
            Act::Send(_, bytes) => {
                world.from_client.extend_from_slice(bytes);
                for _ in 0..world.random.below(6) {
                    world.turn()?;
                }
                continue;
            }
            Act::Wait => world.settle()?,
            Act::EndMigration => {
                world.settle()?;
                world.driver.migration_open = false;
                world.server.migration_open = false;
            }
        }
        had.push(seen(&world.driver.to_client, login));
        if let Some(violation) = world.server.violations.first() {
            return Err(violation.clone());
        }
        if world.driver.is_idle() && world.server.has_leftover() {
            return Err("the prefix's name is left on the server".to_owned());
        }
        if world.driver.is_idle() && world.driver.seen.running.get() != 0 {
            let running = world.driver.seen.running.get();
            return Err(format!("{running} statements are recorded without end"));
        }
    }
    compare(world, acts, login, &had)
}

/// Against one server alone that fails where a prefix did.
fn compare(world: &World, acts: &[Act], login: Login, had: &[Vec<String>]) -> Result<(), String> {
    let mut alone = Server::new(Place::Alone, login);
    alone.doomed = world.server.fallen.clone();
    let mut at_waits = Vec::new();
    for act in acts {
        match act {
            Act::Send(_, bytes) => {
                alone.receive(bytes);
                continue;
            }
            Act::Wait => {}
            Act::EndMigration => alone.migration_open = false,
        }
        at_waits.push(seen(&alone.output, login).len());
    }
    if login != Login::Migrator && alone.described_in_vain {
        return Ok(());
    }
    let zones = matches!(login, Login::Zoned | Login::Chooser);
    if zones && (alone.doubtful || world.server.doubtful) {
        return Ok(());
    }
    // Refused rather than guessed; a server alone knows.
    let blindly = "cannot go back to a savepoint behind this batch";
    let early = "cannot run a portal from before RESET ALL";
    let told = String::from_utf8_lossy(&world.driver.to_client);
    if zones && [blindly, early].iter().any(|it| told.contains(it)) {
        return Ok(());
    }
    let wanted = seen(&alone.output, login);
    let got = had.last().cloned().unwrap_or_default();
    if got != wanted {
        let same = got.iter().zip(&wanted).take_while(|(a, b)| a == b).count();
        let shown = &wanted[..same];
        return Err(format!(
            "after {shown:?}\n  wanted {:?}\n  got    {:?}",
            &wanted[same..],
            &got[same..]
        ));
    }
    for (number, (had, wanted)) in had.iter().zip(at_waits).enumerate() {
        if had.len() < wanted {
            return Err(format!(
                "at wait {number} the client had {} of {wanted} messages",
                had.len()
            ));
        }
    }
    Ok(())
}

fn simulate_all(login: Login) {
    let seeds = wanted::seeds(RUNS);
    let count = seeds.end - seeds.start;
    let mut statements = 0;
    for seed in seeds {
        match simulate(seed, login) {
            Ok(runs) => statements += runs,
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(statements as u64 > count, "hardly anything ran");
}

#[test]
fn services_with_a_zone() {
    simulate_all(Login::Zoned);
}

#[test]
fn services_that_set_signed_zones_themselves() {
    simulate_all(Login::Chooser);
}

#[test]
fn services_without_zones() {
    simulate_all(Login::Plain);
}

#[test]
fn migrators_whose_session_ends() {
    simulate_all(Login::Migrator);
}
