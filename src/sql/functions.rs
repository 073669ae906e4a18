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
    /// Tables, partitions, columns and jobs that an extension makes, changes or drops.
    ExtensionDdl,
    /// Moves a sequence.
    Sequences,
    /// The numbers that sequences gave this session.
    SessionNumbers,
    /// Changes a parameter of the session that its statement does not name.
    SessionSettings,
}

use FunctionGroup::*;

/// Every function of pgRouting takes a query as text.
const ROUTING: &str = "pgr_*";
/// Every function in the schema of pg_cron, whose names alone (`schedule`) are anybody's.
pub(super) const CRON: &str = "cron.*";

/// The guarded functions, sorted by name: PostgreSQL's, and those of well-known extensions (contrib,
/// pglogical, spock, BDR, Citus, pg_background, pg_cron, pg_partman, PostGIS, TimescaleDB, pg_squeeze,
/// pg_ivm, aws_s3). `pgr_*` and `cron.*` stand for all of pgRouting and pg_cron. `current_setting` is not one.
pub const FUNCTIONS: &[(&str, FunctionGroup)] = &[
    ("add_columnstore_policy", ExtensionDdl),
    ("add_compression_policy", ExtensionDdl),
    ("add_continuous_aggregate_policy", ExtensionDdl),
    ("add_data_node", ExtensionDdl),
    ("add_dimension", ExtensionDdl),
    ("add_job", ExtensionDdl),
    ("add_reorder_policy", ExtensionDdl),
    ("add_retention_policy", ExtensionDdl),
    ("addgeometrycolumn", ExtensionDdl),
    ("addoverviewconstraints", ExtensionDdl),
    ("addrasterconstraints", ExtensionDdl),
    ("addtopogeometrycolumn", ExtensionDdl),
    ("alter_distributed_table", ExtensionDdl),
    ("alter_job", ExtensionDdl),
    ("alter_table_set_access_method", ExtensionDdl),
    ("apply_cluster", ExtensionDdl),
    ("apply_constraints", ExtensionDdl),
    ("apply_foreign_keys", ExtensionDdl),
    ("apply_privileges", ExtensionDdl),
    ("attach_chunk", ExtensionDdl),
    ("attach_data_node", ExtensionDdl),
    ("attach_tablespace", ExtensionDdl),
    ("autoprewarm_dump_now", Server),
    ("autoprewarm_start_worker", Server),
    ("bdr_replicate_ddl_command", DynamicSql),
    ("citus_activate_node", ExtensionDdl),
    ("citus_add_inactive_node", ExtensionDdl),
    ("citus_add_local_table_to_metadata", ExtensionDdl),
    ("citus_add_node", ExtensionDdl),
    ("citus_add_secondary_node", ExtensionDdl),
    ("citus_cleanup_orphaned_resources", ExtensionDdl),
    ("citus_copy_shard_placement", ExtensionDdl),
    ("citus_disable_node", ExtensionDdl),
    ("citus_drain_node", ExtensionDdl),
    ("citus_drop_all_shards", ExtensionDdl),
    ("citus_move_shard_placement", ExtensionDdl),
    ("citus_rebalance_start", ExtensionDdl),
    ("citus_rebalance_stop", ExtensionDdl),
    ("citus_remove_node", ExtensionDdl),
    ("citus_schema_distribute", ExtensionDdl),
    ("citus_schema_move", ExtensionDdl),
    ("citus_schema_undistribute", ExtensionDdl),
    ("citus_set_coordinator_host", ExtensionDdl),
    ("citus_set_node_property", ExtensionDdl),
    ("citus_split_shard_by_split_points", ExtensionDdl),
    ("citus_update_node", ExtensionDdl),
    ("compress_chunk", ExtensionDdl),
    ("connectby", DynamicSql),
    ("copy_chunk", ExtensionDdl),
    ("copytopology", ExtensionDdl),
    ("create_distributed_function", ExtensionDdl),
    ("create_distributed_hypertable", ExtensionDdl),
    ("create_distributed_table", ExtensionDdl),
    ("create_distributed_table_concurrently", ExtensionDdl),
    ("create_hypertable", ExtensionDdl),
    ("create_immv", ExtensionDdl),
    ("create_parent", ExtensionDdl),
    ("create_partition_id", ExtensionDdl),
    ("create_partition_time", ExtensionDdl),
    ("create_reference_table", ExtensionDdl),
    ("create_sub_parent", ExtensionDdl),
    ("create_time_partitions", ExtensionDdl),
    ("createtopology", ExtensionDdl),
    ("cron.*", DynamicSql),
    ("crosstab", DynamicSql),
    ("crosstab2", DynamicSql),
    ("crosstab3", DynamicSql),
    ("crosstab4", DynamicSql),
    ("crosstabn", DynamicSql),
    ("currval", SessionNumbers),
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
    ("decompress_chunk", ExtensionDdl),
    ("delete_data_node", ExtensionDdl),
    ("delete_job", ExtensionDdl),
    ("detach_chunk", ExtensionDdl),
    ("detach_data_node", ExtensionDdl),
    ("detach_tablespace", ExtensionDdl),
    ("detach_tablespaces", ExtensionDdl),
    ("disable_chunk_skipping", ExtensionDdl),
    ("disablelongtransactions", ExtensionDdl),
    ("drop_chunks", ExtensionDdl),
    ("drop_constraints", ExtensionDdl),
    ("drop_partition_id", ExtensionDdl),
    ("drop_partition_time", ExtensionDdl),
    ("dropgeometrycolumn", ExtensionDdl),
    ("dropgeometrytable", ExtensionDdl),
    ("dropoverviewconstraints", ExtensionDdl),
    ("droprasterconstraints", ExtensionDdl),
    ("droptopogeometrycolumn", ExtensionDdl),
    ("droptopology", ExtensionDdl),
    ("enable_chunk_skipping", ExtensionDdl),
    ("enablelongtransactions", ExtensionDdl),
    ("get_raw_page", Files),
    ("heap_force_freeze", Server),
    ("heap_force_kill", Server),
    ("inherit_template_properties", ExtensionDdl),
    ("install_missing_indexes", ExtensionDdl),
    ("isolate_tenant_to_new_shard", ExtensionDdl),
    ("lastval", SessionNumbers),
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
    ("master_add_node", ExtensionDdl),
    ("master_apply_delete_command", ExtensionDdl),
    ("master_copy_shard_placement", ExtensionDdl),
    ("master_create_distributed_table", ExtensionDdl),
    ("master_create_empty_shard", ExtensionDdl),
    ("master_drop_all_shards", ExtensionDdl),
    ("master_modify_multiple_shards", DynamicSql),
    ("master_move_shard_placement", ExtensionDdl),
    ("master_remove_node", ExtensionDdl),
    ("master_run_on_worker", Connections),
    ("merge_chunks", ExtensionDdl),
    ("move_chunk", ExtensionDdl),
    ("partition_data_id", ExtensionDdl),
    ("partition_data_time", ExtensionDdl),
    ("partition_gap_fill", ExtensionDdl),
    ("pg_advisory_lock", SessionLocks),
    ("pg_advisory_lock_shared", SessionLocks),
    ("pg_advisory_unlock", SessionLocks),
    ("pg_advisory_unlock_all", SessionLocks),
    ("pg_advisory_unlock_shared", SessionLocks),
    ("pg_available_wal_summaries", Files),
    ("pg_background_launch", DynamicSql),
    ("pg_backup_start", Server),
    ("pg_backup_stop", Server),
    ("pg_buffercache_evict", Server),
    ("pg_buffercache_evict_all", Server),
    ("pg_buffercache_evict_relation", Server),
    ("pg_buffercache_mark_dirty", Server),
    ("pg_buffercache_mark_dirty_all", Server),
    ("pg_buffercache_mark_dirty_relation", Server),
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
    ("pg_file_settings", Files),
    ("pg_file_sync", Files),
    ("pg_file_unlink", Files),
    ("pg_file_write", Files),
    ("pg_get_logical_snapshot_info", Files),
    ("pg_get_logical_snapshot_meta", Files),
    ("pg_get_wal_block_info", Files),
    ("pg_get_wal_fpi_info", Files),
    ("pg_get_wal_record_info", Files),
    ("pg_get_wal_records_info", Files),
    ("pg_get_wal_records_info_till_end_of_wal", Files),
    ("pg_get_wal_stats", Files),
    ("pg_get_wal_stats_till_end_of_wal", Files),
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
    ("pg_truncate_visibility_map", Server),
    ("pg_try_advisory_lock", SessionLocks),
    ("pg_try_advisory_lock_shared", SessionLocks),
    ("pg_wal_replay_pause", Server),
    ("pg_wal_replay_resume", Server),
    ("pg_wal_summary_contents", Files),
    ("pgr_*", DynamicSql),
    ("populate_geometry_columns", ExtensionDdl),
    ("postgis_extensions_upgrade", ExtensionDdl),
    ("postgres_fdw_disconnect", Connections),
    ("postgres_fdw_disconnect_all", Connections),
    ("postgres_fdw_get_connections", Connections),
    ("query_export_to_s3", DynamicSql),
    ("query_to_xml", DynamicSql),
    ("query_to_xml_and_xmlschema", DynamicSql),
    ("query_to_xmlschema", DynamicSql),
    ("reapply_privileges", ExtensionDdl),
    ("rebalance_table_shards", ExtensionDdl),
    ("recompress_chunk", ExtensionDdl),
    ("remove_columnstore_policy", ExtensionDdl),
    ("remove_compression_policy", ExtensionDdl),
    ("remove_continuous_aggregate_policy", ExtensionDdl),
    ("remove_local_tables_from_metadata", ExtensionDdl),
    ("remove_reorder_policy", ExtensionDdl),
    ("remove_retention_policy", ExtensionDdl),
    ("renametopogeometrycolumn", ExtensionDdl),
    ("renametopology", ExtensionDdl),
    ("reorder_chunk", ExtensionDdl),
    ("replicate_ddl", DynamicSql),
    ("replicate_ddl_command", DynamicSql),
    ("replicate_table_shards", ExtensionDdl),
    ("run_command_on_all_nodes", DynamicSql),
    ("run_command_on_colocated_placements", DynamicSql),
    ("run_command_on_coordinator", DynamicSql),
    ("run_command_on_placements", DynamicSql),
    ("run_command_on_shards", DynamicSql),
    ("run_command_on_workers", DynamicSql),
    ("run_maintenance", ExtensionDdl),
    ("schedule_in_database", DynamicSql),
    ("schema_to_xml", DynamicSql),
    ("schema_to_xml_and_xmlschema", DynamicSql),
    ("schema_to_xmlschema", DynamicSql),
    ("set_adaptive_chunking", ExtensionDdl),
    ("set_chunk_time_interval", ExtensionDdl),
    ("set_config", Settings),
    ("set_integer_now_func", ExtensionDdl),
    ("set_limit", SessionSettings),
    ("set_number_partitions", ExtensionDdl),
    ("set_partitioning_interval", ExtensionDdl),
    ("setval", Sequences),
    ("split_chunk", ExtensionDdl),
    ("squeeze_table", ExtensionDdl),
    ("st_createoverview", ExtensionDdl),
    ("stop_sub_partition", ExtensionDdl),
    ("table_import_from_s3", Connections),
    ("table_to_xml", DynamicSql),
    ("table_to_xml_and_xmlschema", DynamicSql),
    ("table_to_xmlschema", DynamicSql),
    ("timescaledb_post_restore", ExtensionDdl),
    ("timescaledb_pre_restore", ExtensionDdl),
    ("truncate_local_data_after_distributing_table", ExtensionDdl),
    ("ts_rewrite", DynamicSql),
    ("ts_stat", DynamicSql),
    ("undistribute_table", ExtensionDdl),
    ("undo_partition", ExtensionDdl),
    ("updategeometrysrid", ExtensionDdl),
    ("upgradetopology", ExtensionDdl),
    ("worker_apply_inter_shard_ddl_command", ExtensionDdl),
    ("worker_apply_sequence_command", ExtensionDdl),
    ("worker_apply_shard_ddl_command", ExtensionDdl),
    ("worker_create_or_replace_object", ExtensionDdl),
    ("worker_drop_distributed_table", ExtensionDdl),
    ("xpath_table", DynamicSql),
];

