//! The functions a policy may guard: what they do cannot be seen in the statement that calls them.

/// What a guarded function reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionGroup {
    /// Changes a configuration parameter.
    Settings,
    /// Runs text as SQL.
    DynamicSql,
    /// Reads or writes files of the server.
    Files,
    /// Large objects.
    LargeObjects,
    /// Session-level advisory locks, which outlive a transaction.
    SessionLocks,
    /// Other backends and the server as a whole.
    Server,
    /// Replication slots and origins.
    Replication,
    /// Opens or uses connections to other servers.
    Connections,
}

use FunctionGroup::*;

/// The guarded functions, sorted by name: PostgreSQL's, and those of well-known extensions (contrib,
/// pglogical, BDR, Citus, pg_background, pg_cron, aws_s3). `current_setting` is not one.
pub const FUNCTIONS: &[(&str, FunctionGroup)] = &[
    ("bdr_replicate_ddl_command", DynamicSql),
    ("connectby", DynamicSql),
    ("crosstab", DynamicSql),
    ("crosstab2", DynamicSql),
    ("crosstab3", DynamicSql),
    ("crosstab4", DynamicSql),
    ("crosstabn", DynamicSql),
    ("cursor_to_xml", DynamicSql),
    ("cursor_to_xmlschema", DynamicSql),
    ("database_to_xml", DynamicSql),
    ("database_to_xml_and_xmlschema", DynamicSql),
    ("database_to_xmlschema", DynamicSql),
    ("dblink", Connections),
    ("dblink_build_sql_delete", Connections),
    ("dblink_build_sql_insert", Connections),
    ("dblink_build_sql_update", Connections),
    ("dblink_cancel_query", Connections),
    ("dblink_close", Connections),
    ("dblink_connect", Connections),
    ("dblink_connect_u", Connections),
    ("dblink_current_query", Connections),
    ("dblink_disconnect", Connections),
    ("dblink_error_message", Connections),
    ("dblink_exec", Connections),
    ("dblink_fdw_validator", Connections),
    ("dblink_fetch", Connections),
    ("dblink_get_connections", Connections),
    ("dblink_get_notify", Connections),
    ("dblink_get_pkey", Connections),
    ("dblink_get_result", Connections),
    ("dblink_is_busy", Connections),
    ("dblink_open", Connections),
    ("dblink_send_query", Connections),
    ("lo_close", LargeObjects),
    ("lo_creat", LargeObjects),
    ("lo_create", LargeObjects),
    ("lo_export", Files),
    ("lo_from_bytea", LargeObjects),
    ("lo_get", LargeObjects),
    ("lo_import", Files),
    ("lo_lseek", LargeObjects),
    ("lo_lseek64", LargeObjects),
    ("lo_open", LargeObjects),
    ("lo_put", LargeObjects),
    ("lo_tell", LargeObjects),
    ("lo_tell64", LargeObjects),
    ("lo_truncate", LargeObjects),
    ("lo_truncate64", LargeObjects),
    ("lo_unlink", LargeObjects),
    ("loread", LargeObjects),
    ("lowrite", LargeObjects),
    ("master_run_on_worker", Connections),
    ("pg_advisory_lock", SessionLocks),
    ("pg_advisory_lock_shared", SessionLocks),
    ("pg_advisory_unlock", SessionLocks),
    ("pg_advisory_unlock_all", SessionLocks),
    ("pg_advisory_unlock_shared", SessionLocks),
    ("pg_background_launch", DynamicSql),
    ("pg_backup_start", Server),
    ("pg_backup_stop", Server),
    ("pg_cancel_backend", Server),
    ("pg_clear_attribute_stats", Server),
    ("pg_clear_relation_stats", Server),
    ("pg_copy_logical_replication_slot", Replication),
    ("pg_copy_physical_replication_slot", Replication),
    ("pg_create_logical_replication_slot", Replication),
    ("pg_create_physical_replication_slot", Replication),
    ("pg_create_restore_point", Server),
    ("pg_current_logfile", Files),
    ("pg_drop_replication_slot", Replication),
    ("pg_file_length", Files),
    ("pg_file_read", Files),
    ("pg_file_rename", Files),
    ("pg_file_sync", Files),
    ("pg_file_unlink", Files),
    ("pg_file_write", Files),
    ("pg_hba_file_rules", Files),
    ("pg_ident_file_mappings", Files),
    ("pg_import_system_collations", Server),
    ("pg_log_backend_memory_contexts", Server),
    ("pg_log_standby_snapshot", Server),
    ("pg_logdir_ls", Files),
    ("pg_logical_emit_message", Replication),
    ("pg_logical_slot_get_binary_changes", Replication),
    ("pg_logical_slot_get_changes", Replication),
    ("pg_logical_slot_peek_binary_changes", Replication),
    ("pg_logical_slot_peek_changes", Replication),
    ("pg_ls_archive_statusdir", Files),
    ("pg_ls_dir", Files),
    ("pg_ls_logdir", Files),
    ("pg_ls_logicalmapdir", Files),
    ("pg_ls_logicalsnapdir", Files),
    ("pg_ls_replslotdir", Files),
    ("pg_ls_summariesdir", Files),
    ("pg_ls_tmpdir", Files),
    ("pg_ls_waldir", Files),
    ("pg_promote", Server),
    ("pg_read_binary_file", Files),
    ("pg_read_file", Files),
    ("pg_read_file_old", Files),
    ("pg_reload_conf", Server),
    ("pg_replication_origin_advance", Replication),
    ("pg_replication_origin_create", Replication),
    ("pg_replication_origin_drop", Replication),
    ("pg_replication_origin_session_reset", Replication),
    ("pg_replication_origin_session_setup", Replication),
    ("pg_replication_origin_xact_reset", Replication),
    ("pg_replication_origin_xact_setup", Replication),
    ("pg_replication_slot_advance", Replication),
    ("pg_restore_attribute_stats", Server),
    ("pg_restore_relation_stats", Server),
    ("pg_rotate_logfile", Server),
    ("pg_rotate_logfile_old", Server),
    ("pg_show_all_file_settings", Files),
    ("pg_start_backup", Server),
    ("pg_stat_file", Files),
    ("pg_stat_reset", Server),
    ("pg_stat_reset_backend_stats", Server),
    ("pg_stat_reset_replication_slot", Server),
    ("pg_stat_reset_shared", Server),
    ("pg_stat_reset_single_function_counters", Server),
    ("pg_stat_reset_single_table_counters", Server),
    ("pg_stat_reset_slru", Server),
    ("pg_stat_reset_subscription_stats", Server),
    ("pg_stat_statements_reset", Server),
    ("pg_stop_backup", Server),
    ("pg_switch_wal", Server),
    ("pg_sync_replication_slots", Replication),
    ("pg_terminate_backend", Server),
    ("pg_try_advisory_lock", SessionLocks),
    ("pg_try_advisory_lock_shared", SessionLocks),
    ("pg_wal_replay_pause", Server),
    ("pg_wal_replay_resume", Server),
    ("postgres_fdw_disconnect", Connections),
    ("postgres_fdw_disconnect_all", Connections),
    ("postgres_fdw_get_connections", Connections),
    ("query_export_to_s3", DynamicSql),
    ("query_to_xml", DynamicSql),
    ("query_to_xml_and_xmlschema", DynamicSql),
    ("query_to_xmlschema", DynamicSql),
    ("replicate_ddl_command", DynamicSql),
    ("run_command_on_all_nodes", DynamicSql),
    ("run_command_on_colocated_placements", DynamicSql),
    ("run_command_on_coordinator", DynamicSql),
    ("run_command_on_placements", DynamicSql),
    ("run_command_on_shards", DynamicSql),
    ("run_command_on_workers", DynamicSql),
    ("schedule_in_database", DynamicSql),
    ("schema_to_xml", DynamicSql),
    ("schema_to_xml_and_xmlschema", DynamicSql),
    ("schema_to_xmlschema", DynamicSql),
    ("set_config", Settings),
    ("table_import_from_s3", Connections),
    ("table_to_xml", DynamicSql),
    ("table_to_xml_and_xmlschema", DynamicSql),
    ("table_to_xmlschema", DynamicSql),
    ("ts_rewrite", DynamicSql),
    ("ts_stat", DynamicSql),
    ("xpath_table", DynamicSql),
];

