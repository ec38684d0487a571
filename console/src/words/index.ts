/** The Console's texts: one typed catalogue, so that another language is another file. */
import { common } from './common.ts'
import { connections } from './connections.ts'
import { home } from './home.ts'
import { mcp } from './mcp.ts'
import type { rotation } from './rotation.ts'
import { runs } from './runs.ts'
import { schema } from './schema.ts'
import type { settings } from './settings.ts'
import { sign } from './sign.ts'
import type { workflows } from './workflows.ts'

const first = { ...common, ...connections, ...home, ...mcp, ...runs, ...schema, ...sign }
/** The texts of some pages come with these pages: see `bring`. */
type Later = typeof settings & typeof workflows & typeof rotation
export type Key = keyof typeof first | keyof Later
type Entry = string | { one: string; other: string }
const catalogue: Record<string, Entry> = { ...first }
/** Called by a module that a page imports before anything that has words. */
export function bring(words: Partial<Later>): void {
  Object.assign(catalogue, words)
}
/** For names that come from the server: whether there are words for them. */
export const isKey = (name: string): boolean => Object.hasOwn(catalogue, name)

type Values = Record<string, string | number>

/** Made when first used: each reads the tables of a language, which no page needs in order to begin. */
function once<T>(make: () => T): () => T {
  let made: T | undefined
  return () => (made ??= make())
}
const plurals = once(() => new Intl.PluralRules('en'))

/** `{name}` is put in as it is. Of a text with forms, the one for `n` is taken. */
export function t(key: Key, values: Values = {}): string {
  const entry = catalogue[key] ?? key
  const text = typeof entry === 'string' ? entry : plurals().select(Number(values.n)) === 'one' ? entry.one : entry.other
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

const relative = once(() => new Intl.RelativeTimeFormat('en', { numeric: 'auto' }))
const absolute = once(() => new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }))
const DAY_S = 86_400

/** Within a day as a distance, else the date and the time of day. */
export function timeText(iso: string, now: number = Date.now()): string {
  const seconds = (Date.parse(iso) - now) / 1000
  const far = Math.abs(seconds)
  if (far >= DAY_S) return absolute().format(new Date(iso))
  if (far < 45) return t('time.now')
  return far < 3_000 ? relative().format(Math.round(seconds / 60), 'minute') : relative().format(Math.round(seconds / 3600), 'hour')
}

/** Milliseconds, as people say them. */
export function durationText(ms: number): string {
  if (ms < 1000) return t('time.ms', { n: Math.round(ms) })
  if (ms < 60_000) return t('time.s', { n: (ms / 1000).toFixed(1) })
  const minutes = Math.floor(ms / 60_000)
  return minutes < 60
    ? t('time.min', { n: minutes, s: Math.round((ms % 60_000) / 1000) })
    : t('time.h', { n: Math.floor(minutes / 60), m: minutes % 60 })
}
