//! Guarded functions in PostgreSQL's other way to write a call, `x.f` for f(x): where x has no column f.
//!
//! x can be a row, of a table or of a query; or, where it is a function in FROM or `(expression)`, any value.

/// What `x.f` can be for a guarded function f.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByDot {
    /// Never a call: f does not take exactly one argument.
    Never,
    /// A call where x is a value of f's type, and a column where x is a row.
    OfValue,
    /// A call of what a query returns, too, and a column where x is a table: its rows have a type of their own.
    OfQuery,
    /// A call of a row, too.
    OfRow,
}

/// What it is for the guarded function `function`. What other extensions have is taken to have one argument.
pub fn by_dot(function: &str) -> ByDot {
    if function == TYPED {
        ByDot::OfQuery
    } else if ROW.contains(&function) {
        ByDot::OfRow
    } else if NEVER.binary_search(&function).is_ok() {
        ByDot::Never
    } else {
        ByDot::OfValue
    }
}

/// `"any"`
const ROW: [&str; 3] = [
    "pg_restore_attribute_stats",
    "pg_restore_extended_stats",
    "pg_restore_relation_stats",
];

/// The one of them that takes rows of one type only.
pub(in crate::sql) const TYPED: &str = "http";

/// Functions of PostgreSQL 15 to 18 and of their contrib modules, sorted: without arguments, or with two and
/// more that have no default. Views of a function's name are not among them.
const NEVER: &[&str] = &[
    "autoprewarm_dump_now",
    "autoprewarm_start_worker",
    "brin_desummarize_range",
    "connectby",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "dblink_build_sql_delete",
    "dblink_build_sql_insert",
    "dblink_build_sql_update",
    "dblink_current_query",
    "dblink_fdw_validator",
    "dblink_fetch",
    "dblink_get_connections",
    "dblink_open",
    "dblink_send_query",
    "get_raw_page",
    "heap_force_freeze",
    "heap_force_kill",
    "lo_export",
    "lo_from_bytea",
    "lo_lseek",
    "lo_lseek64",
    "lo_open",
    "lo_put",
    "lo_truncate",
    "lo_truncate64",
    "loread",
    "lowrite",
    "pg_advisory_unlock_all",
    "pg_available_wal_summaries",
    "pg_buffercache_evict_all",
    "pg_clear_attribute_stats",
    "pg_clear_extended_stats",
    "pg_clear_relation_stats",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_file_rename",
    "pg_file_write",
    "pg_get_wal_block_info",
    "pg_get_wal_records_info",
    "pg_get_wal_stats",
    "pg_log_standby_snapshot",
    "pg_logdir_ls",
    "pg_logfile_rotate",
    "pg_logical_emit_message",
    "pg_logical_slot_get_binary_changes",
    "pg_logical_slot_get_changes",
    "pg_logical_slot_peek_binary_changes",
    "pg_logical_slot_peek_changes",
    "pg_ls_archive_statusdir",
    "pg_ls_logdir",
    "pg_ls_logicalmapdir",
    "pg_ls_logicalsnapdir",
    "pg_ls_summariesdir",
    "pg_ls_waldir",
    "pg_notify",
    "pg_read_file_old",
    "pg_reload_conf",
    "pg_replication_origin_advance",
    "pg_replication_origin_session_reset",
    "pg_replication_origin_xact_reset",
    "pg_replication_origin_xact_setup",
    "pg_replication_slot_advance",
    "pg_rotate_logfile",
    "pg_rotate_logfile_old",
    "pg_show_all_file_settings",
    "pg_stat_reset",
    "pg_switch_wal",
    "pg_sync_replication_slots",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "pg_wal_summary_contents",
    "postgres_fdw_disconnect_all",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "set_config",
    "setval",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "ts_rewrite",
    "xpath_table",
];

#[cfg(test)]
mod tests {
    use super::NEVER;

    #[test]
    fn names_are_sorted() {
        assert!(NEVER.is_sorted());
        assert!(NEVER.iter().all(|name| super::super::group(name).is_some()));
    }
}
