//! One connection of the console, from its startup packet to its end.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::reply::{Answer, Refused, Reply};
use super::wire::{self, Message, Opening, PATIENCE, Startup, WireError};
use super::{ConsoleState, DATABASE, Person, execute, verb};
use crate::error::SqlState;
use crate::migration::token::SessionId;

/// An answer must be taken within this time.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// A verb must be done within this time; all of them have shorter bounds of their own but RELOAD.
const VERB_DEADLINE: Duration = Duration::from_secs(60);

const IDLE_TIMEOUT: SqlState = SqlState(*b"57P05");
const NO_DATABASE: SqlState = SqlState(*b"3D000");

struct Talk<'a> {
    client: UnixStream,
    state: &'a ConsoleState,
    person: Person,
    reply: Reply,
    /// After an error in the extended protocol everything up to Sync is passed over.
    until_sync: bool,
}

/// What comes behind a message.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    /// Nobody takes the answer: not another word.
    Leave,
}

/// Serves one connection to its end.
pub(super) async fn serve(mut client: UnixStream, state: &ConsoleState) {
    let mut reply = Reply::default();
    let admitted = match admit(&mut client, state, &mut reply).await {
        Ok(Some(person)) => Ok(person),
        Ok(None) => return,
        Err(error) => Err(error),
    };
    match admitted {
        Ok(person) => {
            let mut talk = Talk {
                client,
                state,
                person,
                reply,
                until_sync: false,
            };
            if let Err(error) = talk.run().await {
                talk.reply.fatal(&error);
                let _ = talk.send().await; // the last word, taken or not
            }
        }
        Err(error) => {
            reply.fatal(&error);
            let _ = send(&mut client, &mut reply).await; // the last word, taken or not
        }
    }
}

/// Reads the startup packet and asks the kernel who sent it. None: nothing more to do.
async fn admit(
    client: &mut UnixStream,
    state: &ConsoleState,
    reply: &mut Reply,
) -> Result<Option<Person>, Refused> {
    let peer = client.peer_cred().map_err(|error| {
        Refused::new(
            SqlState::IDENTITY,
            format!("the system does not say who is there: {error}"),
        )
    })?;
    let access = state.access;
    let uid = peer.uid();
    let person = tokio::task::spawn_blocking(move || access.admit(&peer))
        .await
        .ok()
        .flatten();
    let Some(startup) = startup(client).await? else {
        return Ok(None);
    };
    let Some(person) = person else {
        return Err(Refused::new(
            SqlState::IDENTITY,
            format!("uid {uid} may not use the console"),
        )
        .hint("Ask an administrator to add you to the group of the console's socket."));
    };
    if startup.database.as_deref().unwrap_or(&startup.user) != DATABASE {
        return Err(
            Refused::new(NO_DATABASE, "this is the admin console, not a database")
                .hint(format!("Connect with dbname={DATABASE}.")),
        );
    }
    reply.welcome(startup.minor, startup.options);
    Ok(Some(person))
}

async fn startup(client: &mut UnixStream) -> Result<Option<Startup>, Refused> {
    // One SSLRequest and one GSSENCRequest, then a startup packet must come.
    for _ in 0..3 {
        match wire::read_opening(client, &PATIENCE).await {
            Ok(Opening::Startup(startup)) => return Ok(Some(startup)),
            Ok(Opening::Encryption) => {
                if !matches!(
                    timeout(WRITE_DEADLINE, client.write_all(b"N")).await,
                    Ok(Ok(()))
                ) {
                    return Ok(None);
                }
            }
            Ok(Opening::Cancel) => return Ok(None),
            Err(error) => return ended(error).map(|()| None),
        }
    }
    Err(Refused::new(
        SqlState::PROTOCOL,
        "too many encryption requests",
    ))
}

/// A connection that can read nothing more: gone without a word, or with a last one.
fn ended(error: WireError) -> Result<(), Refused> {
    match error {
        WireError::Gone => Ok(()),
        WireError::Late => Err(Refused::new(SqlState::PROTOCOL, "the client was too slow")),
        WireError::Idle => Err(Refused::new(
            IDLE_TIMEOUT,
            "the console closes idle connections",
        )),
        WireError::Violation(what) => Err(Refused::new(SqlState::PROTOCOL, what)),
    }
}

