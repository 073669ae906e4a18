//! Are the verifiers of PgBouncer's (and Portcullis's) `auth_file` those of PostgreSQL? Two verifiers of one
//! password let a client in and fail behind. What is compared are digests that PostgreSQL makes; no verifier
//! is sent, kept or printed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::connection::{Connection, Trouble};
use super::finding::{Finding, counted, some};
use super::sql::{array, literal, read_only, rows};
use crate::auth::userlist::Userlist;
use crate::tls::files::{MAX_SECRET_FILE, read_regular};

pub(super) const ID: &str = "verifier-differs";

/// Logins that one statement names; more are mended by the statement for all.
const NAMED: usize = 20;

/// What PostgreSQL keeps of a login.
enum Kept {
    /// The SHA-256 of its verifier, in hex.
    Scram(String),
    /// An MD5 hash, or nothing.
    NoScram,
}

/// Compares each file with pg_authid, which only superusers may read.
///
/// # Errors
/// The connection is lost. A file that cannot be read, and a refusal, become notes.
pub(super) fn look(
    connection: &mut Connection,
    files: &[PathBuf],
) -> Result<Vec<Finding>, Trouble> {
    let mut findings = Vec::new();
    for file in files {
        let text = match read(file) {
            Ok(text) => text,
            Err(error) => {
                findings.push(not_seen(&format!(
                    "could not read the file {}: {error}",
                    file.display()
                )));
                continue;
            }
        };
        let list = Userlist::parse(&text);
        findings.extend(lines(file, &list));
        match read_only(connection, |connection| kept(connection, &list)) {
            Ok(kept) => findings.extend(compared(file, &list, &kept)),
            Err(Trouble::Refused(error)) => findings.push(
                not_seen(&error.message).advised("a superuser's login shows PostgreSQL's side"),
            ),
            Err(lost) => return Err(lost),
        }
    }
    Ok(findings)
}

/// As long as the proxy reads it; PgBouncer's own may be open to others.
fn read(file: &Path) -> io::Result<Zeroizing<String>> {
    let text = String::from_utf8(read_regular(file, MAX_SECRET_FILE)?);
    text.map(Zeroizing::new)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}

fn not_seen(why: &str) -> Finding {
    Finding::new("not-seen", format!("not seen: {ID}: {why}"))
}

/// What PgBouncer or Portcullis cannot use as it is, by its line.
fn lines(file: &Path, list: &Userlist) -> Vec<Finding> {
    let finding = |problem: &crate::auth::userlist::Problem| {
        let text = format!("{}:{}: {}", file.display(), problem.line, problem.message);
        Finding::new("auth-file-line", text)
            .about(problem.user.iter().cloned().collect())
            .advised(problem.hint.clone())
    };
    list.problems.iter().map(finding).collect()
}

fn kept(connection: &mut Connection, list: &Userlist) -> Result<BTreeMap<String, Kept>, Trouble> {
    let names = array(list.users.keys().map(|name| &**name));
    let sql = format!(
        "SELECT rolname, CASE WHEN rolpassword LIKE 'SCRAM-SHA-256$%' \
           THEN encode(sha256(convert_to(rolpassword, 'UTF8')), 'hex') END \
         FROM pg_catalog.pg_authid WHERE rolcanlogin AND rolname = ANY ({names})"
    );
    let one = |row: Vec<String>| {
        let [name, digest] = <[String; 2]>::try_from(row).ok()?;
        Some(match digest.is_empty() {
            true => (name, Kept::NoScram),
            false => (name, Kept::Scram(digest)),
        })
    };
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(one)
        .collect())
}

