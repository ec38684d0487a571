/**
 * Functions that do more than compute. Native ones are found by name however they are written (`sleep`(1) is one, too), and plugins
 * add more. Stored functions are the matter of the read-only transaction.
 * https://dev.mysql.com/doc/refman/8.4/en/built-in-function-reference.html, https://mariadb.com/kb/en/function-and-operator-reference/
 */

/** Reach files, programs or other servers: refused to writes, too. */
const REACHING = [
  /^load_file$/,
  // A procedure of the sys schema that runs any text.
  /^execute_prepared_stmt$/,
  // UDF libraries that are found on real servers.
  /^(lib_mysqludf_|sys_(exec|eval|get|set|bineval)$|http_|json_http|mysql_http|raptor_|do_system$)/,
  /^(spider_|mroonga_command$|handlersocket_)/,
  /^(keyring_|mysql_query_rewrite|load_rewrite_rules|set_firewall_|read_firewall_|mysql_firewall_|audit_log_|audit_api_|version_tokens_|telemetry_)/,
  // Components of MySQL, and what the clouds add: calls of other services by SQL.
  /^(gen_dictionary_|innodb_redo_log_|mysql_option_tracker_|firewall_group_|lambda_|aws_|ml_)/,
  /^(group_replication_|asynchronous_connection_failover_|mysqlx_|dbug$|wsrep_s(et|ync)_|gen_blocklist|masking_dictionary)/,
]

/** Wait, lock, count up, or leave something in the session or at the server. */
const KEEPING = [
  /^(sleep|benchmark)$/,
  /^(get_lock|release_lock|release_all_locks|service_(get_(read|write)_locks|release_locks))$/,
  /^((master|source)_(pos|gtid)_wait|wait_for_executed_gtid_set|wait_until_sql_thread_after_gtids)$/,
  /^(nextval|setval|next_value)$/,
  // With an argument it sets what INSERT_ID is for the session.
  /^last_insert_id$/,
  /^(ps_setup_|ps_truncate_|ps_trace_|create_synonym_db|statement_performance_analyzer|diagnostics$)/,
]

export const functionRefused = (name: string, mode: 'read' | 'write'): boolean => {
  const lower = name.toLowerCase()
  return REACHING.some((pattern) => pattern.test(lower)) || (mode === 'read' && KEEPING.some((pattern) => pattern.test(lower)))
}
