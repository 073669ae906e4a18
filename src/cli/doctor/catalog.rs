//! What the catalogs say: holes that no proxy can see, each with the SQL that closes it. Every topic runs
//! in a read-only transaction of its own, so that what may not be seen spoils nothing else.

mod ddl;
mod defaults;
mod functions;
mod immutable;
mod policies;
mod privileges;
mod roles;
mod settings;
mod source;
mod tables;
mod unset;
mod views;
mod wrappers;
mod zone;

pub(super) use zone::{Asked, Zone};

use super::connection::{Connection, Trouble};
use super::finding::Finding;
use super::sql::read_only;

/// Most rows that one topic looks at; more are said to be there.
const MOST: usize = 20_000;

/// What is said when there may be more than [`MOST`].
fn cut(count: usize, what: &str) -> Option<Finding> {
    let text = format!("not seen: more than the first {MOST} {what}");
    (count >= MOST).then(|| Finding::new("not-seen", text))
}

/// Not PostgreSQL's own, and nobody's temporary ones. `n` is pg_namespace.
const OURS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') \
     AND n.nspname NOT LIKE 'pg@_toast%' ESCAPE '@' AND n.nspname NOT LIKE 'pg@_temp@_%' ESCAPE '@'";

/// A privilege of `pg_has_role`, in SQL: who is the role, inherits it, may SET ROLE it or grant that to itself. From
/// PostgreSQL 16 on a member may have none of these.
const MAY_BE: &str = "CASE WHEN current_setting('server_version_num')::int >= 160000 \
     THEN 'USAGE, SET, MEMBER WITH ADMIN OPTION' ELSE 'MEMBER' END";

/// Logins, quoted, as JSON, that may be a role ([`MAY_BE`]) and of which a condition of `l` holds; those that nothing
/// binds anyway are told elsewhere.
fn logins_that_may_be(role: &str, condition: &str) -> String {
    format!(
        "(SELECT json_agg(quote_ident(l.rolname) ORDER BY l.rolname) FROM pg_catalog.pg_roles AS l \
         WHERE l.rolcanlogin AND NOT l.rolsuper AND NOT l.rolbypassrls AND pg_has_role(l.oid, {role}, {MAY_BE}) \
           AND {condition})"
    )
}

/// The statements, as JSON, that take a role from whoever leads a login to it.
fn revokes_of(role: &str) -> String {
    // From PostgreSQL 16 on a membership is revoked by its grantor; the first superuser is the default.
    format!(
        "(SELECT json_agg(DISTINCT format('REVOKE %I FROM %I%s', g.rolname, m.rolname, \
           CASE WHEN current_setting('server_version_num')::int >= 160000 AND a.grantor <> 10 \
             THEN format(' GRANTED BY %I', by.rolname) END)) \
         FROM pg_catalog.pg_auth_members AS a \
         JOIN pg_catalog.pg_roles AS g ON g.oid = a.roleid JOIN pg_catalog.pg_roles AS m ON m.oid = a.member \
         LEFT JOIN pg_catalog.pg_roles AS by ON by.oid = a.grantor \
         WHERE a.roleid = {role} AND EXISTS (SELECT FROM pg_catalog.pg_roles AS l \
           WHERE l.rolcanlogin AND NOT l.rolsuper AND NOT l.rolbypassrls AND pg_has_role(l.oid, m.oid, {MAY_BE})))"
    )
}

/// What the catalogs gave.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub zone: Zone,
    pub findings: Vec<Finding>,
    /// Ids of what was looked for.
    pub looked: Vec<&'static str>,
}

type Topic = (
    &'static [&'static str],
    fn(&mut Connection, &Zone) -> Result<Vec<Finding>, Trouble>,
);

const TOPICS: &[Topic] = &[
    (tables::IDS, tables::look),
    (policies::IDS, policies::look),
    (views::IDS, views::look),
    (roles::IDS, roles::look),
    (roles::PASSWORD_IDS, roles::passwords),
    (functions::IDS, functions::look),
    (immutable::IDS, immutable::look),
    (defaults::IDS, defaults::look),
    (settings::IDS, settings::look),
    (privileges::IDS, privileges::look),
    (ddl::IDS, ddl::look),
];

/// Looks at everything.
///
/// # Errors
/// The connection is lost. What the server refuses to show becomes a note.
pub(super) fn look(connection: &mut Connection, asked: &Asked) -> Result<Seen, Trouble> {
    let mut seen = Seen::default();
    match read_only(connection, |connection| Zone::find(connection, asked)) {
        Ok(zone) => seen.zone = zone,
        Err(trouble) => seen.unseen(&["policy-unsigned"], trouble)?,
    }
    for (ids, look) in TOPICS {
        match read_only(connection, |connection| look(connection, &seen.zone)) {
            Ok(findings) => {
                seen.findings.extend(findings);
                seen.looked.extend(*ids);
            }
            Err(trouble) => seen.unseen(ids, trouble)?,
        }
    }
    Ok(seen)
}

impl Seen {
    fn unseen(&mut self, ids: &[&str], trouble: Trouble) -> Result<(), Trouble> {
        let Trouble::Refused(error) = trouble else {
            return Err(trouble);
        };
        let text = format!("not seen: {}: {}", ids.join(", "), error.message);
        self.findings.push(Finding::new("not-seen", text));
        Ok(())
    }
}
