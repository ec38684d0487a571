/** One call to one of Google's APIs. */
import { type Answer, fill, type RestCall, rest, type ToolContext, z } from '../contract.ts'
import { judge } from './judge.ts'

type Value = string | number | boolean | null | undefined

export interface GoogleCall extends Omit<RestCall, 'query'> {
  /** What the braces of the path stand for. */
  at?: Readonly<Record<string, string>>
  /** A list is sent as a repeated parameter. */
  query?: Readonly<Record<string, Value | readonly string[]>>
  /** `https://…` of an API on another host than the connector's base. With `api_base` in the config all calls go there. */
  home?: string
}

export function send(ctx: ToolContext, { path, at = {}, query = {}, home, ...call }: GoogleCall): Promise<Answer> {
  const lists = new URLSearchParams()
  const single: Record<string, Value> = {}
  for (const [name, value] of Object.entries(query)) {
    if (typeof value !== 'object' || value === null) single[name] = value
    else for (const one of value) lists.append(name, one)
  }
  const host = home === undefined || ctx.config.api_base !== undefined ? '' : home
  const repeated = lists.size === 0 ? '' : `?${lists}`
  return rest(ctx, { vendor: 'Google', judge, ...call, path: `${host}${fill(path, at)}${repeated}`, query: single })
}

/** `gmail.send` → `https://www.googleapis.com/auth/gmail.send`. */
export const scope = (name: string): string => `https://www.googleapis.com/auth/${name}`

/** Several scopes of which any one will do, the least first: a {@link ScopeNeed}. */
export const anyOf = (...names: string[]): string[] => names.map((name) => (name.startsWith('https:') ? name : scope(name)))

/** The config key of all four connectors. `base` is Google's own. */
export const apiBase = (base: string) =>
  z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(`Instead of ${base}, for a proxy of your own`)
