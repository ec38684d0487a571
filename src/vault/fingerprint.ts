/**
 * Finding stored secrets inside longer texts without opening one. Beside a sealed value lie its marks: one for the value and
 * one for each part that is a secret by itself (the password in a DSN). A mark is
 *
 *   length 4 │ first 2 │ last 2 │ HMAC-SHA256 of the whole, cut to 16
 *
 * `first` and `last` are 16 bits of AES-256 over the first and the last 8 bytes. All three are keyed per workspace; without
 * the ring they tell the length and, inside one workspace, that two values are equal or (one in 65,536 by chance) begin or
 * end alike. A text is searched by running AES over all of its 8-byte windows at once; the HMAC is computed only where both
 * ends of a mark fit at the right distance.
 */
import { createCipheriv, createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'
import { type Keyring, workspaceKey } from './keyring.ts'

/** Shorter values would be found by chance: they are compared with whole texts only. In bytes of UTF-8. */
const SHORTEST_INSIDE = 8
const MAC_BYTES = 16
const MARK_BYTES = 8 + MAC_BYTES
const BLOCK = 16
/** Windows per AES call: 1 MiB of blocks. */
const WINDOWS_AT_ONCE = 65_536
/**
 * A text made to look like a secret everywhere would cost an HMAC at each byte. Past this many (an honest text needs one or
 * two) it counts as holding the secret that it imitates.
 */
const MAX_LOOKALIKES = 20_000

export interface Found {
  owner: string
  field: string
}
export interface Matcher {
  /** The first stored secret that occurs in the text, or null. */
  contains(text: string): Found | null
}

/** The keyed fingerprint of a whole value: 32 bytes. */
export const fingerprint = (ring: Keyring, workspace: string, value: Buffer): Buffer =>
  mac(workspaceKey(ring, 'fingerprint', workspace), value)

const mac = (key: KeyObject, value: Buffer) => createHmac('sha256', key).update(value).digest()

/** AES as a keyed function of 8 bytes. Each block stands for itself, so ECB is what is meant; nothing is hidden with it. */
function windowFunction(ring: Keyring, workspace: string): (bytes: Buffer) => Uint16Array {
  const aes = createCipheriv('aes-256-ecb', workspaceKey(ring, 'window', workspace), null).setAutoPadding(false)
  return (bytes) => {
    const out = new Uint16Array(Math.max(0, bytes.length - SHORTEST_INSIDE + 1))
    const blocks = Buffer.alloc(BLOCK * Math.min(out.length, WINDOWS_AT_ONCE))
    for (let start = 0; start < out.length; start += WINDOWS_AT_ONCE) {
      const count = Math.min(WINDOWS_AT_ONCE, out.length - start)
      for (let i = 0; i < count; i++) for (let j = 0; j < SHORTEST_INSIDE; j++) blocks[i * BLOCK + j] = bytes[start + i + j]!
      const keyed = aes.update(blocks.subarray(0, count * BLOCK))
      for (let i = 0; i < count; i++) out[start + i] = (keyed[i * BLOCK]! << 8) | keyed[i * BLOCK + 1]!
    }
    blocks.fill(0)
    return out
  }
}

/** The marks of a value and of its secret parts, to be stored beside it. */
export function marksOf(ring: Keyring, workspace: string, values: readonly Buffer[]): Buffer {
  const windows = windowFunction(ring, workspace)
  const key = workspaceKey(ring, 'fingerprint', workspace)
  return Buffer.concat(
    values.map((value) => {
      const ends = Buffer.alloc(8)
      // Its first and its last window; a shorter value has none.
      ends.writeUInt32BE(value.length)
      ends.writeUInt16BE(windows(value.subarray(0, SHORTEST_INSIDE))[0] ?? 0, 4)
      ends.writeUInt16BE(windows(value.subarray(-SHORTEST_INSIDE))[0] ?? 0, 6)
      return Buffer.concat([ends, mac(key, value).subarray(0, MAC_BYTES)])
    }),
  )
}

interface Mark extends Found {
  length: number
  last: number
  mac: Buffer
}

export function createMatcher(ring: Keyring, workspace: string, stored: readonly (Found & { marks: Buffer })[]): Matcher {
  const windows = windowFunction(ring, workspace)
  const key = workspaceKey(ring, 'fingerprint', workspace)
  const short: Mark[] = []
  const byFirst = new Map<number, Mark[]>()
  const begins = new Uint8Array(65_536)
  for (const { owner, field, marks } of stored)
    for (let at = 0; at + MARK_BYTES <= marks.length; at += MARK_BYTES) {
      const mark = {
        owner,
        field,
        length: marks.readUInt32BE(at),
        last: marks.readUInt16BE(at + 6),
        mac: marks.subarray(at + 8, at + MARK_BYTES),
      }
      if (mark.length === 0) continue
      if (mark.length < SHORTEST_INSIDE) {
        short.push(mark)
        continue
      }
      const first = marks.readUInt16BE(at + 4)
      begins[first] = 1
      const alike = byFirst.get(first)
      if (alike) alike.push(mark)
      else byFirst.set(first, [mark])
    }
  const fits = (mark: Mark, bytes: Buffer) => timingSafeEqual(mac(key, bytes).subarray(0, MAC_BYTES), mark.mac)

  function search(bytes: Buffer): Mark | null {
    if (bytes.length < SHORTEST_INSIDE) return short.find((m) => m.length === bytes.length && fits(m, bytes)) ?? null
    const seen = windows(bytes)
    let lookalikes = 0
    for (let i = 0; i < seen.length; i++) {
      const first = seen[i]!
      if (begins[first] === 0) continue
      for (const mark of byFirst.get(first)!) {
        if (seen[i + mark.length - SHORTEST_INSIDE] !== mark.last) continue // past the end: undefined
        if (fits(mark, bytes.subarray(i, i + mark.length)) || ++lookalikes > MAX_LOOKALIKES) return mark
      }
    }
    return null
  }

  return {
    contains(text) {
      const found = search(Buffer.from(text))
      return found && { owner: found.owner, field: found.field }
    },
  }
}

/**
 * The password of a connection string, as written and percent-decoded: it is a secret by itself. Words that are a password
 * in name only (the same as the user, the database or the kind of database) are left out: they occur in every graph.
 */
export function passwordsIn(dsn: string): string[] {
  const [, scheme, user, written, rest] = /^([a-z][a-z0-9+.-]*):\/\/([^:@/]*):(.*)@([^@]*)$/is.exec(dsn.trim()) ?? []
  if (!written) return []
  const database = /^[^/]*\/([^?]*)/.exec(rest ?? '')?.[1]
  const plain = new Set([written, decoded(written)])
  return [...plain].filter((p) => ![scheme, user, database, decoded(user ?? '')].includes(p))
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
