//! Every file of tests/transcripts/ is replayed against a conversation without sockets: whole, byte
//! by byte, and in chunks of random sizes on both sides. What comes out must be the same, and must
//! be what the transcript says (`conversing/script.rs` explains the format).

mod conversing;

use std::fs;
use std::path::Path;

use conversing::driver::Driver;
use conversing::frames;
use conversing::random::Random;
use conversing::script::{Script, Side, Step};

/// Random cuts of each transcript.
const SEEDS: u64 = 60;

/// How the bytes of one side arrive.
enum Cuts {
    Whole,
    Bytes,
    Random(Random),
}

impl Cuts {
    fn next(&mut self, length: usize) -> usize {
        match self {
            Self::Whole => length,
            Self::Bytes => 1,
            Self::Random(random) => {
                let most = *random.pick(&[length, length.min(40)]);
                1 + random.below(most)
            }
        }
    }
}

/// A transcript being replayed.
struct Replay {
    driver: Driver,
    cuts: Cuts,
    /// Sent by the client and not read yet.
    unread: Vec<u8>,
    /// Sent by each side since it was last compared.
    sent_by_client: Vec<u8>,
    sent_by_server: Vec<u8>,
    /// How much of the driver's output the expectations have covered.
    checked: [usize; 2],
    fatal_expected: bool,
}

impl Replay {
    fn new(script: &Script, cuts: Cuts) -> Self {
        Self {
            driver: Driver::new(script.login),
            cuts,
            unread: Vec::new(),
            sent_by_client: Vec::new(),
            sent_by_server: Vec::new(),
            checked: [0; 2],
            fatal_expected: false,
        }
    }

    fn read_client(&mut self) {
        while !self.unread.is_empty() && self.driver.reads_client() {
            let length = self.cuts.next(self.unread.len());
            let chunk: Vec<u8> = self.unread.drain(..length).collect();
            self.driver.client_sends(&chunk);
        }
    }

    fn input(&mut self, side: Side, mut bytes: &[u8]) {
        if side == Side::Client {
            self.unread.extend_from_slice(bytes);
            self.read_client();
            return;
        }
        while !bytes.is_empty() {
            let (chunk, rest) = bytes.split_at(self.cuts.next(bytes.len()));
            self.driver.server_sends(chunk);
            bytes = rest;
            self.read_client();
        }
    }

    fn expect_nothing_more(&self) -> Result<(), String> {
        let outputs = [&self.driver.to_server, &self.driver.to_client];
        for ((output, checked), side) in outputs.iter().zip(self.checked).zip(["server", "client"])
        {
            if let Some(frame) = frames::first(&output[checked..]) {
                let more = frames::show(&frame);
                return Err(format!("the {side} got more than expected: {more}"));
            }
            if checked != output.len() {
                return Err(format!("the {side} got part of a message"));
            }
        }
        match &self.driver.fatal {
            Some(fatal) if !self.fatal_expected => Err(format!("ended: {fatal:?}")),
            _ => Ok(()),
        }
    }

    fn step(&mut self, step: &Step, next: Option<&Step>) -> Result<(), String> {
        match step {
            Step::Send(side, bytes) => {
                let sent = match side {
                    Side::Client => &mut self.sent_by_client,
                    Side::Server => &mut self.sent_by_server,
                };
                sent.extend_from_slice(bytes);
                // Several lines in a row are one run of bytes.
                if matches!(next, Some(Step::Send(other, _)) if other == side) {
                    return Ok(());
                }
                let sent = sent.clone();
                self.input(*side, &sent);
            }
            Step::Expect(side, pattern) => {
                let (output, checked, sent) = match side {
                    Side::Server => (
                        &self.driver.to_server,
                        &mut self.checked[0],
                        &mut self.sent_by_client,
                    ),
                    Side::Client => (
                        &self.driver.to_client,
                        &mut self.checked[1],
                        &mut self.sent_by_server,
                    ),
                };
                let rest = pattern.take(&output[*checked..], sent)?;
                *checked = output.len() - rest.len();
            }
            Step::Fatal(sqlstate, message) => {
                let fatal = self.driver.fatal.as_ref().ok_or("it did not end")?;
                if fatal.sqlstate.as_str() != sqlstate || fatal.message != *message {
                    return Err(format!("it ended with {fatal:?}"));
                }
                self.fatal_expected = true;
            }
            Step::Held(bytes) => {
                let held = self.driver.held() + self.unread.len();
                if self.driver.reads_client() || held != *bytes {
                    return Err(format!("{held} bytes wait"));
                }
            }
            Step::MigrationEnded => self.driver.migration_open = false,
            Step::ServerReplaced => {
                if !self.driver.replace_server() {
                    return Err("the server could not be replaced unnoticed".to_owned());
                }
            }
        }
        // The next input starts with clean hands.
        if next.is_none_or(|next| matches!(next, Step::Send(..))) {
            self.expect_nothing_more()?;
            self.sent_by_client.clear();
            self.sent_by_server.clear();
        }
        Ok(())
    }
}

fn replay(script: &Script, cuts: Cuts) -> Result<Driver, String> {
    let mut replay = Replay::new(script, cuts);
    let mut steps = script.steps.iter().peekable();
    while let Some((line, step)) = steps.next() {
        let next = steps.peek().map(|(_, next)| next);
        let result = replay.step(step, next);
        result.map_err(|error| format!("line {line}: {error}"))?;
    }
    replay.expect_nothing_more()?;
    Ok(replay.driver)
}

fn transcripts() -> Vec<(String, Script)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut transcripts = Vec::new();
    for entry in fs::read_dir(directory).expect("list the transcripts") {
        let path = entry.expect("a directory entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(&path).expect("read a transcript");
        let script = Script::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        transcripts.push((name, script));
    }
    transcripts.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(transcripts.len() >= 20, "transcripts are missing");
    transcripts
}

fn check_all(cuts: impl Fn(u64) -> Cuts, times: u64) {
    let mut failures = Vec::new();
    for (name, script) in transcripts() {
        for seed in 0..times {
            if let Err(error) = replay(&script, cuts(seed)) {
                failures.push(format!("{name}, cut {seed}: {error}"));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn transcripts_replayed_whole() {
    check_all(|_| Cuts::Whole, 1);
}

#[test]
fn transcripts_replayed_byte_by_byte() {
    check_all(|_| Cuts::Bytes, 1);
}

#[test]
fn transcripts_replayed_in_random_chunks() {
    check_all(|seed| Cuts::Random(Random::new(seed)), SEEDS);
}

#[test]
fn a_transcript_that_expects_something_else_fails() {
    for wrong in [
        "login tools\nC> Sync\n",
        "login tools\nC> Sync\n>S Flush\n",
        "login tools\nC> Sync\n>S same\nS> ReadyForQuery I\n",
        "login tools\nC> Sync\n>S same\nS> ReadyForQuery I\n>C ReadyForQuery T\n",
        "login tools\nC> Sync\n>S same\nheld 1\n",
        "login tools\nC> Raw \"!!!!!\"\n",
        "login tools\nC> Query \"drop table t\"\n>C Refused procedural 42501 \"no\" 1\n>C ReadyForQuery I\n",
    ] {
        let script = Script::parse(wrong).expect(wrong);
        assert!(replay(&script, Cuts::Whole).is_err(), "{wrong}");
    }
    for unreadable in [
        "C> Sync\n",
        "login tools\nC> Nonsense\n",
        "login tools\nC> Query \"a\n",
    ] {
        assert!(Script::parse(unreadable).is_err(), "{unreadable}");
    }
}
