import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Fault } from '../base/errors.ts'
import { newRootKeyText, openRootKey, type RootKeySource } from './root.ts'
import { conceal } from './secret.ts'

const dir = mkdtempSync(join(tmpdir(), 'root-key-'))
afterAll(() => rmSync(dir, { recursive: true }))
let files = 0
const fresh = () => join(dir, `key-${++files}`)
function fileWith(text: string, mode = 0o600): RootKeySource {
  const path = fresh()
  writeFileSync(path, text)
  chmodSync(path, mode)
  return { kind: 'file', path }
}
const print = (text: string): RootKeySource => ({
  kind: 'command',
  argv: [process.execPath, '-e', `process.stdout.write(${JSON.stringify(text)})`],
})
const opened = (source: RootKeySource, create = false) => openRootKey({ source, create })

async function refusal(source: RootKeySource): Promise<Fault> {
  const error = await opened(source).catch((e: unknown) => e)
  if (!(error instanceof Fault)) throw new Error('expected a fault')
  expect(error.code).toBe('VAULT_SEALED')
  return error
}

describe('a root key', () => {
  it('is the same from a file, the environment and a command, and wraps for its context alone', async () => {
    const text = newRootKeyText()
    const sources: RootKeySource[] = [
      fileWith(text + '\n'),
      { kind: 'value', name: 'the environment', value: conceal(` ${text}\n`) },
      print(text + '\r\n'),
    ]
    const all = await Promise.all(sources.map((s) => opened(s)))
    expect(new Set(all.map((o) => o.root.keyId)).size).toBe(1)
    expect(all[0]!.root.keyId).toMatch(/^rk_[0-9a-f]{12}$/)
    expect(all.map((o) => o.warning !== null)).toEqual([false, true, false])

    const [one, two] = [all[0]!.root, all[1]!.root]
    const wrapped = await one.wrap(Buffer.from('ring key'), { purpose: 'a', key_no: '1' })
    expect((await two.unwrap(wrapped, { key_no: '1', purpose: 'a' })).toString()).toBe('ring key')
    await expect(two.unwrap(wrapped, { purpose: 'a', key_no: '2' })).rejects.toThrow('changed, moved')
    await expect(two.unwrap(wrapped.subarray(0, 11), { purpose: 'a', key_no: '1' })).rejects.toThrow('short')
    await expect(two.unwrap(wrapped.subarray(0, -4), { purpose: 'a', key_no: '1' })).rejects.toThrow('changed, moved')
    for (const { root } of all) await root.health()
  })

  it('[vault.no-print] shows nothing of itself', async () => {
    const text = newRootKeyText()
    const { root, warning } = await opened({ kind: 'value', name: 'the environment', value: conceal(text) })
    expect(JSON.stringify([root, warning]) + String(root)).not.toContain(text.split(':')[1])
  })
})

