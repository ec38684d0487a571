/** The one table with ciphertext in it: secrets go in sealed, and come out for this room's own files. */
import type { Db, Tx } from '../base/db.ts'
import { Fault } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { EnvelopeError, keyNoOf, open, type Place, seal } from './envelope.ts'
import { createMatcher, fingerprint, type Matcher, marksOf } from './fingerprint.ts'
import type { Keyring } from './keyring.ts'
import { createRedactor, type Redactor } from './redact.ts'
import type { Room } from './room.ts'
import * as rows from './rows.ts'
import { reveal, type Secret } from './secret.ts'

/** Whose secret, and which version of it. */
export type Owned = rows.Owned

/** All that anybody outside may know of a stored field. */
export interface FieldFacts {
  field: string
  version: number
  /** 12 hex digits, keyed per workspace: equal values have equal ones. */
  fingerprint: string
  /** In characters. */
  length: number
  /** Only of values long enough that four characters give nothing away. */
  lastFour: string | null
  state: 'live' | 'undecryptable'
  createdAt: Date
}

/** Opened values are kept for less than a minute, swept every few seconds: TTL and one sweep together stay under 60 s. */
const CACHE_MS = 45_000
const SWEEP_MS = 10_000
const MAX_CACHED = 1_000
const LAST_FOUR_FROM = 20

type Fields = Map<string, Buffer>

