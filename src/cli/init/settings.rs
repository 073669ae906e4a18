//! What becomes of each setting of PgBouncer.

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has a place in the files that are written.
    Carried,
    /// PgBouncer stays where it is and goes on doing this.
    Stays,
    /// It has no counterpart, for this reason.
    Lost(&'static str),
}

const NO_QUERY: &str = "verifiers are read from auth_file only; put the logins' verifiers there";
const TLS_FIXED: &str = "Portcullis speaks TLS 1.2 and 1.3 with the suites of its library";
const CONSOLE: &str =
    "give these people console = \"viewer\", \"operator\" or \"dba\" in the policy";

/// Settings of `[pgbouncer]` that have a place or are missed.
const KNOWN: [(&str, Fate); 27] = [
    ("listen_addr", Fate::Carried),
    ("listen_port", Fate::Carried),
    ("auth_file", Fate::Carried),
    ("auth_type", Fate::Carried),
    ("pool_mode", Fate::Carried),
    ("max_client_conn", Fate::Carried),
    ("client_login_timeout", Fate::Carried),
    ("client_tls_sslmode", Fate::Carried),
    ("client_tls_cert_file", Fate::Carried),
    ("client_tls_key_file", Fate::Carried),
    ("ignore_startup_parameters", Fate::Carried),
    (
        "client_tls_ca_file",
        Fate::Lost(
            "Portcullis asks applications for certificates only where a zone comes from them: ca_file in [client_tls]",
        ),
    ),
    ("client_tls_protocols", Fate::Lost(TLS_FIXED)),
    ("client_tls_ciphers", Fate::Lost(TLS_FIXED)),
    ("client_tls13_ciphers", Fate::Lost(TLS_FIXED)),
    ("client_tls_ecdhcurve", Fate::Lost(TLS_FIXED)),
    ("client_tls_dheparams", Fate::Lost(TLS_FIXED)),
    ("auth_query", Fate::Lost(NO_QUERY)),
    ("auth_user", Fate::Lost(NO_QUERY)),
    ("auth_dbname", Fate::Lost(NO_QUERY)),
    (
        "auth_hba_file",
        Fate::Lost("write the addresses of a login into the policy: networks = [...] in its table"),
    ),
    (
        "auth_ident_file",
        Fate::Lost(
            "a login is the name that the client gives; certificates say no login, only a zone",
        ),
    ),
    (
        "auth_ldap_options",
        Fate::Lost("Portcullis asks no LDAP server: verifiers are read from auth_file only"),
    ),
    (
        "login_notify_message",
        Fate::Lost("PgBouncer sends it to whoever logs in to it, which is Portcullis now"),
    ),
    (
        "application_name_add_host",
        Fate::Lost("PgBouncer adds the address of Portcullis from now on"),
    ),
    ("admin_users", Fate::Lost(CONSOLE)),
    ("stats_users", Fate::Lost(CONSOLE)),
];

/// Settings of `[pgbouncer]` that PgBouncer goes on obeying; what begins with one of the words that
/// end in `_` does so, too.
const STAY: [&str; 57] = [
    "server_",
    "log_",
    "syslog",
    "syslog_",
    "tcp_",
    "dns_",
    "unix_socket_",
    "default_pool_size",
    "min_pool_size",
    "reserve_pool_size",
    "reserve_pool_timeout",
    "max_db_connections",
    "max_user_connections",
    "max_db_client_connections",
    "max_user_client_connections",
    "query_timeout",
    "query_wait_timeout",
    "query_wait_notify",
    "cancel_wait_timeout",
    "client_idle_timeout",
    "idle_transaction_timeout",
    "transaction_timeout",
    "autodb_idle_timeout",
    "pool_idle_timeout",
    "suspend_timeout",
    "shutdown_timeout",
    "logfile",
    "pidfile",
    "verbose",
    "stats_period",
    "so_reuseport",
    "pkt_buf",
    "listen_backlog",
    "sbuf_loopcnt",
    "max_packet_size",
    "max_prepared_statements",
    "resolv_conf",
    "user",
    "service_name",
    "job_name",
    "conffile",
    "disable_pqexec",
    "peer_id",
    "track_extra_parameters",
    "scram_iterations",
    // Of a database or a user.
    "host",
    "port",
    "dbname",
    "password",
    "pool_size",
    "reserve_pool",
    "connect_query",
    "datestyle",
    "timezone",
    "application_name",
    "load_balance_hosts",
    "target_session_attrs",
];

/// Of a setting of `[pgbouncer]`; `None`: it is not known.
pub(super) fn fate(key: &str) -> Option<Fate> {
    let known = KNOWN.iter().find(|(name, _)| *name == key);
    known
        .map(|(_, fate)| *fate)
        .or(stays(key).then_some(Fate::Stays))
}

/// Of a setting of a database or user that is not looked at: does it stay?
pub(super) fn stays(key: &str) -> bool {
    STAY.iter().any(|name| match name.ends_with('_') {
        true => key.starts_with(name),
        false => key == *name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_carried_stay_are_lost_or_unknown() {
        assert_eq!(fate("listen_port"), Some(Fate::Carried));
        assert_eq!(fate("pool_mode"), Some(Fate::Carried));
        assert_eq!(fate("server_tls_ca_file"), Some(Fate::Stays));
        assert_eq!(fate("default_pool_size"), Some(Fate::Stays));
        assert_eq!(fate("auth_query"), Some(Fate::Lost(NO_QUERY)));
        assert_eq!(fate("lissten_port"), None);
        assert!(stays("dbname") && !stays("auth_user"));
    }

    /// Everything that was new in PgBouncer 1.19 to 1.26, and what stands in its main branch.
    #[test]
    fn newer_settings_are_known() {
        for key in [
            "auth_dbname",
            "peer_id",
            "server_tls13_ciphers",
            "client_tls13_ciphers",
            "track_extra_parameters",
            "max_prepared_statements",
            "scram_iterations",
            "auth_ident_file",
            "auth_ldap_options",
            "transaction_timeout",
            "query_wait_notify",
            "max_db_client_connections",
            "max_user_client_connections",
            "login_notify_message",
            "pool_idle_timeout",
        ] {
            assert!(fate(key).is_some(), "{key}");
        }
        for key in [
            "load_balance_hosts",
            "target_session_attrs",
            "server_lifetime",
            "min_pool_size",
            "reserve_pool_size",
            "client_idle_timeout",
        ] {
            assert!(stays(key), "{key}");
        }
    }
}
