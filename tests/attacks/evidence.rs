//! What an attack can leave or get hold of, as lines of text to compare.

use std::collections::BTreeSet;

use crate::support::message::{self, Message};
use crate::support::{Login, Stack, Transport, Wire, cluster};

/// Lines; an effect is a line more or less.
pub type Evidence = BTreeSet<String>;

/// Rows of the other tenant and secrets of the server: no answer may hold one of them.
const SECRETS: [&str; 4] = [
    "hammock",
    "beta",
    "the server's secret",
    "the auditor's secret",
];

/// Catalogs, with the expression that says which of their rows are not PostgreSQL's own.
const CATALOGS: [(&str, &str); 36] = [
    (
        "pg_class",
        "t.oid >= 16384 AND t.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_toast')",
    ),
    (
        "pg_attribute",
        "t.attrelid >= 16384 AND t.attnum > 0 AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.attrelid AND c.relkind IN ('r', 'v', 'c'))",
    ),
    ("pg_attrdef", "true"),
    ("pg_index", "t.indrelid >= 16384"),
    ("pg_proc", "t.oid >= 16384"),
    ("pg_type", "t.oid >= 16384"),
    ("pg_namespace", "t.nspname !~ '^pg_(toast_)?temp_'"),
    ("pg_constraint", "t.oid >= 16384"),
    ("pg_trigger", "true"),
    ("pg_rewrite", "t.oid >= 16384"),
    ("pg_policy", "true"),
    ("pg_description", "t.objoid >= 16384"),
    ("pg_shdescription", "true"),
    ("pg_auth_members", "true"),
    ("pg_extension", "true"),
    ("pg_foreign_server", "true"),
    ("pg_foreign_data_wrapper", "true"),
    ("pg_foreign_table", "true"),
    ("pg_user_mapping", "true"),
    ("pg_publication", "true"),
    ("pg_publication_rel", "true"),
    ("pg_event_trigger", "true"),
    ("pg_cast", "t.oid >= 16384"),
    ("pg_operator", "t.oid >= 16384"),
    ("pg_opclass", "t.oid >= 16384"),
    ("pg_collation", "t.oid >= 16384"),
    ("pg_conversion", "t.oid >= 16384"),
    ("pg_ts_config", "t.oid >= 16384"),
    ("pg_ts_dict", "t.oid >= 16384"),
    ("pg_largeobject_metadata", "true"),
    ("pg_default_acl", "true"),
    ("pg_statistic_ext", "true"),
    ("pg_language", "t.oid >= 16384"),
    ("pg_enum", "t.oid >= 16384"),
    ("pg_parameter_acl", "true"),
    ("pg_inherits", "true"),
];

/// What is not an object of the database: data, statistics, the server as a whole.
const OTHERS: &str = "
SELECT 'row of ' || c.oid::regclass || ' ' || regexp_replace(line, '[[:space:]]+', ' ', 'g') FROM pg_class c, LATERAL regexp_split_to_table(query_to_xml(
    format(CASE relkind WHEN 'S' THEN 'SELECT last_value, is_called FROM %s' ELSE
    'SELECT * FROM %s t WHERE to_jsonb(t)->>''tenant_id'' IS DISTINCT FROM ''acme''' END, c.oid::regclass), true, true, '')::text, '</row>') line
    WHERE relkind IN ('r', 'S') AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'public') AND relname <> 'orders_id_seq'
UNION ALL SELECT 'statistics of ' || starelid::regclass || ' ' || staattnum FROM pg_statistic WHERE starelid >= 16384
UNION ALL SELECT 'role ' || rolname || ' ' || (rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
    rolbypassrls, rolconnlimit, rolvaliduntil, md5(rolpassword))::text FROM pg_authid
UNION ALL SELECT 'setting of ' || coalesce(setrole::regrole::text, '') || ' in ' || coalesce(datname, '') || ' ' || setconfig::text
    FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase
UNION ALL SELECT 'database ' || (datname, datdba::regrole, datistemplate, datallowconn, datconnlimit, datacl)::text FROM pg_database
UNION ALL SELECT 'tablespace ' || t::text FROM pg_tablespace t
UNION ALL SELECT 'subscription ' || subname FROM pg_subscription
UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots
UNION ALL SELECT 'origin ' || roname FROM pg_replication_origin
UNION ALL SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts
UNION ALL SELECT 'advisory lock ' || classid || ' ' || objid || ' ' || mode FROM pg_locks WHERE locktype = 'advisory'
UNION ALL SELECT 'setting of the server ' || name || '=' || setting FROM pg_file_settings WHERE sourcefile ~ 'auto.conf'";

