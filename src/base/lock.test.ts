import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { lockDirectory } from './lock.ts'

const root = mkdtempSync(join(tmpdir(), 'lock-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let next = 0
const fresh = () => join(root, `dir-${next++}`)

/** A process that takes the lock, forgets what it got (a collector must not free it), says so, and stays. */
async function holder(dir: string) {
  const code = `import { lockDirectory } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)}
    try { lockDirectory(process.argv[1]); console.log('held'); process.stdin.resume() } catch (e) { console.log(e.message) }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, dir], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [chunk] = await once(child.stdout, 'data')
  return { child, said: String(chunk).trim() }
}

describe('a locked directory', () => {
  it('[data-dir.one-process] refuses a second process in one sentence that names the first', async () => {
    const dir = fresh()
    const lock = lockDirectory(dir)
    const { said } = await holder(dir)
    expect(said).toBe(`data directory ${dir} is in use by process ${process.pid}`)
    lock.release()
    const { child, said: later } = await holder(dir)
    expect(later).toBe('held')
    expect(() => lockDirectory(dir)).toThrow(`in use by process ${child.pid}`)
    child.kill('SIGKILL')
    await once(child, 'exit')
  })

  it('refuses a second holder in the same process, and names the directory it is told to', () => {
    const dir = fresh()
    const lock = lockDirectory(dir)
    expect(() => lockDirectory(dir, '/shown')).toThrow(`data directory /shown is in use by process ${process.pid}`)
    lock.release()
    lock.release()
    lockDirectory(dir).release()
  })

  it('[data-dir.one-process] is free at once when its holder was killed, whoever has that process number now', async () => {
    const dir = fresh()
    const { child, said } = await holder(dir)
    expect(said).toBe('held')
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(existsSync(join(dir, 'runtime.pid'))).toBe(true)
    writeFileSync(join(dir, 'runtime.pid'), `${process.ppid}\n`) // a live process that is not the holder
    lockDirectory(dir).release()
    expect(existsSync(join(dir, 'runtime.pid'))).toBe(false)
  })

  it('lets exactly one of many that start together through', async () => {
    const dir = fresh()
    const all = await Promise.all(Array.from({ length: 4 }, () => holder(dir)))
    expect(all.filter(({ said }) => said === 'held')).toHaveLength(1)
    expect(all.filter(({ said }) => said.includes('is in use by'))).toHaveLength(3)
    const winner = all.find(({ said }) => said === 'held')!
    winner.child.kill('SIGKILL')
    await once(winner.child, 'exit')
  })

  it('keeps its file to its owner, and says why a directory cannot be locked', () => {
    const dir = fresh()
    lockDirectory(dir).release()
    expect(statSync(join(dir, 'runtime.lock')).mode & 0o777).toBe(0o600)
    const file = join(root, 'a-file')
    writeFileSync(file, '')
    expect(() => lockDirectory(file)).toThrow(`data directory ${file} cannot be locked`)
  })
})
