//! Reads a password from the terminal without echo, or a line from stdin.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::{Zeroize, Zeroizing};

/// Longest password, in bytes. libpq and PgBouncer take less.
const MAX_PASSWORD: usize = 64 * 1024;
/// What Ctrl-C sends.
const CTRL_C: u8 = 3;

/// Asks on the terminal, twice where `confirm` says so; reads one line where stdin is no terminal.
pub(super) fn ask(prompt: &str, confirm: bool) -> io::Result<Zeroizing<String>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line(&mut File::from(stdin.as_fd().try_clone_to_owned()?));
    }
    let password = ask_terminal(stdin.as_fd(), prompt)?;
    if confirm && *ask_terminal(stdin.as_fd(), "Again: ")? != *password {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the two are not the same",
        ));
    }
    Ok(password)
}

fn ask_terminal(terminal: BorrowedFd<'_>, prompt: &str) -> io::Result<Zeroizing<String>> {
    let _silence = Silence::begin(terminal)?;
    let mut stderr = io::stderr();
    stderr.write_all(prompt.as_bytes())?;
    stderr.flush()?;
    let password = line(&mut File::from(terminal.try_clone_to_owned()?));
    if password.is_err() {
        // The line was not ended, so the terminal has not gone to the next.
        let _ = stderr.write_all(b"\n");
    }
    password
}

/// One line, read byte by byte: a buffered reader would keep a copy of it.
pub(super) fn line(input: &mut impl Read) -> io::Result<Zeroizing<String>> {
    // Capacity at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD));
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) if byte[0] == CTRL_C => return Err(io::Error::other("interrupted")),
            Ok(_) if bytes.len() == MAX_PASSWORD => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
            }
            Ok(_) => bytes.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    byte.zeroize();
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))?;
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text.is_empty() || text.contains('\0') {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is empty or holds a NUL",
        )),
        false => Ok(Zeroizing::new(text.to_owned())),
    }
}

/// Turns the terminal's echo off, and on again when dropped.
///
/// Ctrl-C would end the program with the echo still off, so for this time it ends the line instead.
struct Silence<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Silence<'a> {
    fn begin(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut silent = before.clone();
        silent
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ISIG);
        silent
            .local_modes
            .insert(LocalModes::ECHONL | LocalModes::ICANON);
        silent.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silence<'_> {
    fn drop(&mut self) {
        // Nothing can be done if the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