/// Longer than any name in [`FUNCTIONS`] or of pgRouting, in bytes.
pub(super) const LONGEST: usize = 63;

const _: () = assert!(longest() <= LONGEST);

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
    if name.starts_with(b"pgr_") {
        return Some(ROUTING);
    }
    // Most columns and functions need no search: they differ in length from those with that letter.
    if name.len() > LONGEST || LENGTHS[*name.first()? as usize] & (1 << name.len()) == 0 {
        return None;
    }
    let found = FUNCTIONS
        .binary_search_by(|(function, _)| function.as_bytes().cmp(name))
        .ok()?;
    Some(FUNCTIONS[found].0)
}

/// Views that show what guarded functions read. Their names count wherever they stand.
const VIEWS: [&str; 3] = [
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
];

/// The guarded view called `name`, as PostgreSQL stores names.
pub(super) fn view(name: &[u8]) -> Option<&'static str> {
    VIEWS.into_iter().find(|view| view.as_bytes() == name)
}

/// Can a name of so many bytes be that of a guarded view? Most need no comparison.
pub(super) const fn may_be_view(bytes: usize) -> bool {
    matches!(bytes, 16 | 17 | 22)
}

/// The group of a guarded function.
pub fn group(function: &str) -> Option<FunctionGroup> {
    let found = FUNCTIONS
        .binary_search_by(|(name, _)| (*name).cmp(function))
        .ok()?;
    Some(FUNCTIONS[found].1)
}
