/** How a backup lies in a file: a line that says what it is, one line of JSON in the clear, and then, encrypted and compressed, lines of JSON. */
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { Fault } from '../base/errors.ts'
import { openBackup, type RootKeySource, type SealedHead } from '../vault/index.ts'
import type { Table } from './rows.ts'

export const MAGIC = 'agentruntime-backup\n'
/** What a line of a row begins with; it ends with a brace. */
export const ROW = '{"kind":"row","row":'
/** A head has some names in it, and no more. */
const MOST_HEAD_BYTES = 65_536

/** In the clear: what tells an operator what it is, and nothing of what is inside. */
export interface Head extends SealedHead {
  format: 1
  version: string
  created_at: string
  migrations: string[]
}
export type Line =
  | { kind: 'table'; table: Table }
  /** As the database wrote it: numbers keep all their digits. */
  | { kind: 'row'; text: string }
  | { kind: 'file'; path: string }
  | { kind: 'bytes'; base64: string }
  | { kind: 'end'; tables: Record<string, number>; files: number }

/** Faults: REFUSED for what is no backup. */
export async function readHead(path: string): Promise<{ head: Head; bytes: Buffer; after: number }> {
  const no = () => new Fault('REFUSED', `${path} is no backup of AgentRuntime`)
  const file = await open(path).catch((e: NodeJS.ErrnoException) => {
    throw new Fault('INVALID_INPUT', `${path} cannot be read (${e.code})`)
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_HEAD_BYTES), 0, MOST_HEAD_BYTES, 0)
    const text = buffer.subarray(0, bytesRead)
    if (!text.subarray(0, MAGIC.length).equals(Buffer.from(MAGIC))) throw no()
    const end = text.indexOf('\n', MAGIC.length)
    if (end < 0) throw no()
    const bytes = text.subarray(0, end + 1)
    const head = JSON.parse(bytes.subarray(MAGIC.length).toString('utf8')) as Head
    if (head.format !== 1) throw new Fault('REFUSED', `this backup has format ${head.format}; this version reads format 1`)
    return { head, bytes: Buffer.from(bytes), after: end + 1 }
  } catch (error) {
    throw error instanceof Fault ? error : no()
  } finally {
    await file.close()
  }
}

/** Every line, in order; the last one is the end, with what it says held against what came. Faults: REFUSED, VAULT_SEALED. */
export async function* linesOf(path: string, source: RootKeySource, signal?: AbortSignal): AsyncGenerator<Line> {
  const { head, bytes, after } = await readHead(path)
  const frames = await openBackup(source, head, bytes)
  const plain = new PassThrough()
  const gone = new AbortController()
  const through = pipeline(createReadStream(path, { start: after }), frames, createGunzip(), plain, {
    signal: signal ? AbortSignal.any([signal, gone.signal]) : gone.signal,
  })
  through.catch((error: Error) => plain.destroy(error))
  plain.on('error', () => undefined) // whoever reads hears of it; nobody may be reading any more
  const seen: Record<string, number> = {}
  let files = 0
  let table = ''
  let ended = false
  try {
    for await (const text of split(plain)) {
      const line: Line = text.startsWith(ROW) ? { kind: 'row', text: text.slice(ROW.length, -1) } : (JSON.parse(text) as Line)
      if (line.kind === 'table') {
        table = line.table.name
        seen[table] = 0
      } else if (line.kind === 'row') seen[table] = (seen[table] ?? 0) + 1
      else if (line.kind === 'file') files++
      else if (line.kind === 'end') {
        ended = true
        if (JSON.stringify(line.tables) !== JSON.stringify(seen) || line.files !== files)
          throw new Fault('REFUSED', 'this is no whole backup: it does not hold what it says')
      }
      yield line
    }
    await through
  } catch (error) {
    throw explained(error)
  } finally {
    gone.abort()
  }
  if (!ended) throw new Fault('REFUSED', 'this is no whole backup: its end is missing')
}

/** Lines of any length. Only what is new is searched. */
async function* split(stream: PassThrough): AsyncGenerator<string> {
  let begun: string[] = []
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    let from = 0
    for (let at = chunk.indexOf('\n'); at >= 0; at = chunk.indexOf('\n', from)) {
      begun.push(chunk.slice(from, at))
      yield begun.join('')
      begun = []
      from = at + 1
    }
    if (from < chunk.length) begun.push(chunk.slice(from))
  }
  if (begun.length > 0) throw new Fault('REFUSED', 'this is no whole backup: its last line is cut')
}

function explained(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (error instanceof Fault) return error
  if (code.startsWith('Z_') || error instanceof SyntaxError) return new Fault('REFUSED', 'this is no whole backup: it cannot be unpacked')
  return error
}
