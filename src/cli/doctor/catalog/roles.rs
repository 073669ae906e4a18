//! Logins that row-level security does not bind at all, and how passwords are stored.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{identifier, rows, texts};
use super::{Zone, logins_that_may_be, revokes_of};

pub(super) const IDS: &[&str] = &["login-superuser", "login-bypassrls", "login-may-become"];
pub(super) const PASSWORD_IDS: &[&str] = &["password-md5"];

/// The role that initdb made has this OID; it must stay a superuser.
const BOOTSTRAP: &str = "10";

/// The first superuser counts only if it is the one that we came as: it is there in every cluster.
pub(super) fn look(connection: &mut Connection, _: &Zone) -> Result<Vec<Finding>, Trouble> {
    let sql = format!(
        "SELECT rolname, rolsuper, oid = {BOOTSTRAP} FROM pg_catalog.pg_roles \
         WHERE rolcanlogin AND (rolsuper OR rolbypassrls) AND (oid <> {BOOTSTRAP} OR rolname = session_user) \
         ORDER BY 1"
    );
    let finding = |row: Vec<String>| {
        let [login, superuser, bootstrap] = <[String; 3]>::try_from(row).ok()?;
        let name = identifier(&login);
        if superuser != "t" {
            let text = format!("{login} may log in and has BYPASSRLS: no policy binds it");
            return Some(
                Finding::new("login-bypassrls", text)
                    .about(vec![login])
                    .mended_by(vec![format!("ALTER ROLE {name} NOBYPASSRLS")]),
            );
        }
        let text = format!("{login} may log in and is a superuser: nothing binds it");
        let finding = Finding::new("login-superuser", text).about(vec![login]);
        Some(match bootstrap.as_str() {
            "t" => finding.advised("let applications log in as a role of their own"),
            _ => finding.mended_by(vec![format!("ALTER ROLE {name} NOSUPERUSER NOBYPASSRLS")]),
        })
    };
    let mut findings: Vec<Finding> = rows(connection, &sql)?
        .into_iter()
        .filter_map(finding)
        .collect();
    findings.extend(may_become(connection)?);
    Ok(findings)
}

/// Predefined roles that reach the server's files and programs, and so everything.
const REACHING: &str =
    "'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'";

/// Nobody inherits SUPERUSER or BYPASSRLS, but a member has them one SET ROLE later.
fn may_become(connection: &mut Connection) -> Result<Vec<Finding>, Trouble> {
    let sql = format!(
        "SELECT quote_ident(r.rolname), r.rolsuper OR r.rolbypassrls, {}, {} FROM pg_catalog.pg_roles AS r \
         WHERE r.rolsuper OR r.rolbypassrls OR r.rolname IN ({REACHING}) ORDER BY r.rolname",
        logins_that_may_be("r.oid", "true"),
        revokes_of("r.oid"),
    );
    let finding = |row: Vec<String>| {
        let [role, unbound, logins, revokes] = <[String; 4]>::try_from(row).ok()?;
        let logins = texts(&logins);
        let why = match unbound.as_str() {
            "t" => "which row-level security does not bind",
            _ => "which reaches the server's own files and programs",
        };
        let text = format!("{} may SET ROLE {role}, {why}", some(&logins));
        let finding = Finding::new("login-may-become", text).about(logins);
        let found = !finding.objects.is_empty();
        found.then(|| finding.mended_by(texts(&revokes)))
    };
    let found = rows(connection, &sql)?.into_iter();
    Ok(found.filter_map(finding).collect())
}

/// Only superusers see this.
pub(super) fn passwords(connection: &mut Connection, _: &Zone) -> Result<Vec<Finding>, Trouble> {
    let sql = "SELECT rolname FROM pg_catalog.pg_authid WHERE rolcanlogin AND rolpassword LIKE 'md5%' ORDER BY 1";
    let logins: Vec<String> = rows(connection, sql)?.into_iter().flatten().collect();
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    let text = format!(
        "{} with an MD5 password, as good as the password itself: {}",
        counted(logins.len(), "login"),
        some(&logins)
    );
    let finding = Finding::new("password-md5", text).about(logins);
    Ok(vec![finding.advised(
        "SET password_encryption = 'scram-sha-256', then \\password for each, and copy the verifier to PgBouncer's auth_file",
    )])
}