export function createSealed({
  db,
  room,
  now,
  redactor = createRedactor({ now }),
}: {
  db: Db
  room: Room
  now: () => number
  /** Learns what has been opened for use, before it is handed out. */
  redactor?: Pick<Redactor, 'learn' | 'destroyed' | 'tidy'>
}) {
  const cache = new Map<string, { owner: string; version: number; until: number; fields: Fields }>()
  /** Owners, and single versions, whose rows are being dropped: a reading from before the commit must not be kept. */
  const forgotten = new Map<string, number>()
  const sweeper = setInterval(sweep, SWEEP_MS).unref()

  function evict(key: string): void {
    for (const value of cache.get(key)?.fields.values() ?? []) value.fill(0)
    cache.delete(key)
  }
  function sweep(): void {
    const open = room.state().state === 'open'
    for (const [key, { until }] of cache) if (!open || until <= now()) evict(key)
    for (const [what, until] of forgotten) if (until <= now()) forgotten.delete(what)
    redactor.tidy()
  }
  const keyOf = (at: Owned) => JSON.stringify([at.workspace, at.project, at.owner, at.version])
  function cached(at: Owned): Fields | undefined {
    const known = cache.get(keyOf(at))
    return known && known.until > now() ? known.fields : undefined
  }
  /** Takes the fields over: they are zeroed when they are evicted, or now where they must not be kept. */
  function keep(at: Owned, fields: Fields): void {
    if ([at.owner, `${at.owner} ${at.version}`].some((what) => (forgotten.get(what) ?? 0) > now())) {
      wipe(fields)
      return
    }
    evict(keyOf(at))
    if (cache.size >= MAX_CACHED) evict(cache.keys().next().value!)
    cache.set(keyOf(at), { owner: at.owner, version: at.version, until: now() + CACHE_MS, fields })
  }
  const texts = (fields: Fields) => Object.fromEntries([...fields].map(([name, value]) => [name, value.toString('utf8')]))
  /** For use: from now on what comes back and goes out is searched for it. */
  function opened(at: Owned, fields: Fields): Record<string, string> {
    const out = texts(fields)
    redactor.learn(at, Object.values(out))
    return out
  }

  const wipe = (fields: Fields) => {
    for (const value of fields.values()) value.fill(0)
  }
  function forget(owner: string, version?: number): void {
    forgotten.set(version === undefined ? owner : `${owner} ${version}`, now() + CACHE_MS)
    redactor.destroyed(owner, version)
    for (const [key, entry] of cache) if (entry.owner === owner && (version === undefined || entry.version === version)) evict(key)
  }

  /** Opens what is stored; a key that the ring has not is looked for in the database once. */
  async function openAll(tx: Tx, at: Owned): Promise<{ fields: Fields; broken: string[] }> {
    const found = await rows.sealedOf(tx, at)
    let ring = room.ring()
    if (found.some((row) => !ring.keys.has(row.key_no))) ring = await room.reload(tx)
    const fields: Fields = new Map()
    const broken: string[] = []
    for (const row of found) {
      try {
        fields.set(row.field, open(ring, placeOf(row), row.bytes))
      } catch (error) {
        if (!(error instanceof EnvelopeError)) throw error
        broken.push(row.field)
      }
      const state = fields.has(row.field) ? 'live' : 'undecryptable'
      if (state !== row.state) await rows.setState(tx, row, state)
    }
    return { fields, broken }
  }

  function judge(at: Owned, { fields, broken }: { fields: Fields; broken: string[] }): Fields {
    if (broken.length > 0) {
      wipe(fields)
      throw new Fault('UNDECRYPTABLE', `the stored ${broken.join(', ')} of ${at.owner} cannot be decrypted`, {
        hint: 'Enter it again, or bring the row back from a backup.',
        details: { owner: at.owner, fields: broken, version: at.version },
      })
    }
    if (fields.size === 0) throw new Fault('NOT_FOUND', `nothing is stored for ${at.owner} in version ${at.version}`)
    return fields
  }

  return {
    /**
     * Seals the fields of one version in the caller's transaction. `parts` names what is a secret by itself inside a field
     * (the password of a DSN), so that the graph scanner finds it too. Faults: VAULT_SEALED, CREDENTIAL_MALFORMED.
     */
    async put(
      tx: Tx,
      at: Owned,
      fields: Readonly<Record<string, Secret>>,
      parts: Readonly<Record<string, readonly Secret[]>> = {},
    ): Promise<FieldFacts[]> {
      const under = (ring: Keyring) => {
        const out = Object.entries(fields).map(([field, secret]) => sealedRow(ring, { ...at, field }, reveal(secret), parts[field] ?? []))
        room.wrapped(ring.active, out.length)
        return out.length === 0 ? Promise.resolve([]) : rows.addSealed(tx, ring.active, out)
      }
      let ring = room.ring()
      let added = await under(ring)
      // Another process has made a newer key. It can happen again meanwhile, but not for ever.
      while (added.length < Object.keys(fields).length) {
        const newer = await room.toSeal(tx)
        if (newer.active === ring.active) throw new Error('the ring has a key that the database does not know')
        ring = newer
        added = await under(ring)
      }
      return added.map(factsFrom)
    },

    /**
     * All fields of one owner and version, opened. Faults: NOT_FOUND, VAULT_SEALED, UNDECRYPTABLE (which names owner and
     * field; the row is flagged, and unflagged again should it ever open).
     */
    async read(at: Owned): Promise<Record<string, string>> {
      room.ring() // a sealed room answers nothing, not even from memory
      const known = cached(at)
      if (known) return opened(at, known)
      // The verdict is given outside, so that the flags on broken rows are committed.
      const fields = judge(at, await db.tx({ workspace: at.workspace, project: at.project ?? '*' }, (tx) => openAll(tx, at)))
      const out = opened(at, fields)
      keep(at, fields)
      return out
    },

    /**
     * Opens a version in the caller's transaction, so that the next `read` finds it at hand. One query, asked at once; never throws: what
     * cannot be opened is that `read`'s to tell.
     */
    async warm(tx: Tx, at: Owned): Promise<void> {
      if (room.state().state !== 'open' || cached(at)) return
      const fields = await openAll(tx, at)
        .then((found) => judge(at, found))
        .catch(() => null)
      if (fields) keep(at, fields)
    },
    /** What is at hand of a version in this process: versions never change. */
    atHand(at: Owned): Record<string, string> | null {
      const known = cached(at)
      return known ? texts(known) : null
    },
    /** Has a version at hand that the caller has put and committed. */
    remember: (at: Owned, fields: Readonly<Record<string, Secret>>): void =>
      keep(at, new Map(Object.entries(fields).map(([name, secret]) => [name, Buffer.from(reveal(secret))]))),

    /** All fields inside the caller's transaction, and past what is at hand: for carrying unchanged fields over to a new version. */
    async readIn(tx: Tx, at: Owned): Promise<Record<string, string>> {
      const fields = judge(at, await openAll(tx, at))
      const out = opened(at, fields)
      wipe(fields)
      return out
    },

    /** Destroys the data keys of one version, or of all. Other processes may hold an opened copy for up to a minute. */
    drop(tx: Tx, owner: string, version?: number): Promise<number> {
      forget(owner, version)
      return rows.dropSealed(tx, owner, version)
    },
    /** Destroys a version that the next one takes the place of, and that one's field `but`, which brought it. */
    dropBehind(tx: Tx, at: Owned, but: string): Promise<number> {
      forget(at.owner, at.version)
      return rows.dropBehind(tx, at.owner, at.version, but)
    },
    /** Takes an owner's opened values out of this process's memory, and keeps none for a while. */
    forget,

    facts: async (tx: Tx, owner: string, version: number): Promise<FieldFacts[]> => (await rows.factsOf(tx, owner, version)).map(factsFrom),

    /** Which fields are stored, for many owners at once. */
    fieldNames: (tx: Tx, of: readonly { owner: string; version: number }[]): Promise<{ owner: string; field: string }[]> =>
      of.length === 0 ? Promise.resolve([]) : rows.fieldNamesOf(tx, of),

    /** The keyed fingerprint that a value would get, to tell "this is the one already in use" before it is stored. */
    fingerprintOf: (workspace: string, secret: Secret): string => shown(fingerprint(room.ring(), workspace, Buffer.from(reveal(secret)))),

    /** Finds any secret stored in the workspace inside texts, as of now. Faults: VAULT_SEALED. */
    async fingerprints(workspace: string): Promise<Matcher> {
      const stored = await db.tx({ workspace, project: '*' }, (tx) => rows.marksOf(tx, workspace))
      return createMatcher(room.ring(), workspace, stored)
    },

    /** Zeroes what is in memory. */
    close(): void {
      clearInterval(sweeper)
      for (const key of [...cache.keys()]) evict(key)
    },
  }
}
export type Sealed = ReturnType<typeof createSealed>

