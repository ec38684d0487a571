/** Figures, the table of them, and the machine they were measured on. */
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'

export interface Figure {
  /** The letter that `--only` takes. */
  part: string
  name: string
  value: number
  unit: 'ms' | '/s' | 'MB' | '%'
  /** What we hold ourselves to; undefined for a figure that only explains others. */
  target?: { most?: number; least?: number }
  /** The same work without us, measured in the same run. */
  floor?: { name: string; value: number; unit?: Figure['unit'] }
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}
export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** Our figure as a multiple of its floor; undefined where the two are of different kinds. */
export const ratio = ({ value, unit, floor }: Figure): number | undefined =>
  floor && (floor.unit ?? unit) === unit && floor.value > 0 ? value / floor.value : undefined
export const met = ({ value, target }: Figure): boolean | undefined =>
  target && (target.most === undefined || value <= target.most) && (target.least === undefined || value >= target.least)

export function machine(postgres: string) {
  const cpu = cpus()[0]?.model.trim() ?? 'unknown'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return { cpu, cores: availableParallelism(), memory, system: `${platform()} ${release()} ${arch()}`, node: process.version, postgres }
}

export function table(figures: readonly Figure[], on: ReturnType<typeof machine>): string {
  const head = ['', 'figure', 'median', 'target', '', 'floor of the same run', '', 'ratio']
  const lines = figures.map((f) => {
    const { most, least } = f.target ?? {}
    const target = most !== undefined ? `≤ ${most}` : least !== undefined ? `≥ ${least}` : ''
    const verdict = met(f)
    const floor = f.floor ? [f.floor.name, `${shown(f.floor.value)} ${f.floor.unit ?? f.unit}`] : ['', '']
    const times = ratio(f)
    return [
      f.part,
      f.name,
      `${shown(f.value)} ${f.unit}`,
      target,
      verdict === undefined ? '' : verdict ? 'met' : 'MISSED',
      ...floor,
      times === undefined ? '' : `${times.toFixed(2)}×`,
    ]
  })
  const all = [head, ...lines] as string[][]
  const widths = head.map((_, i) => Math.max(...all.map((line) => line[i]?.length ?? 0)))
  const right = new Set([2, 3, 6, 7])
  const row = (line: readonly string[]) =>
    line
      .map((cell, i) => (right.has(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd()
  const where = `${on.cpu}, ${on.cores} cores, ${on.memory}; ${on.system}; Node ${on.node}, PostgreSQL ${on.postgres}`
  return [where, '', row(head), widths.map((w) => '─'.repeat(w)).join('  '), ...lines.map(row)].join('\n')
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))