/// What the next client of the shared server connection finds there. PgBouncer itself keeps five
/// settings for each client; names of statements that it or Portcullis gives are nobody else's.
const LEFT: &str = "
SELECT 'left: ' || name || ' = ' || setting FROM pg_catalog.pg_settings WHERE name NOT IN
    ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings',
     'transaction_isolation', 'transaction_read_only', 'transaction_deferrable')
    AND name NOT LIKE 'app.%' AND source = 'session'
UNION ALL SELECT 'left: the user ' || current_user
UNION ALL SELECT 'left: ' || name || ' = ' || setting FROM
    (VALUES ('app.tenant_id', coalesce(current_setting('app.tenant_id', true), '')),
            ('app.made', coalesce(current_setting('app.made', true), '')),
            ('search_path', current_setting('search_path')),
            ('transaction_read_only', current_setting('transaction_read_only')),
            ('transaction_isolation', current_setting('transaction_isolation'))) settings (name, setting)
UNION ALL SELECT 'left: listens to ' || channel FROM pg_catalog.pg_listening_channels() channel
UNION ALL SELECT 'left: cursor ' || name FROM pg_catalog.pg_cursors WHERE name <> ''
UNION ALL SELECT 'left: statement ' || name || ' ' || statement FROM pg_catalog.pg_prepared_statements WHERE name !~ '^(PGBOUNCER|pc)_'
UNION ALL SELECT 'left: order ' || note FROM public.orders WHERE tenant_id <> 'acme'
UNION ALL SELECT 'left: temporary ' || relname FROM pg_catalog.pg_class WHERE relnamespace = pg_my_temp_schema()";

/// The superuser's connection to the database.
pub fn superuser(stack: &Stack, database: &str) -> Wire {
    let login = Login {
        port: stack.cluster.port,
        user: "postgres".into(),
        password: cluster::SUPERUSER_PASSWORD.into(),
        ..stack.login("shop_acme", database)
    };
    Wire::login_with(&login, Transport::Plain, &[])
}

/// What a superuser finds in the database and on the server.
pub fn durable(wire: &mut Wire, probe: &str) -> Evidence {
    let catalogs = CATALOGS.map(|(catalog, own)| {
        format!("SELECT '{catalog} ' || t::text FROM pg_catalog.{catalog} t WHERE {own}")
    });
    let mut lines = rows(&asked(
        wire,
        &format!("{} UNION ALL {OTHERS}", catalogs.join(" UNION ALL ")),
    ));
    if !probe.is_empty() {
        lines.extend(
            rows(&asked(wire, probe))
                .into_iter()
                .map(|line| format!("probe: {line}")),
        );
    }
    lines
}

/// What the next client of `user`'s server connection finds.
pub fn left(stack: &Stack, port: u16, user: &str) -> Evidence {
    let login = stack.login_at(port, user, "shop");
    let mut wire = Wire::login_with(&login, Transport::Plain, &[]);
    let answer = wire.query(LEFT);
    match message::error(&answer) {
        // A client before has done something to the connection that breaks even this.
        Some(error) => [format!("left: {error:?}")].into(),
        None => rows(&answer),
    }
}

/// Secrets in the answers that the attacker got.
pub fn seen(answers: &[Message]) -> Evidence {
    let text = |message: &Message| String::from_utf8_lossy(&message.body).into_owned();
    answers
        .iter()
        .filter(|message| matches!(message.kind, b'D' | b'd' | b'V' | b'A' | b'N'))
        .map(text)
        .flat_map(|text| {
            SECRETS
                .into_iter()
                .filter(move |secret| text.contains(secret))
        })
        .map(|secret| format!("the attacker sees {secret}"))
        .collect()
}

/// Files that programs and COPY have made.
pub fn files(directory: &std::path::Path) -> Evidence {
    let entries = std::fs::read_dir(directory).expect("the directory for files");
    entries
        .map(|entry| {
            let path = entry.expect("a file").path();
            let text = std::fs::read(&path).unwrap_or_default();
            format!("file {} {}", path.display(), String::from_utf8_lossy(&text))
        })
        .collect()
}

/// Asks; panics on an error.
pub fn asked(wire: &mut Wire, sql: &str) -> Vec<Message> {
    let answer = wire.query(sql);
    if let Some(error) = message::error(&answer) {
        panic!("{}: {sql}", String::from_utf8_lossy(&error.body));
    }
    answer
}

fn rows(answer: &[Message]) -> Evidence {
    message::column(answer).into_iter().collect()
}
