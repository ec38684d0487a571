/**
 * Functions of PostgreSQL, and of extensions that people install, that a tool call may not reach. Judged by the last part of the
 * name, so that schema-qualified and quoted spellings are the same. A read-only transaction stops none of these (measured).
 * A test compares the lists with `pg_proc`: every volatile function of the server is either here or named there as harmless.
 */

/** Reach files, programs, other servers or other sessions, take SQL as text, or change the session: refused to read and to write. */
const REACHES = [
  // Files and directories of the server, its logs and its configuration.
  /^pg_(read|ls|file|logdir)_/,
  /^pg_(stat_file|current_logfile|rotate_logfile|rotate_logfile_old|reload_conf|hba_file_rules|ident_file_mappings|show_all_file_settings)$/,
  /^lo_(import|export)(_with_oid)?$/,
  /^pg_(get_loaded_modules|get_backend_memory_contexts|get_shmem_allocations|get_shmem_allocations_numa|get_aios|log_backend_memory_contexts)$/,
  // Other servers: dblink, foreign data wrappers, HTTP and cloud extensions.
  /^dblink/,
  /^postgres_fdw_/,
  /^http(_|$)/,
  /^urlencode_http$/,
  /^xslt_process$/,
  // SQL given as text, which no parser here has seen.
  /^(query|cursor|table|schema|database)_to_xml/,
  /^(ts_stat|ts_rewrite|xpath_table)$/,
  /^(crosstab|connectby)/,
  // Other sessions, the server itself, replication, backup.
  /^pg_(cancel|terminate)_backend$/,
  /^pg_(promote|switch_wal|switch_xlog|log_standby_snapshot|export_snapshot|sync_replication_slots|nextoid|stop_making_pinned_objects)$/,
  /^pg_(wal_replay|xlog_replay)_/,
  /^pg_(start_backup|stop_backup|backup_start|backup_stop|create_restore_point|extension_config_dump|import_system_collations)$/,
  /^pg_(create|drop|copy)_.*slot$/,
  /^pg_(replication|logical)_/,
  /^pg_(get_wal|available_wal|wal_summary|control)_?/,
  /^pg_(clear|restore)_(attribute|relation)_stats$/,
  /^binary_upgrade_/,
  /^(autoprewarm|pg_prewarm|heap_force|pg_buffercache_evict|pg_truncate_visibility_map)/,
  // The session: what is set here would wait for the next caller.
  /^set_config$/,
]

/** Change something that a read-only transaction does not protect, or wait on purpose: refused to read only. */
const CHANGES = [
  /^(nextval|setval|setseed)$/,
  /^(lo_|loread$|lowrite$)/,
  /^pg_(try_)?advisory_/,
  /^pg_notify$/,
  /^pg_sleep/,
  /^pg_stat_(reset|clear|force|statements_reset)/,
  /^(brin_|gin_clean_pending_list$)/,
  /^(currtid2?|pg_isolation_test_session_is_blocked)$/,
]

/** Schemas of extensions whose functions act on the world outside the database. */
const OUTSIDE_SCHEMAS = new Set(['cron', 'net', 'aws_s3', 'aws_lambda', 'utl_file', 'dbms_pipe', 'dbms_alert', 'dbms_sql'])

/** Is this function closed to a tool call? `path` is the name as parsed: `['pg_catalog', 'pg_read_file']`. */
export function functionRefused(path: readonly string[], mode: 'read' | 'write'): boolean {
  const name = path.at(-1) ?? ''
  if (path.slice(0, -1).some((schema) => OUTSIDE_SCHEMAS.has(schema))) return true
  return REACHES.some((p) => p.test(name)) || (mode === 'read' && CHANGES.some((p) => p.test(name)))
}
