/** The settings of the server that we bring along: one process uses it, with short transactions and many small writes. */
import { MARK } from './postgres-process.ts'

const SETTINGS: Readonly<Record<string, string>> = {
  // What a caller was told is stored is stored: never traded for speed.
  fsync: 'on',
  synchronous_commit: 'on',
  // A quarter of a small machine; the working set (runs in flight, connections) is far smaller.
  shared_buffers: '128MB',
  // Our pools together stay below 50; the rest is for a person with psql and for two runtimes during an upgrade.
  max_connections: '60',
  // Queries here take a millisecond; compiling one takes longer.
  jit: 'off',
  // Parallel plans need /dev/shm, which is 64 MB in a container, and gain nothing on short queries.
  max_parallel_workers_per_gather: '0',
  // Reads are cached; three processes for asynchronous reading would only cost memory.
  io_method: 'sync',
  // Nothing subscribes to this server: one process less.
  max_logical_replication_workers: '0',
  // Bounds both the disk that the log takes and the replay after a crash (about a minute on a slow disk).
  max_wal_size: '512MB',
  // Fewer full-page images than with the five minutes of the default; max_wal_size still bounds the replay.
  checkpoint_timeout: '15min',
  // Journals and queues are updated all the time: clean up after 5 % of dead rows rather than 20 %.
  autovacuum_vacuum_scale_factor: '0.05',
  // Statements and details quote values, and values may be a person's. The client gets them; the log does not.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  // Routine: one line every few minutes that nobody reads.
  log_checkpoints: 'off',
  // Our log puts its own time before each line.
  log_line_prefix: '',
  log_timezone: 'UTC',
  timezone: 'UTC',
  lc_messages: 'C',
  // Reached through a private directory; nobody else's processes need it.
  unix_socket_permissions: '0700',
}

/** `-c name=value` for each setting; `over` wins over ours, but not over the address and the mark. */
export function serverArguments(address: { host: string; port: number }, over: Record<string, string>): string[] {
  const socket = address.host.startsWith('/')
  const own = {
    port: String(address.port),
    listen_addresses: socket ? '' : address.host,
    // The value is a list: a directory with a comma or a space is one item only in quotes.
    unix_socket_directories: socket ? `"${address.host.replaceAll('"', '""')}"` : '',
  }
  const all = Object.entries({ ...SETTINGS, ...over, ...own }).map(([name, value]) => `${name}=${value}`)
  return [MARK, ...all].flatMap((setting) => ['-c', setting])
}
