/**
 * Where an answer is kept when the database is away at the very moment it came: one sealed file each, in the data directory. A torn
 * file does not open, because it is authenticated as a whole.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { open, type Place, seal } from './envelope.ts'
import type { Room } from './room.ts'
import { conceal, reveal, type Secret } from './secret.ts'

export interface Entry {
  place: Place
  answer: Secret
}

const nameOf = (owner: string) => `${owner}.sealed`

export function createJournal({ room, dir }: { room: Pick<Room, 'ring'>; dir: string }) {
  return {
    /** Durable when it returns. Throws where the disk is full or cannot be written. */
    write(place: Place, answer: Secret): void {
      mkdirSync(dir, { recursive: true, mode: 0o700 })
      const plain = Buffer.from(reveal(answer))
      const head = Buffer.from(`${JSON.stringify(place)}\n`)
      const bytes = Buffer.concat([head, seal(room.ring(), place, plain)])
      plain.fill(0)
      const file = openSync(join(dir, nameOf(place.owner)), 'w', 0o600)
      try {
        writeSync(file, bytes)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      const folder = openSync(dir, 'r')
      fsyncSync(folder)
      closeSync(folder)
    },
    /** Entries that can be read. Torn ones are taken away: they hold nothing, and the answer counts as lost. */
    read(): Entry[] {
      if (!existsSync(dir)) return []
      return readdirSync(dir)
        .filter((name) => name.endsWith('.sealed'))
        .flatMap((name): Entry[] => {
          try {
            const bytes = readFileSync(join(dir, name))
            const end = bytes.indexOf(0x0a)
            const place = JSON.parse(bytes.subarray(0, end).toString()) as Place
            const plain = open(room.ring(), place, bytes.subarray(end + 1))
            const answer = conceal(plain.toString())
            plain.fill(0)
            return [{ place, answer }]
          } catch (error) {
            if ((error as { code?: string }).code === 'VAULT_SEALED') throw error
            rmSync(join(dir, name), { force: true })
            return []
          }
        })
    },
    drop(owner: string): void {
      rmSync(join(dir, nameOf(owner)), { force: true })
    },
  }
}
