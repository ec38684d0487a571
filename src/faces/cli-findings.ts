/** What a look at a set-up has found, for people: one line for each finding, and below it what to do. */
import { block } from './cli-render.ts'
import { printable, type Terminal } from './cli-terminal.ts'

interface Finding {
  level: string
  message: string
  fix: string | null
}
/** Findings, and perhaps parts with findings of their own. */
interface Examined {
  ok: boolean
  findings: Finding[]
  [fact: string]: unknown
}

const COLORS: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = { ok: 'green', warning: 'yellow', problem: 'red' }
/** The longest level, and a gap. */
const COLUMN = 'warning'.length + 2

const isExamined = (value: unknown): value is Examined =>
  value !== null && typeof value === 'object' && 'ok' in value && 'findings' in value && Array.isArray(value.findings)

/** The answer, where it is one of this kind. */
export const examined = (value: unknown): Examined | null => (isExamined(value) ? value : null)

export function findingLines(it: Examined, view: { now: number; width: number | null; style: Terminal['style'] }): string[] {
  const { ok: _, findings, ...rest } = it
  const isParts = (value: unknown): value is Examined[] => Array.isArray(value) && value.every(isExamined)
  const facts = Object.fromEntries(Object.entries(rest).filter(([, value]) => !isParts(value)))
  const parts = Object.values(rest).filter(isParts).flat()
  return [...block(facts, view), ...findings.flatMap((f) => line(f, view.style)), ...parts.flatMap((part) => partLines(part, view.style))]
}

/** `acme, oauth2`: what a part is called stands above its findings. */
function partLines({ ok: _, findings, ...named }: Examined, style: Terminal['style']): string[] {
  const title = [...new Set(Object.values(named).filter((v) => typeof v === 'string'))].join(', ')
  return ['', style('bold', oneLine(title)), ...findings.flatMap((f) => line(f, style))]
}

function line({ level, message, fix }: Finding, style: Terminal['style']): string[] {
  const word = printable(level).padEnd(COLUMN)
  const color = COLORS[level]
  return [(color ? style(color, word) : word) + oneLine(message), ...(fix ? [' '.repeat(COLUMN) + oneLine(fix)] : [])]
}

const oneLine = (text: string): string => printable(text).replaceAll(/\s+/g, ' ')
