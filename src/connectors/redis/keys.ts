/** Tools for one key or a few, and the one that sends any command of data. */
import { tool, z } from '../contract.ts'
import { Key, read, run, Seconds, write } from './shapes.ts'

/** Values of an answer when the caller names no limit. */
const DEFAULT_LIMIT = 100
/** The driver's own cap. */
const MAX_LIMIT = 10_000
/** Longest value that is stored by a call; larger things belong elsewhere. */
const MAX_VALUE = 1_000_000
const MAX_KEYS = 1000

export const keys = {
  redis_get: tool({
    about:
      'Reads the string stored at a key. Use it when you know the key. A list, hash, set or stream is read by redis_run_command (LRANGE, HGETALL, SMEMBERS, XRANGE).',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ key: Key }),
    output: z.object({
      found: z.boolean(),
      value: z.string().nullable().describe('null when there is no such key.'),
      base64: z.boolean().describe('The value is no text: these are its bytes in base64.'),
      truncated: z.boolean(),
    }),
    example: { key: 'greeting' },
    async run(ctx, { key }) {
      const { value, truncated } = await read(ctx, 'GET', key)
      if (value === null) return { found: false, value, base64: false, truncated }
      if (typeof value === 'object' && 'base64' in value) return { found: true, value: value.base64, base64: true, truncated }
      return { found: true, value: String(value), base64: false, truncated }
    },
  }),

  redis_exists: tool({
    about: 'Tells whether a key exists, whatever its type. Use it before you rely on a key; to read the value at once use redis_get.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ key: Key }),
    output: z.object({ exists: z.boolean() }),
    example: { key: 'greeting' },
    run: async (ctx, { key }) => ({ exists: (await read(ctx, 'EXISTS', key)).value === 1 }),
  }),

  redis_ttl: tool({
    about: 'Tells how many seconds a key has left to live. To change that use redis_expire.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ key: Key }),
    output: z.object({
      exists: z.boolean(),
      ttl_seconds: z.int().nullable().describe('null: the key does not exist, or never expires.'),
    }),
    example: { key: 'session:42' },
    async run(ctx, { key }) {
      const ttl = Number((await read(ctx, 'TTL', key)).value)
      return { exists: ttl !== NO_KEY, ttl_seconds: ttl < 0 ? null : ttl }
    },
  }),

  redis_set: tool({
    about:
      'Stores a string at a key, in place of whatever was there (of any type, and with its expiry). Give ttl_seconds for a value that should vanish by itself. ' +
      'Not for counting (redis_incr), and not for lists, hashes or sets (redis_run_command).',
    effect: 'destroy',
    repeatable: true,
    input: z.strictObject({
      key: Key,
      value: z.string().max(MAX_VALUE),
      ttl_seconds: Seconds.optional().describe('Seconds until the key vanishes.'),
    }),
    output: z.object({ ok: z.literal(true) }),
    example: { key: 'greeting', value: 'hello', ttl_seconds: 3600 },
    async run(ctx, { key, value, ttl_seconds }) {
      await write(ctx, 'SET', key, value, ...(ttl_seconds === undefined ? [] : ['EX', String(ttl_seconds)]))
      return { ok: true as const }
    },
  }),

  redis_del: tool({
    about: 'Deletes keys with all that they hold, of any type. It cannot be undone. Keys that do not exist are passed over.',
    effect: 'destroy',
    repeatable: true,
    input: z.strictObject({ keys: z.array(Key).min(1).max(MAX_KEYS) }),
    output: z.object({ deleted: z.int().describe('How many of them were there.') }),
    example: { keys: ['greeting', 'session:42'] },
    run: async (ctx, { keys }) => ({ deleted: Number(await write(ctx, 'DEL', ...keys)) }),
  }),

  redis_expire: tool({
    about:
      'Sets how many seconds from now a key vanishes, in place of an earlier expiry. To keep a key for good run PERSIST by redis_run_command.',
    effect: 'write',
    repeatable: true,
    input: z.strictObject({ key: Key, ttl_seconds: Seconds }),
    output: z.object({ set: z.boolean().describe('false: there is no such key.') }),
    example: { key: 'session:42', ttl_seconds: 900 },
    run: async (ctx, { key, ttl_seconds }) => ({ set: (await write(ctx, 'EXPIRE', key, String(ttl_seconds))) === 1 }),
  }),

  redis_run_command: tool({
    about:
      'Sends one Redis command that works on data, and returns the answer of the server. Use it for lists, hashes, sets, sorted sets, streams and scanning ' +
      '(LPUSH, HSET, SADD, ZRANGE, XADD, SCAN, …) where no other tool fits. Use SCAN with MATCH and COUNT to find keys. ' +
      'Refused: KEYS, scripts, transactions, blocking and pub/sub commands, and whatever changes the server, its users or the session.',
    effect: 'destroy',
    repeatable: false,
    input: z.strictObject({
      command: z.string().min(1).max(64).describe('The first word alone: HSET.'),
      args: z.array(z.string().max(MAX_VALUE)).max(MAX_KEYS).default([]).describe('Each further word or value apart, numbers as text.'),
      limit: z
        .int()
        .min(1)
        .max(MAX_LIMIT)
        .default(DEFAULT_LIMIT)
        .describe('Most values of a list that come back; `truncated` tells whether there were more.'),
    }),
    output: z.object({
      value: z
        .unknown()
        .describe('Text, number, null, or a list of these. Bytes that are no text are { base64 }, an error inside a list { error }.'),
      truncated: z.boolean(),
    }),
    example: { command: 'HSET', args: ['user:7', 'name', 'Ada'] },
    run: (ctx, { command, args, limit }) => run(ctx, command, args, limit),
  }),
}

/** TTL's answer for a key that does not exist; -1 is one that never expires. */
const NO_KEY = -2