export const placeOf = (row: Omit<rows.PlacedRow, 'bytes'>): Place => ({
  workspace: row.workspace_id,
  project: row.project_id,
  owner: row.owner_id,
  field: row.field,
  version: row.version,
})

function sealedRow(ring: Keyring, at: Place, text: string, parts: readonly Secret[]) {
  if (!text.isWellFormed()) throw new Fault('CREDENTIAL_MALFORMED', `${at.field} is not valid Unicode text`)
  const values = [Buffer.from(text), ...parts.map((part) => Buffer.from(reveal(part)))]
  const [plain] = values as [Buffer]
  const characters = [...text]
  const tail = characters.slice(-4).join('')
  try {
    const bytes = seal(ring, at, plain)
    return {
      id: newId('sealed'),
      workspace_id: at.workspace,
      project_id: at.project,
      owner_id: at.owner,
      field: at.field,
      version: at.version,
      key_no: keyNoOf(bytes),
      bytes,
      fingerprint: fingerprint(ring, at.workspace, plain),
      marks: marksOf(ring, at.workspace, values),
      length: characters.length,
      // A connection string may end in a short password: its length says nothing about how much four characters give away.
      last_four: parts.length === 0 && characters.length >= LAST_FOUR_FROM && /^[!-~]{4}$/.test(tail) ? tail : null,
    }
  } finally {
    for (const value of values) value.fill(0)
  }
}

const shown = (bytes: Buffer) => bytes.toString('hex').slice(0, 12)
const factsFrom = (row: rows.FactRow): FieldFacts => ({
  field: row.field,
  version: row.version,
  fingerprint: shown(row.fingerprint),
  length: row.length,
  lastFour: row.last_four,
  state: row.state as FieldFacts['state'],
  createdAt: row.created_at,
})