fn compared(file: &Path, list: &Userlist, kept: &BTreeMap<String, Kept>) -> Vec<Finding> {
    let (mut other, mut none) = (Vec::new(), Vec::new());
    // A login that PostgreSQL does not have may be PgBouncer's own, for its console.
    for (name, kept) in kept {
        let Some(verifier) = list.users.get(name.as_str()) else {
            continue;
        };
        match kept {
            Kept::Scram(digest) if *digest == hex(&Zeroizing::new(verifier.to_string())) => {}
            Kept::Scram(_) => other.push(name.clone()),
            Kept::NoScram => none.push(name.clone()),
        }
    }
    let file = file.display();
    let mut findings = Vec::new();
    if !other.is_empty() {
        let have = if other.len() == 1 { "has" } else { "have" };
        let text = format!(
            "{} {have} another verifier in {file} than in PostgreSQL, so that PgBouncer lets in and PostgreSQL does not: {}",
            counted(other.len(), "login"),
            some(&other)
        );
        let advice = format!(
            "put what this prints in the place of their lines in {file}, then RELOAD PgBouncer: {}",
            printing(&other)
        );
        findings.push(Finding::new(ID, text).about(other).advised(advice));
    }
    if !none.is_empty() {
        let have = if none.len() == 1 { "has" } else { "have" };
        let text = format!(
            "{} {have} a SCRAM verifier in {file} and none in PostgreSQL: {}",
            counted(none.len(), "login"),
            some(&none)
        );
        let advice = format!(
            "SET password_encryption = 'scram-sha-256'; \\password for each, and then put what this prints in the \
             place of their lines in {file}: {}",
            printing(&none)
        );
        findings.push(Finding::new(ID, text).about(none).advised(advice));
    }
    findings
}

/// The statement that prints the lines of `auth_file`.
fn printing(logins: &[String]) -> String {
    let which = match logins.len() {
        ..=NAMED => {
            let names: Vec<String> = logins.iter().map(|name| literal(name)).collect();
            format!("rolname IN ({})", names.join(", "))
        }
        _ => "rolpassword LIKE 'SCRAM-SHA-256$%'".to_owned(),
    };
    let statement = format!(
        "SELECT format('\"%s\" \"%s\"', replace(rolname, '\"', '\"\"'), rolpassword) FROM pg_authid WHERE {which};"
    );
    super::sql::on_one_line(&statement)
}

fn hex(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    #[test]
    fn only_the_identical_verifier_is_the_same() {
        let other = ONE.replace("4096", "4097");
        let list = Userlist::parse(&format!(
            "\"same\" \"{ONE}\"\n\"it's\" \"{ONE}\"\n\"none\" \"{ONE}\"\n\"console\" \"{ONE}\"\n\"old\" \"md5{}\"\n",
            "0".repeat(32)
        ));
        let kept = BTreeMap::from([
            ("same".to_owned(), Kept::Scram(hex(ONE))),
            ("it's".to_owned(), Kept::Scram(hex(&other))),
            ("none".to_owned(), Kept::NoScram),
        ]);
        let file = Path::new("/etc/userlist.txt");
        let found = compared(file, &list, &kept);
        let about: Vec<&[String]> = found.iter().map(|finding| &*finding.objects).collect();
        assert_eq!(about, [["it's".to_owned()], ["none".to_owned()]]);
        let advice = found[0].advice.as_deref().unwrap();
        assert!(
            advice.ends_with("FROM pg_authid WHERE rolname IN ('it''s');"),
            "{advice}"
        );
        for finding in found.iter().chain(&lines(file, &list)) {
            let said = format!("{finding:?}");
            assert!(
                !said.contains("WG5d8oPm3") && !said.contains(&hex(ONE)),
                "{said}"
            );
        }
        let lines = lines(file, &list);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0]
                .text
                .starts_with("/etc/userlist.txt:5: user \"old\" has an md5 secret")
        );
    }

    #[test]
    fn many_logins_have_one_statement() {
        let many: Vec<String> = (0..NAMED + 1).map(|at| format!("login{at}")).collect();
        assert!(printing(&many).ends_with("WHERE rolpassword LIKE 'SCRAM-SHA-256$%';"));
        assert!(printing(&many[..NAMED]).contains("'login19'"));
    }
}
