/** `audit verify --file`: an export is checked here, with no server and no database. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { type Checkpoint, type ExportVerdict, readCheckpoint, verifyExport } from '../access/index.ts'
import { FAULTS, fail } from '../base/errors.ts'
import { printable, type Terminal } from './cli-terminal.ts'
import { readTextFile } from './cli-values.ts'

const FILE = '--file'

/** Whether it is this, and not the question to the server. */
export const isOfFile = (noun: string, verb: string, rest: readonly string[]): boolean =>
  noun === 'audit' && verb === 'verify' && rest.some((word) => word === FILE || word.startsWith(`${FILE}=`))

export async function verifyFile(rest: readonly string[], json: boolean, terminal: Terminal): Promise<number> {
  const { file, ...given } = flagsIn(rest)
  const publicKey = given['public-key'] === undefined ? null : keyIn(given['public-key'])
  const checkpoint = given.checkpoint === undefined ? null : checkpointIn(given.checkpoint)
  const verdict = await verifyExport(linesOf(file), { publicKey, checkpoint })
  terminal.out(json ? JSON.stringify(verdict) : told(verdict).map(printable).join('\n'))
  if (!json && verdict.key_from === 'export')
    terminal.note('the signatures were held against the key in the file itself: --public-key or --checkpoint says whose it must be')
  if (!json && checkpoint && !verdict.compared && verdict.ok)
    terminal.note(`the checkpoint speaks of entry ${checkpoint.seq}, which is not in the file`)
  return verdict.ok ? 0 : FAULTS.REFUSED.exit
}

function flagsIn(rest: readonly string[]): { file: string; 'public-key'?: string | undefined; checkpoint?: string | undefined } {
  const options = { file: { type: 'string' }, 'public-key': { type: 'string' }, checkpoint: { type: 'string' } } as const
  try {
    const { values } = parseArgs({ args: withKey(rest), options, allowPositionals: false, strict: true })
    return { ...values, file: values.file ?? '' }
  } catch (error) {
    return fail('INVALID_INPUT', (error as Error).message.split('. To specify')[0] ?? 'unknown flag', {
      hint: 'agentruntime audit verify --file FILE [--public-key KEY] [--checkpoint FILE]',
    })
  }
}

/** 32 bytes in base64url. */
const isKey = (it: string): boolean => /^[\w-]{43}$/.test(it)

/** One key in sixty-four begins with a dash, and would be taken for a flag where it stands alone. */
function withKey(rest: readonly string[]): string[] {
  const at = rest.indexOf('--public-key')
  const key = rest[at + 1]
  return at < 0 || key === undefined || !isKey(key) ? [...rest] : [...rest.slice(0, at), `--public-key=${key}`, ...rest.slice(at + 2)]
}

/** The key, or the file that it is in. */
function keyIn(text: string): string {
  if (isKey(text)) return text
  const found = readTextFile('--public-key', text).trim()
  return isKey(found) ? found : fail('INVALID_INPUT', '--public-key is neither a public key nor a file with one')
}

/** What `audit checkpoint --json` prints, or an export, which ends with one. */
function checkpointIn(path: string): Checkpoint {
  const text = readTextFile('--checkpoint', path).trim()
  for (const candidate of [text, text.slice(text.lastIndexOf('\n') + 1)])
    try {
      const found = readCheckpoint(JSON.parse(candidate))
      if (found) return found
    } catch {
      // the other one may be it
    }
  return fail('INVALID_INPUT', '--checkpoint: there is no checkpoint in this file', {
    hint: 'agentruntime audit checkpoint --json gives one.',
  })
}

async function* linesOf(path: string): AsyncGenerator<string> {
  try {
    yield* createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY })
  } catch (error) {
    fail('INVALID_INPUT', `${FILE}: the file cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function told({ workspace, first, last, entries, uses, key_id, ok, problems }: ExportVerdict): string[] {
  const what = `${entries} entries (${first} to ${last}) and ${uses} records of uses of ${workspace ?? 'an unknown workspace'}, key ${key_id ?? 'unknown'}`
  return ok ? [`whole: ${what}`] : [`not whole: ${what}`, ...problems.map((it) => `entry ${it.seq}: ${it.problem}`)]
}
