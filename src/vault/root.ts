/**
 * The root key: wraps the ring's keys and nothing else, and is never in the database. It comes from a file, from a value in
 * the environment or from a command; the interface is asynchronous and carries a context so that a key service (AWS KMS's
 * EncryptionContext, the associated data of Vault's and OpenBao's transit) can stand behind it too.
 */
import { execFile } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { constants, link, mkdir, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { Fault } from '../base/errors.ts'
import { associate, EnvelopeError, gcmOpen, gcmSeal } from './envelope.ts'
import { KEY_BYTES } from './keyring.ts'
import { reveal, type Secret } from './secret.ts'

export interface RootKey {
  /** `rk_` and 12 hex digits: names the key, tells nothing about it. */
  readonly keyId: string
  wrap(plain: Buffer, context: Record<string, string>): Promise<Buffer>
  /** Throws when the bytes or the context are not those that were wrapped. */
  unwrap(wrapped: Buffer, context: Record<string, string>): Promise<Buffer>
  /** Throws a VAULT_SEALED fault when the key can no longer be had from its source. */
  health(): Promise<void>
}

export type RootKeySource =
  | { kind: 'file'; path: string }
  /** `name` is what people know the value by. */
  | { kind: 'value'; name: string; value: Secret }
  | { kind: 'command'; argv: readonly string[]; timeoutMs?: number }

export interface OpenedRoot {
  root: RootKey
  /** A sentence for the log at start, where the source is weaker than it should be. */
  warning: string | null
}

/** Why a vault is sealed. */
export type SealReason = 'missing' | 'exposed' | 'damaged' | 'wrong' | 'unreachable'

/** A VAULT_SEALED fault that says why. */
export const sealedBecause = (reason: SealReason, message: string, hint?: string): Fault =>
  new Fault('VAULT_SEALED', message, { ...(hint ? { hint } : {}), details: { reason } })

const PREFIX = 'agentruntime-root-key-v1'
/** A password manager's command line asks its server; one that takes longer than this waits for a person. */
const COMMAND_TIMEOUT_MS = 10_000
/** The text has 78 characters: whatever is longer than this is something else. */
const MAX_SOURCE_BYTES = 4096

/**
 * Gets the root key from its source. A missing file is made only with `create`, which the caller says for a new
 * installation alone: a new key in an old one would lock its secrets away for ever. Faults: VAULT_SEALED with a reason.
 */
export async function openRootKey({ source, create }: { source: RootKeySource; create: boolean }): Promise<OpenedRoot> {
  if (source.kind === 'file' && create)
    await createKeyFile(source.path).catch((e: NodeJS.ErrnoException) => {
      throw sealedBecause('unreachable', `the root key cannot be written to ${source.path} (${e.code})`)
    })
  const key = await readSource(source)
  const keyId = idOf(key)
  const root: RootKey = {
    keyId,
    wrap: async (plain, context) => {
      const nonce = randomBytes(12)
      return Buffer.concat([nonce, gcmSeal(key, nonce, contextBytes(context), plain)])
    },
    unwrap: async (wrapped, context) => {
      if (wrapped.length < 12) throw new EnvelopeError('format', 'the wrapped key is too short')
      return gcmOpen(key, wrapped.subarray(0, 12), contextBytes(context), wrapped.subarray(12))
    },
    async health() {
      const now = await readSource(source)
      if (idOf(now) !== keyId) throw sealedBecause('wrong', `the root key is another one now (${idOf(now)}, was ${keyId})`)
    },
  }
  const warning =
    source.kind === 'value'
      ? `The root key ${keyId} comes from the environment, which others on this machine may be able to read. A file or a command is safer.`
      : null
  return { root, warning }
}

/** The text of a fresh root key, for whoever keeps it elsewhere. Show it once. */
export function newRootKeyText(key: Buffer = randomBytes(KEY_BYTES)): string {
  const body = `${PREFIX}:${key.toString('base64url')}`
  return `${body}:${checksum(body)}`
}

const checksum = (text: string) => crc32(text).toString(16).padStart(8, '0')
const idOf = (key: Buffer) => 'rk_' + createHmac('sha256', key).update('agentruntime root key id').digest('hex').slice(0, 12)
const contextBytes = (context: Record<string, string>) => associate('agentruntime root wrap v1', ...Object.entries(context).sort().flat())

async function readSource(source: RootKeySource): Promise<Buffer> {
  if (source.kind === 'value') return parse(reveal(source.value), source.name)
  const from = source.kind === 'file' ? source.path : `the command ${source.argv[0]}`
  const bytes = source.kind === 'file' ? await readKeyFile(source.path) : await runCommand(source.argv, source.timeoutMs)
  try {
    return parse(bytes.toString('latin1'), from)
  } finally {
    bytes.fill(0)
  }
}

function parse(text: string, from: string): Buffer {
  const [prefix, value = ''] = text.trim().split(':')
  if (!prefix) throw sealedBecause('missing', `${from} is empty`, 'Give the root key there.')
  const key = Buffer.from(value, 'base64url')
  if (prefix !== PREFIX) throw sealedBecause('damaged', `${from} does not hold a root key`, `It begins with "${PREFIX}:".`)
  if (key.length !== KEY_BYTES || text.trim() !== newRootKeyText(key))
    throw sealedBecause('damaged', `the root key in ${from} is damaged: its checksum does not fit`, 'Bring back your copy of it.')
  return key
}

async function readKeyFile(path: string): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY).catch((e: NodeJS.ErrnoException) => {
    if (e.code === 'ENOENT')
      throw sealedBecause('missing', `there is no root key at ${path}`, 'Bring the file back from where you keep it.')
    throw sealedBecause('unreachable', `the root key at ${path} cannot be read (${e.code})`)
  })
  try {
    // Of the opened file, so that it cannot be exchanged between the look and the reading.
    const { mode, uid, size } = await file.stat()
    if ((mode & 0o177) !== 0) throw sealedBecause('exposed', `${path} may be read by others than its owner`, `chmod 600 ${path}`)
    if (uid !== process.geteuid?.()) throw sealedBecause('exposed', `${path} belongs to another user (uid ${uid})`, 'chown it to ours.')
    if (size > MAX_SOURCE_BYTES) throw sealedBecause('damaged', `${path} does not hold a root key`)
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** Writes a whole file and then gives it its name, which fails when there is one: two processes agree on the first. */
async function createKeyFile(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(newRootKeyText() + '\n')
    await file.sync()
    await link(draft, path).catch((e: NodeJS.ErrnoException) => {
      if (e.code !== 'EEXIST') throw e
    })
  } finally {
    await file.close()
    await unlink(draft)
  }
  const folder = await open(dirname(path))
  await folder.sync().finally(() => folder.close())
}

/** Runs the program itself, without a shell. What it says on standard error may hold anything, and is not shown. */
async function runCommand(argv: readonly string[], timeout = COMMAND_TIMEOUT_MS): Promise<Buffer> {
  const [program, ...args] = argv
  if (!program) throw sealedBecause('missing', 'the root key command is empty')
  return new Promise((resolve, reject) => {
    const options = { timeout, killSignal: 'SIGKILL', maxBuffer: MAX_SOURCE_BYTES, encoding: 'buffer', windowsHide: true } as const
    const child = execFile(program, args, options, (error, stdout) => {
      if (!error) return resolve(stdout)
      stdout?.fill(0)
      const why = error.killed
        ? `no answer within ${timeout / 1000} s`
        : typeof error.code === 'number'
          ? `exit code ${error.code}`
          : error.code
      reject(sealedBecause('unreachable', `the root key command ${program} failed: ${why}`))
    })
    child.stdin?.end()
  })
}