/// The longest name in [`FUNCTIONS`], in bytes.
pub(super) const LONGEST: usize = longest();

const fn longest() -> usize {
    let (mut most, mut at) = (0, 0);
    while at < FUNCTIONS.len() {
        if FUNCTIONS[at].0.len() > most {
            most = FUNCTIONS[at].0.len();
        }
        at += 1;
    }
    most
}

/// By the first byte of a name: the lengths that guarded functions beginning with it have, a bit for each.
static LENGTHS: [u64; 256] = lengths();

const fn lengths() -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < FUNCTIONS.len() {
        let name = FUNCTIONS[at].0.as_bytes();
        table[name[0] as usize] |= 1 << name.len();
        at += 1;
    }
    table
}

/// The guarded function called `name`, as PostgreSQL stores names.
pub(super) fn find(name: &[u8]) -> Option<&'static str> {
    // Most columns and functions need no search: they differ in length from those with that letter.
    if name.len() > LONGEST || LENGTHS[*name.first()? as usize] & (1 << name.len()) == 0 {
        return None;
    }
    let found = FUNCTIONS
        .binary_search_by(|(function, _)| function.as_bytes().cmp(name))
        .ok()?;
    Some(FUNCTIONS[found].0)
}

/// The group of a guarded function.
pub fn group(function: &str) -> Option<FunctionGroup> {
    let found = FUNCTIONS
        .binary_search_by(|(name, _)| (*name).cmp(function))
        .ok()?;
    Some(FUNCTIONS[found].1)
}
