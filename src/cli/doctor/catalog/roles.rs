//! Logins that row-level security does not bind at all, and how passwords are stored.

use super::super::connection::{Connection, Trouble};
use super::super::finding::{Finding, counted, some};
use super::super::sql::{identifier, rows};
use super::Zone;

pub(super) const IDS: &[&str] = &["login-superuser", "login-bypassrls"];
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
    Ok(rows(connection, &sql)?
        .into_iter()
        .filter_map(finding)
        .collect())
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