describe('a key file', () => {
  it('[vault.no-new-key] is made only for a new installation, whole, and with mode 0600', async () => {
    const source = { kind: 'file' as const, path: join(dir, 'deep', 'er', 'root.key') }
    expect((await refusal(source)).details).toEqual({ reason: 'missing' })
    const [a, b, c] = await Promise.all([opened(source, true), opened(source, true), opened(source, true)])
    expect(new Set([a.root.keyId, b.root.keyId, c.root.keyId]).size).toBe(1)
    expect(statSync(source.path).mode & 0o777).toBe(0o600)
    expect(readdirSync(join(dir, 'deep', 'er'))).toEqual(['root.key'])
    expect((await opened(source)).root.keyId).toBe(a.root.keyId)
    const before = readFileSync(source.path, 'utf8')
    await opened(source, true)
    expect(readFileSync(source.path, 'utf8')).toBe(before)
  })

  it.each([0o644, 0o640, 0o606, 0o700, 0o660])('[vault.key-file-private] of mode %o is refused', async (mode) => {
    const fault = await refusal(fileWith(newRootKeyText(), mode))
    expect(fault.details).toEqual({ reason: 'exposed' })
    expect(fault.hint).toContain('chmod 600')
  })

  it('may be stricter', async () => {
    expect((await opened(fileWith(newRootKeyText(), 0o400))).root.keyId).toMatch(/^rk_/)
  })

  it.skipIf(process.geteuid?.() !== 0)('[vault.key-file-private] of another user is refused', async () => {
    const source = fileWith(newRootKeyText()) as { kind: 'file'; path: string }
    chownSync(source.path, 65_534, 65_534)
    expect((await refusal(source)).details).toEqual({ reason: 'exposed' })
  })

  it('[vault.key-damaged] that is damaged is told from another key, and no part of it is shown', async () => {
    const text = newRootKeyText()
    const value = text.split(':')[1]!
    const swapped = (value[7] === 'A' ? 'B' : 'A') + value.slice(8)
    const damages = [
      text.replace(value, value.slice(0, 7) + swapped),
      text.slice(0, -1),
      text.slice(0, 60),
      text + '0',
      text.replace('-v1:', '-v2:'),
      'not a key at all',
      'x'.repeat(10_000),
    ]
    for (const damage of damages) {
      const fault = await refusal(fileWith(damage))
      expect(fault.details).toEqual({ reason: 'damaged' })
      expect(`${fault.message} ${fault.hint} ${String(fault.cause)}`).not.toContain(value.slice(10, 30))
    }
    expect((await refusal(fileWith(''))).details).toEqual({ reason: 'missing' })
    expect((await refusal({ kind: 'value', name: 'the environment', value: conceal('') })).details).toEqual({ reason: 'missing' })
  })

  it('is looked at again by health: gone, opened to others, or exchanged', async () => {
    const source = fileWith(newRootKeyText()) as { kind: 'file'; path: string }
    const { root } = await opened(source)
    await root.health()
    chmodSync(source.path, 0o644)
    await expect(root.health()).rejects.toMatchObject({ details: { reason: 'exposed' } })
    writeFileSync(source.path, newRootKeyText())
    chmodSync(source.path, 0o600)
    await expect(root.health()).rejects.toMatchObject({ details: { reason: 'wrong' } })
    rmSync(source.path)
    await expect(root.health()).rejects.toMatchObject({ details: { reason: 'missing' } })
  })

  it('that cannot be written or is no file is a sealed vault, not a crash', async () => {
    const blocked = fileWith('in the way') as { kind: 'file'; path: string }
    await expect(opened({ kind: 'file', path: join(blocked.path, 'root.key') }, true)).rejects.toMatchObject({
      details: { reason: 'unreachable' },
    })
    expect((await refusal({ kind: 'file', path: dir })).details?.reason).toMatch(/exposed|unreachable/)
  })
})

describe('a root key command', () => {
  const node = (script: string, timeoutMs?: number): RootKeySource => ({
    kind: 'command',
    argv: [process.execPath, '-e', script],
    ...(timeoutMs ? { timeoutMs } : {}),
  })

  it('is ended when it takes too long', async () => {
    const fault = await refusal(node('setInterval(() => {}, 1000)', 300))
    expect(fault.details).toEqual({ reason: 'unreachable' })
    expect(fault.message).toContain('no answer within 0.3 s')
  })

  it('[vault.no-print] fails without a word of what it printed', async () => {
    const fault = await refusal(node('console.error("canary-stderr"); console.log("canary-stdout"); process.exit(3)'))
    expect(fault.message).toContain('exit code 3')
    expect(`${fault.message} ${fault.hint} ${fault.stack} ${String(fault.cause)} ${JSON.stringify(fault)}`).not.toContain('canary')
  })

  it('is a program and no shell line, gets no input, and may not print without end', async () => {
    expect((await refusal({ kind: 'command', argv: ['/no/such/program', '; echo hi'] })).message).toContain('ENOENT')
    expect((await refusal({ kind: 'command', argv: [] })).details).toEqual({ reason: 'missing' })
    const marker = fresh()
    await refusal({ kind: 'command', argv: ['true', `; touch ${marker}`, `$(touch ${marker})`] })
    expect(readdirSync(dir)).not.toContain(marker.slice(dir.length + 1))
    const text = newRootKeyText()
    expect((await opened(node(`process.stdin.on('end', () => console.log('${text}')).resume()`))).root.keyId).toMatch(/^rk_/)
    expect((await refusal(node('process.stdout.write("x".repeat(100000))'))).details).toEqual({ reason: 'unreachable' })
  })
})
