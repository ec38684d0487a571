/** Who a credential is at a Redis server, and what it could do besides working with data. */
import { ErrorReply } from 'redis'
import type { RedisBackend } from './redis-connect.ts'
import type { RedisStanding } from './session.ts'

/** A user may be granted powers while its sessions live; asked again after this long. */
export const POWERS_TTL_MS = 300_000

/**
 * Commands by which a user could change the server, its users or its files, or empty it, as ACL DRYRUN is asked about them (it runs none).
 * All are in the category @dangerous.
 */
const POWERS: readonly (readonly string[])[] = [
  ['CONFIG', 'SET', 'maxmemory', '0'],
  ['MODULE', 'LOAD', 'x'],
  ['ACL', 'SETUSER', 'x'],
  ['REPLICAOF', 'NO', 'ONE'],
  ['MIGRATE', 'x', '1', 'x', '0', '1'],
  ['DEBUG', 'OBJECT', 'x'],
  ['SHUTDOWN', 'NOSAVE'],
  ['SAVE'],
  ['MONITOR'],
  ['CLIENT', 'KILL', 'x'],
  ['FLUSHALL'],
]

/** The answer, or why this user cannot have it: not allowed, or not known to the server. Other failures are thrown. */
type Answer = { said: unknown } | { refused: string }
const ask = (backend: RedisBackend, words: readonly string[]): Promise<Answer> =>
  backend.send(words).then(
    (said) => ({ said }),
    (error: unknown) => {
      if (!(error instanceof ErrorReply) || !/^(NOPERM|ERR)\b/.test(error.message)) throw error
      return { refused: error.message }
    },
  )
const text = (value: unknown): string => (Buffer.isBuffer(value) ? value.toString('utf8') : String(value ?? ''))
/** `[name, value, name, value]`, as maps come by version 2 of the protocol. */
const field = (flat: unknown, name: string): unknown =>
  Array.isArray(flat) ? flat[flat.findIndex((word, i) => i % 2 === 0 && text(word) === name) + 1] : undefined

async function userOf(backend: RedisBackend, expected: string): Promise<string> {
  const who = await ask(backend, ['ACL', 'WHOAMI'])
  return 'said' in who ? text(who.said) : expected
}

/** Empty: nothing that it should not. Every question is one that only reads. */
export async function redisPowers(backend: RedisBackend, expected: string): Promise<string[]> {
  const name = await userOf(backend, expected)
  const powers: string[] = []
  for (const words of POWERS) {
    const dry = await ask(backend, ['ACL', 'DRYRUN', name, ...words])
    if ('refused' in dry) return withoutDryRun(backend, name)
    if (text(dry.said) === 'OK')
      powers.push(words.length > 1 && /^(CONFIG|MODULE|ACL|CLIENT)$/.test(words[0]!) ? `${words[0]} ${words[1]}` : words[0]!)
  }
  return powers
}

/** Who may not ask for a dry run is no administrator of users, or at an old server: before version 7 there is none, before 6 no users. */
async function withoutDryRun(backend: RedisBackend, name: string): Promise<string[]> {
  const rules = await ask(backend, ['ACL', 'GETUSER', name])
  if ('said' in rules) return ['ACL']
  const config = await ask(backend, ['CONFIG', 'GET', 'maxmemory'])
  return 'said' in config ? ['CONFIG'] : []
}

export async function redisStanding(backend: RedisBackend, expected: string, encrypted: boolean): Promise<RedisStanding> {
  const user = await userOf(backend, expected)
  const powers = await redisPowers(backend, expected)
  // Everybody may say HELLO (since 6.2); without a number it changes nothing.
  const hello = await ask(backend, ['HELLO'])
  const told = (name: string) => ('said' in hello ? text(field(hello.said, name)) || null : null)
  const own = await ask(backend, ['ACL', 'GETUSER', user])
  const everybody = await ask(backend, ['ACL', 'GETUSER', 'default'])
  return {
    user,
    version: told('version'),
    mode: told('mode'),
    powers,
    rules: 'said' in own ? rulesOf(own.said) : null,
    open: 'said' in everybody ? isOpen(field(everybody.said, 'flags')) : null,
    encrypted,
  }
}

function rulesOf(said: unknown): string[] {
  const written = ['commands', 'keys', 'channels'].flatMap((name) => {
    const value = field(said, name)
    return (Array.isArray(value) ? value : [value]).map(text)
  })
  return written.flatMap((rule) => rule.split(' ')).filter((rule) => rule !== '')
}

const isOpen = (flags: unknown): boolean => {
  const words = Array.isArray(flags) ? flags.map(text) : []
  return words.includes('on') && words.includes('nopass')
}
