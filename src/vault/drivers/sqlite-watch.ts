/**
 * A thread beside a busy SQLite: SQLite as Node builds it keeps no memory statistics, so that its own heap limits do nothing
 * (measured). It ends the whole process, by a signal that sqlite.ts knows the meaning of.
 */
/** Resident bytes of the process; a Node with an idle SQLite has about 60 MB. */
const MOST_BYTES = 512 * 1024 * 1024
/** Sorting random blobs grows by less than 100 MB in this time. */
const LOOK_MS = 50

setInterval(() => {
  if (process.memoryUsage.rss() > MOST_BYTES) process.kill(process.pid, 'SIGTERM')
}, LOOK_MS)
