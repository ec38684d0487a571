/** (d) The second start on the same data directory, with our own PostgreSQL, and the memory of the process at rest. */
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { startPostgres } from '../src/base/postgres.ts'
import { type Figure, median } from './report.ts'
import { helper, KEY, newDataDir, type Options, ownProcess, pause } from './stage.ts'

/** Timers of the first seconds have fired, and what the start needed has been collected. */
const REST_MS = 8_000

export async function warmStart(options: Options): Promise<Figure[]> {
  const dataDir = newDataDir()
  const flags = ['--port', '0', '--data-dir', dataDir]
  try {
    await (await ownProcess(options, flags)).stop()
    const starts: number[] = []
    const memory: number[] = []
    for (let round = 0; round < (options.quick ? 2 : 5); round++) {
      const began = performance.now()
      const runtime = await ownProcess(options, flags)
      starts.push(performance.now() - began)
      if (round < 2) {
        await pause(REST_MS)
        memory.push(residentMb(runtime.child.pid as number))
      }
      await runtime.stop()
    }
    const floor = await floors(dataDir)
    return [
      {
        part: 'd',
        name: 'warm start, until ready',
        value: median(starts),
        unit: 'ms',
        target: { most: 2000 },
        floor: { name: 'an empty Node and PostgreSQL by itself', value: floor.start },
      },
      {
        part: 'd',
        name: 'memory of the process at rest',
        value: median(memory),
        unit: 'MB',
        target: { most: 200 },
        floor: { name: 'Node with one Hono route', value: floor.memory },
      },
    ]
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
}

async function floors(dataDir: string): Promise<{ start: number; memory: number }> {
  const began = performance.now()
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit')
  const server = await startPostgres({ dataDir, log: () => undefined })
  const start = performance.now() - began
  await server.stop()
  const bare = await helper('bare.ts', ['http://127.0.0.1:1', KEY])
  await pause(1000)
  const memory = residentMb(bare.child.pid as number)
  bare.child.disconnect()
  return { start, memory }
}

/** Resident set size in MiB, as the kernel counts it. */
function residentMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