impl Talk<'_> {
    /// Until the client leaves (Ok) or must leave (Err, the FATAL).
    async fn run(&mut self) -> Result<(), Refused> {
        loop {
            if self.send().await.is_err() {
                return Ok(());
            }
            let message = match wire::read_message(&mut self.client, &PATIENCE).await {
                Ok(message) => message,
                Err(error) => return ended(error),
            };
            if message.kind == b'X' {
                return Ok(());
            }
            if self.message(message).await? == Then::Leave {
                return Ok(());
            }
        }
    }

    async fn message(&mut self, message: Message) -> Result<Then, Refused> {
        match message.kind {
            b'S' => {
                self.until_sync = false;
                self.reply.ready();
            }
            // Flush; and what is left of a COPY, as PostgreSQL passes it over.
            b'H' | b'd' | b'c' | b'f' => {}
            _ if self.until_sync => {}
            b'Q' => {
                let text = wire::query_text(&message.body)
                    .map_err(|what| Refused::new(SqlState::PROTOCOL, what))?;
                if self.query(text).await.is_err() {
                    return Ok(Then::Leave);
                }
                self.reply.ready();
            }
            b'P' | b'B' | b'D' | b'E' | b'C' => {
                self.until_sync = true;
                self.reply.error(&simple_only());
            }
            b'F' => {
                self.reply.error(&simple_only());
                self.reply.ready();
            }
            kind => {
                return Err(Refused::new(
                    SqlState::PROTOCOL,
                    format!("invalid frontend message type {kind}"),
                ));
            }
        }
        Ok(Then::GoOn)
    }

    /// Err: nobody takes the answer.
    async fn query(&mut self, text: &str) -> Result<(), ()> {
        let verbs = match verb::parse(text) {
            Ok(verbs) => verbs,
            Err(verb::SyntaxError {
                message,
                hint,
                position,
            }) => {
                self.reply.error(&Refused {
                    hint,
                    position,
                    ..Refused::new(SqlState::SYNTAX, message)
                });
                return Ok(());
            }
        };
        if verbs.is_empty() {
            self.reply.empty();
        }
        for verb in verbs {
            let late = || {
                Err(Refused::new(
                    SqlState::NOT_READY,
                    "the proxy did not answer in time",
                ))
            };
            match timeout(
                VERB_DEADLINE,
                execute::execute(self.state, &self.person, verb),
            )
            .await
            .unwrap_or_else(|_| late())
            {
                Ok(answer) => {
                    if let Err(refused) = self.answer(answer).await? {
                        self.reply.error(&refused);
                        return Ok(());
                    }
                }
                Err(refused) => {
                    self.reply.error(&refused);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sends an answer, some rows at a time. Err: nobody takes it.
    async fn answer(&mut self, mut answer: Answer) -> Result<Result<(), Refused>, ()> {
        self.reply.columns(answer.columns);
        loop {
            self.reply.rows(&answer.rows);
            let Some(rest) = answer.rest else {
                break;
            };
            drop(answer);
            self.send().await?;
            answer = match execute::statements(self.state, rest).await {
                Ok(more) => more,
                Err(refused) => return Ok(Err(refused)),
            };
        }
        self.reply.complete(answer.tag);
        match execute::opened_in(&answer) {
            Some(id) => self.deliver(id).await,
            None => self.send().await?,
        }
        Ok(Ok(()))
    }

    /// Sends the token now; if nobody takes it, nobody has it, and the session would hold its
    /// lease for nothing.
    async fn deliver(&mut self, id: SessionId) {
        if self.send().await.is_err()
            && let Some(sessions) = &self.state.sessions
            && let Err(error) = sessions
                .close(id, &self.person.name, Some("the opener had gone"))
                .await
        {
            tracing::error!(session = %id, %error, "a migration session that nobody uses could not be closed");
        }
    }

    async fn send(&mut self) -> Result<(), ()> {
        send(&mut self.client, &mut self.reply).await
    }
}

async fn send(client: &mut UnixStream, reply: &mut Reply) -> Result<(), ()> {
    let bytes = zeroize::Zeroizing::new(Vec::from(reply.take()));
    match timeout(WRITE_DEADLINE, client.write_all(&bytes)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

fn simple_only() -> Refused {
    Refused::new(
        SqlState::UNSUPPORTED,
        "the console speaks the simple query protocol only",
    )
    .hint("Send each verb as a simple query, without parameters.")
}
