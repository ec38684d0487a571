/** Answers for people: lists as tables, single things as `key: value`. Nothing here knows what a connection is. */
import { printable, type Terminal } from './cli-terminal.ts'

type Item = Record<string, unknown>
type Style = Terminal['style']

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
const isTime = (value: unknown): value is string => typeof value === 'string' && TIME.test(value)
const isPlain = (value: unknown): value is Item => value !== null && typeof value === 'object' && !Array.isArray(value)

const UNITS: readonly [number, string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
]
/** Beyond this a date says more than a number of days. */
const RELATIVE_DAYS = 60

/** `3m ago`, `in 5d`, and a date for what is far away. */
export function relative(time: string, now: number): string {
  const off = Date.parse(time) - now
  const size = Math.abs(off)
  if (size >= RELATIVE_DAYS * 86_400_000) return time.slice(0, 10)
  const [unit, letter] = UNITS.find(([u]) => size >= u) ?? [1_000, 's']
  const amount = Math.floor(size / unit)
  if (amount === 0) return 'now'
  return off < 0 ? `${amount}${letter} ago` : `in ${amount}${letter}`
}

/** Columns that a terminal gives to text: East Asian letters and pictures take two. */
export const widthOf = (text: string): number =>
  [...text].reduce(
    (n, c) =>
      n +
      (/\p{M}|\u200d|\ufe0f/u.test(c)
        ? 0
        : /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Emoji_Presentation}/u.test(c)
          ? 2
          : 1),
    0,
  )

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let out = ''
  for (const c of text) {
    if (widthOf(out) + widthOf(c) > width - 1) break
    out += c
  }
  return `${out}…`
}
const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)))

/** First what it is, then what it is called, then how it is, then the rest, times, and long texts. */
const RANKS: readonly RegExp[] = [
  /^(id|seq|slug|run_id|task_id|check|version|key_no|provider)$/,
  /^(name|display_name|title|event_type|action|step_id|workflow_name)$/,
  /^(status|state|ok|available|active|severity|code)$/,
]
const LONG = /(^|_)(about|message|description|docs|text|schema|reason)$/
/** Of use to programs, or said by another column. */
const LAST = /^(updated_at|hash|canonical_url|status_since|project_id)$/

function rankOf(key: string, value: unknown, position: number): number {
  if (LAST.test(key)) return 6
  if (LONG.test(key)) return 5
  if (/(^at|_at)$/.test(key) || isTime(value)) return 4
  const rank = RANKS.findIndex((r) => r.test(key))
  // A provider is what a template is, and only one fact among others about a connection.
  return rank === -1 || (rank === 0 && position > 0) ? 3 : rank
}

/** More columns than these do not help anybody. */
const MAX_COLUMNS = 8
/** Texts are cut there, so that one of them does not push all others out. */
const MAX_CELL = 48

function cell(value: unknown, now: number): string {
  if (value === null || value === undefined || value === '') return '–'
  if (isTime(value)) return relative(value, now)
  if (Array.isArray(value)) return value.length === 0 ? '–' : value.map((v) => cell(v, now)).join(', ')
  if (isPlain(value)) return cell(value.label ?? value.name ?? value.message, now)
  return printable(String(value)).replaceAll(/\s+/g, ' ')
}

const fitsCell = (value: unknown): boolean =>
  !isPlain(value)
    ? !Array.isArray(value) || value.every((v) => typeof v !== 'object')
    : ['label', 'name', 'message'].some((k) => typeof value[k] === 'string')

