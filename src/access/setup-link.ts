/**
 * The one-time link for the first owner. Its hash lies in the data directory, where only who may start the runtime can write: that is
 * the proof that whoever brings it belongs here. Whether setting up is still possible is the database's to say.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Time to open a browser on another machine, and no more: the link stands in a terminal's history. */
export const SETUP_MINUTES = 30

interface Stored {
  hash: string
  expires_at: string
  url: string
}
const fileOf = (dataDir: string) => join(dataDir, 'setup-link.json')
const hashOf = (token: string) => createHash('sha256').update(token).digest()

/** Makes a new one; the one before is void. `url` is where people reach the runtime; without it, what the last one said. */
export function writeSetupLink(dataDir: string, now: number, url?: string): string | null {
  const where = url ?? readStored(dataDir)?.url
  if (where === undefined) return null
  const token = randomBytes(20).toString('base64url')
  const stored: Stored = {
    hash: hashOf(token).toString('base64url'),
    expires_at: new Date(now + SETUP_MINUTES * 60_000).toISOString(),
    url: where,
  }
  writeFileSync(fileOf(dataDir), JSON.stringify(stored), { mode: 0o600 })
  // In the fragment: browsers keep that to themselves.
  return `${where}/setup#t=${token}`
}

export function setupTokenIsRight(dataDir: string, token: string, now: number): boolean {
  const stored = readStored(dataDir)
  return stored !== null && now < Date.parse(stored.expires_at) && timingSafeEqual(Buffer.from(stored.hash, 'base64url'), hashOf(token))
}

export const removeSetupLink = (dataDir: string): void => rmSync(fileOf(dataDir), { force: true })

function readStored(dataDir: string): Stored | null {
  try {
    return JSON.parse(readFileSync(fileOf(dataDir), 'utf8')) as Stored
  } catch {
    return null // none, or one that was being written when the process died
  }
}
