//! libpq's password file (PostgreSQL documentation, "The Password File").

use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::{Dsn, Password, SOCKETS};
use crate::tls::files::open_regular;

/// Longest file that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// The first line's password that fits; none if there is no file or no such line.
///
/// # Errors
/// Why a file that is there does not count.
pub(super) fn find(path: &Path, dsn: &Dsn) -> Result<Option<Password>, String> {
    let shown = path.display();
    let (file, about) = match open_regular(path) {
        Ok(opened) => opened,
        // /dev/null, which is not one, is how scripts say that there is none.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {
            return Ok(None);
        }
        Err(error) => return Err(format!("the password file {shown} cannot be read: {error}")),
    };
    if about.mode() & 0o077 != 0 {
        return Err(format!(
            "the password file {shown} is ignored: others may read it (chmod 0600)"
        ));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|error| format!("the password file {shown} cannot be read: {error}"))?;
    Ok(text.lines().find_map(|line| password(line, dsn)))
}

fn password(line: &str, dsn: &Dsn) -> Option<Password> {
    if line.starts_with('#') {
        return None;
    }
    let [host, port, database, user, password] = fields(line)?;
    // A socket in its usual place is written as localhost.
    let ours = match SOCKETS.contains(&dsn.host.as_str()) {
        true => "localhost",
        false => &dsn.host,
    };
    let fits = |field: &str, value: &str| field == "*" || field == value;
    (fits(&host, ours)
        && fits(&port, &dsn.port.to_string())
        && fits(&database, &dsn.database)
        && fits(&user, &dsn.user))
    .then(|| Password::new(password))
}

/// Four fields and the password, which is the rest of the line: colons and backslashes in a field have a
/// backslash before them.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields: [String; 5] = Default::default();
    let mut at = 0;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => fields.get_mut(at)?.extend(characters.next()),
            // libpq ends the password at a colon as well.
            ':' if at == 4 => break,
            ':' => at += 1,
            c => fields.get_mut(at)?.push(c),
        }
    }
    (at == 4).then_some(fields)
}
