/**
 * Personal access tokens: `ar_pat_` + 30 base62 characters (178 random bits) + 6 base62 characters of CRC32 over all before
 * them (the layout that GitHub made known in 2021, so that scanners can tell a real token from a lookalike).
 */
import { createHash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const PAT_PATTERN = /^ar_pat_[0-9A-Za-z]{36}$/
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const BODY_CHARS = 30
const CHECK_CHARS = 6

function base62(value: number, width: number): string {
  let text = ''
  for (let v = value; text.length < width; v = Math.floor(v / 62)) text = ALPHABET[v % 62] + text
  return text
}

function randomBase62(chars: number): string {
  let text = ''
  while (text.length < chars) for (const byte of randomBytes(chars * 2)) if (byte < 248 && text.length < chars) text += ALPHABET[byte % 62] // 248 = 4 × 62: no bias
  return text
}

export function newToken(): string {
  const body = `ar_pat_${randomBase62(BODY_CHARS)}`
  return body + base62(crc32(body), CHECK_CHARS)
}

/** True when it has the shape and the checksum of one of ours; says nothing about whether it is alive. */
export function wellFormed(token: string): boolean {
  if (!PAT_PATTERN.test(token)) return false
  return base62(crc32(token.slice(0, -CHECK_CHARS)), CHECK_CHARS) === token.slice(-CHECK_CHARS)
}

/** What is stored. The token has 178 random bits, so a plain hash cannot be searched. */
export const tokenHash = (token: string): Buffer => createHash('sha256').update(token).digest()