/** Lines of a table; ids are never cut, and columns that do not fit are left out, least important first. `width` null: everything fits. */
export function table(items: readonly Item[], options: { now: number; width: number | null; style: Style }): string[] {
  const { now, width, style } = options
  const keys = [...new Set(items.flatMap((i) => Object.keys(i)))]
  const known = (key: string) => items.map((i) => i[key]).find((v) => v !== null && v !== undefined)
  const columns = keys
    .map((key, at) => ({ key, rank: rankOf(key, known(key), at) }))
    .filter(({ key }) => items.every((i) => fitsCell(i[key])) && items.some((i) => cell(i[key], now) !== '–'))
    .map(({ key, rank }) => {
      const whole = width === null || rank === 0 || /_id$/.test(key)
      const cells = items.map((i) => (whole ? cell(i[key], now) : cut(cell(i[key], now), MAX_CELL)))
      return { key, rank, cells, width: Math.max(widthOf(key), ...cells.map(widthOf)) }
    })
    .sort((a, b) => a.rank - b.rank)
  // One time is worth more than another fact.
  const when = columns.find((c) => c.rank === 4)
  const wanted = columns.toSorted((a, b) => (a === when ? 2.5 : a.rank) - (b === when ? 2.5 : b.rank))
  const chosen = new Set<(typeof columns)[number]>()
  let used = 0
  for (const column of wanted) {
    if (chosen.size === MAX_COLUMNS) break
    if (width !== null && chosen.size > 0 && used + column.width > width) continue
    chosen.add(column)
    used += column.width + 2
  }
  const shown = columns.filter((c) => chosen.has(c))
  const line = (texts: string[]) =>
    texts
      .map((t, i) => (i === texts.length - 1 ? t : pad(t, shown[i]!.width)))
      .join('  ')
      .trimEnd()
  return [style('bold', line(shown.map((c) => c.key.toUpperCase()))), ...items.map((_, row) => line(shown.map((c) => c.cells[row]!)))]
}

function scalar(value: unknown, now: number): string {
  if (value === null || value === undefined) return '–'
  if (isTime(value)) return `${value.slice(0, 19).replace('T', ' ')} UTC (${relative(value, now)})`
  return printable(String(value))
}

const isFlat = (value: unknown): value is Item => isPlain(value) && Object.values(value).every((v) => !isPlain(v) && fitsCell(v))

/** Lines of one thing, nested by indentation. Lists of like things become tables. */
export function block(value: unknown, options: { now: number; width: number | null; style: Style }, indent = ''): string[] {
  const inner = { ...options, width: options.width === null ? null : options.width - indent.length }
  if (Array.isArray(value)) {
    if (value.length === 0) return [`${indent}–`]
    if (value.length > 1 && value.every(isFlat)) return table(value, inner).map((l) => indent + l)
    return value.flatMap((v) => {
      const [head = '', ...more] = block(v, options, `${indent}  `)
      return [`${indent}- ${head.slice(indent.length + 2)}`, ...more]
    })
  }
  if (!isPlain(value))
    return scalar(value, options.now)
      .split('\n')
      .map((l) => indent + l)
  const entries = Object.entries(value)
  if (entries.length === 0) return [`${indent}–`]
  const short = entries.filter(([, v]) => !nested(v)).map(([k]) => widthOf(printable(k)) + 1)
  const column = Math.min(Math.max(0, ...short), 24)
  return entries.flatMap(([key, v]) => {
    const label = `${printable(key)}:`
    if (nested(v)) return [`${indent}${options.style('dim', label)}`, ...block(v, options, `${indent}  `)]
    const gap = ' '.repeat(Math.max(0, column - widthOf(label)) + 1)
    const text = Array.isArray(v) ? v.map((one) => scalar(one, options.now)).join(', ') || '–' : isPlain(v) ? '–' : scalar(v, options.now)
    return [`${indent}${options.style('dim', label)}${gap}${text}`]
  })
}

/** Whether a value needs lines of its own below its key. */
function nested(value: unknown): boolean {
  if (typeof value === 'string') return value.includes('\n')
  if (Array.isArray(value))
    return value.some((v) => typeof v === 'object' && v !== null) || value.some((v) => typeof v === 'string' && v.includes('\n'))
  return isPlain(value) && Object.keys(value).length > 0
}
