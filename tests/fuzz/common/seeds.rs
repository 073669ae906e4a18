//! The first inputs of a target, made from the golden transcripts.
// Every target compiles this module and uses its own part of it.
#![allow(dead_code)]

use std::fs;
use std::path::Path;

use crate::conversing::driver::Driver;
use crate::conversing::random::Random;
use crate::conversing::script::{Script, Side, Step};
use crate::conversing::server::{Place, Server};
use crate::conversing::who::Login;
use crate::input::{self, Act};

#[path = "../../simulation/program.rs"]
mod program;

/// Writes one file for each of `inputs` into the directory that `PORTCULLIS_FUZZ_SEEDS` names, if it
/// is set.
pub fn write(inputs: impl FnOnce(&[Script]) -> Vec<Vec<u8>>) {
    let Some(directory) = std::env::var_os("PORTCULLIS_FUZZ_SEEDS") else {
        return;
    };
    for (number, bytes) in inputs(&transcripts()).iter().enumerate() {
        let file = Path::new(&directory).join(format!("seed-{number:04}"));
        fs::write(file, bytes).expect("write a seed");
    }
}

fn transcripts() -> Vec<Script> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transcripts");
    let mut files: Vec<_> = fs::read_dir(directory)
        .expect("list the transcripts")
        .map(|entry| entry.expect("a directory entry").path())
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).expect("read a transcript");
        Script::parse(&text).expect("a transcript")
    };
    files.iter().map(read).collect()
}

/// Longer bytes are not worth their time.
const LONGEST: usize = 2000;

/// The bytes that one side sends in a transcript, line by line.
pub fn sent(script: &Script, side: Side) -> impl Iterator<Item = &[u8]> {
    script.steps.iter().filter_map(move |(_, step)| match step {
        Step::Send(from, bytes) if *from == side && bytes.len() <= LONGEST => Some(&bytes[..]),
        _ => None,
    })
}

/// A transcript as an input of the conversation: with the server's own words, and with answers that
/// the model gives.
pub fn conversations(script: &Script) -> [Vec<u8>; 2] {
    let mut said = Vec::new();
    let mut answered = Vec::new();
    for (_, step) in &script.steps {
        match step {
            Step::Send(Side::Client, bytes) if bytes.len() <= LONGEST => {
                said.push(Act::Client(bytes));
                answered.push(Act::Client(bytes));
            }
            Step::Send(Side::Server, bytes) => {
                said.push(Act::Server(bytes));
                answered.push(Act::Answers);
            }
            Step::MigrationEnded => {
                said.push(Act::MigrationEnds);
                answered.push(Act::MigrationEnds);
            }
            _ => {}
        }
    }
    let login = match script.login {
        Login::Zoned => 0,
        // Bytes to begin with: whose they were is no matter.
        Login::Plain | Login::Session | Login::Replication => 1,
        Login::Migrator => 2,
        Login::Chooser => CHOOSER,
    };
    [input::write(login, &said), input::write(login, &answered)]
}

/// Who asks, in an input: a client that sets its zone itself.
const CHOOSER: u8 = 3;

/// So many programs of the simulation are inputs, of so many steps.
const PROGRAMS: u64 = 60;
const STEPS: usize = 8;

/// What a client that sets its zone itself does in the simulation: with answers that the model gives when they are
/// asked for, and with the same answers as words of the server that can be changed.
pub fn choosers() -> Vec<Vec<u8>> {
    (0..PROGRAMS).flat_map(chooser).collect()
}

fn chooser(seed: u64) -> [Vec<u8>; 2] {
    let program = program::Writer::program(Random::new(seed), STEPS, Login::Chooser, false);
    let mut driver = Driver::new(Login::Chooser);
    let mut server = Server::new(Place::Behind, Login::Chooser);
    let (mut asked, mut unread) = (0, Vec::new());
    // What the server said at each wait.
    let mut said: Vec<Vec<u8>> = Vec::new();
    for act in &program.acts {
        match act {
            program::Act::Send(_, bytes) => unread.extend_from_slice(bytes),
            _ => loop {
                if driver.reads_client() && !unread.is_empty() {
                    driver.client_sends(&std::mem::take(&mut unread));
                }
                server.receive(&driver.to_server[asked..]);
                asked = driver.to_server.len();
                let answers = std::mem::take(&mut server.output);
                if answers.is_empty() {
                    said.push(Vec::new());
                    break;
                }
                driver.server_sends(&answers);
                said.push(answers);
            },
        }
    }
    let mut said = said.iter();
    let (mut spoken, mut answered) = (Vec::new(), Vec::new());
    for act in &program.acts {
        match act {
            program::Act::Send(_, bytes) => {
                spoken.push(Act::Client(bytes));
                answered.push(Act::Client(bytes));
            }
            _ => {
                let here = said.by_ref().take_while(|it| !it.is_empty());
                for answers in here {
                    spoken.push(Act::Server(answers));
                    answered.push(Act::Answers);
                }
            }
        }
    }
    [
        input::write(CHOOSER, &spoken),
        input::write(CHOOSER, &answered),
    ]
}
