/**
 * Which Redis commands may be sent. Reading goes by a list, and what the server tells of the command (COMMAND INFO) must agree.
 * Writing goes by a list too; a command that is on none (a module's, a newer server's) needs the server's word that it works on data.
 */
import { Fault } from '../../base/errors.ts'

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/**
 * Commands that change nothing: not a value, not how long it lives, not when it was last used, and no state of the session.
 * Not among them although the server calls them reading: TOUCH (last use), PFCOUNT (rewrites its cache), SORT_RO and KEYS (dangerous),
 * XREAD (can block), EVAL_RO and FCALL_RO (programs), DUMP (for RESTORE alone).
 */
export const READS = words(`
  BITCOUNT BITFIELD_RO BITPOS DBSIZE EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS GEORADIUS_RO GEORADIUSBYMEMBER_RO GEOSEARCH GET GETBIT
  GETRANGE HEXISTS HEXPIRETIME HGET HGETALL HKEYS HLEN HMGET HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSTRLEN HTTL HVALS LCS LINDEX LLEN LPOS
  LRANGE MEMORY|USAGE MGET OBJECT|ENCODING OBJECT|FREQ OBJECT|IDLETIME OBJECT|REFCOUNT PEXPIRETIME PTTL RANDOMKEY SCAN SCARD SDIFF SINTER
  SINTERCARD SISMEMBER SMEMBERS SMISMEMBER SRANDMEMBER SSCAN STRLEN SUBSTR SUNION TTL TYPE XINFO|CONSUMERS XINFO|GROUPS XINFO|STREAM XLEN
  XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK
  ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION`)

/** Commands that change values of this database. */
export const WRITES = words(`
  APPEND BITFIELD BITOP COPY DECR DECRBY DEL EXPIRE EXPIREAT GEOADD GEORADIUS GEORADIUSBYMEMBER GEOSEARCHSTORE GETDEL GETEX GETSET HDEL
  HEXPIRE HEXPIREAT HGETDEL HGETEX HINCRBY HINCRBYFLOAT HMSET HPERSIST HPEXPIRE HPEXPIREAT HSET HSETEX HSETNX INCR INCRBY INCRBYFLOAT
  LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM MSET MSETNX PERSIST PEXPIRE PEXPIREAT PFADD PFCOUNT PFMERGE PSETEX RENAME RENAMENX
  RPOP RPOPLPUSH RPUSH RPUSHX SADD SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTERSTORE SMOVE SPOP SREM SUNIONSTORE TOUCH UNLINK XACK
  XADD XAUTOCLAIM XCLAIM XDEL XGROUP|CREATE XGROUP|CREATECONSUMER XGROUP|DELCONSUMER XGROUP|DESTROY XGROUP|SETID XSETID XTRIM ZADD
  ZDIFFSTORE ZINCRBY ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE ZUNIONSTORE`)

/**
 * Never, whatever the server says of them: they run programs, change the server or its users, read and write its files, send data to other
 * servers, block, or change the session that the next caller gets. ("The server" may have renamed one of them, or be none.)
 */
export const NEVER = words(`
  ACL ASKING AUTH BGREWRITEAOF BGSAVE BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN CLIENT CLUSTER COMMAND CONFIG DEBUG
  DISCARD DUMP EVAL EVALSHA EVALSHA_RO EVAL_RO EXEC FAILOVER FCALL FCALL_RO FLUSHALL FLUSHDB FUNCTION HELLO INFO KEYS LASTSAVE LATENCY LOLWUT
  MIGRATE MODULE MONITOR MOVE MULTI PFDEBUG PFSELFTEST PSUBSCRIBE PSYNC PUBLISH PUBSUB PUNSUBSCRIBE QUIT READONLY READWRITE REPLCONF REPLICAOF
  RESET RESTORE RESTORE-ASKING ROLE SAVE SCRIPT SELECT SENTINEL SHUTDOWN SLAVEOF SLOWLOG SORT SORT_RO SPUBLISH SSUBSCRIBE SUBSCRIBE
  SUNSUBSCRIBE SWAPDB SYNC TFCALL TFCALLASYNC TFUNCTION TIME UNSUBSCRIBE UNWATCH WAIT WAITAOF WATCH XREAD XREADGROUP`)

/** Modules whose commands work on data. Others run programs (RG.), or are nobody's that we know. Without a dot: a newer server's own. */
const MODULES = /^(BF|CF|CMS|FT|JSON|TDIGEST|TOPK|TS)\.(?!(CONFIG|DEBUG)$)|^[^.]+$/

/** Words of COMMAND INFO (flags and categories) that no command may have which is sent for somebody. */
const BAD = words(`
  admin blocking pubsub noscript no_auth no-auth asking
  @admin @dangerous @blocking @pubsub @scripting @transaction @connection`)

/** What a server tells of a command: flags and ACL categories. null: it knows no such command. undefined: it does not tell us. */
export type Told = readonly string[] | null | undefined
export type Mode = 'read' | 'write'

const refused = (message: string, hint: string): Fault => new Fault('TOOL_REFUSED', message, { hint })
const HINT = {
  read: 'Only commands that read data can be sent here.',
  write:
    'Only commands that work on data can be sent: none that run scripts, block, subscribe, open a transaction, or change the server, its users or the session.',
}

export interface Judged {
  name: string
  /** The name that COMMAND INFO knows it by: `OBJECT|ENCODING` where the server has subcommands apart. */
  full: string
  /** On one of the lists. */
  known: boolean
}

/** Faults: TOOL_REFUSED, INVALID_INPUT. */
export function judgeCommand(mode: Mode, command: string, args: readonly string[]): Judged {
  if (!/^[A-Za-z][A-Za-z0-9._-]{0,63}$/.test(command)) {
    throw new Fault('INVALID_INPUT', 'a command is one word', { hint: 'Put everything after the first word into args, one value each.' })
  }
  const name = command.toUpperCase()
  const full = `${name}|${args[0]?.toUpperCase() ?? ''}`
  const on = (list: ReadonlySet<string>) => list.has(name) || list.has(full)
  if (NEVER.has(name)) throw refused(`${name} is not sent to a server here`, HINT[mode])
  if (mode === 'read' && !on(READS)) throw refused(`${name} is not one of the commands that only read`, HINT.read)
  if (name === 'COPY' && args.slice(2).some((arg) => arg.toUpperCase() === 'DB'))
    throw refused('COPY into another database is not allowed', 'The connection is for the database of its connection string.')
  const known = on(READS) || on(WRITES)
  if (!known && !MODULES.test(name)) throw refused(`${name} is not sent to a server here`, HINT[mode])
  return { name, full: READS.has(name) || WRITES.has(name) || args.length === 0 ? name : full, known }
}

/** Faults: TOOL_REFUSED, UPSTREAM_INVALID. */
export function judgeTold(mode: Mode, { name, known }: Judged, told: Told): void {
  if (told === undefined) {
    if (known) return
    throw refused(`what ${name} does cannot be told, because the server does not say`, 'Let the user run COMMAND INFO: +command|info.')
  }
  if (told === null) throw new Fault('UPSTREAM_INVALID', `the server knows no command ${name}`)
  const bad = told.find((word) => BAD.has(word))
  if (bad !== undefined) throw refused(`${name} is not sent to a server here: the server calls it ${bad.replace('@', '')}`, HINT[mode])
  if (told.includes('readonly')) return
  if (mode === 'read') throw refused(`the server does not call ${name} a command that only reads`, HINT.read)
  if (!told.includes('write')) throw refused(`the server does not call ${name} a command that works on data`, HINT.write)
}
