/** A tool's arguments against its schema: defaults, harmless coercion, and one sentence that names what is wrong. */
import type { z } from 'zod'
import { parseInput } from '../base/explain.ts'

/**
 * Templates often deliver `"5"` where a number is wanted. Only what can mean one thing is converted: decimal numbers and
 * true/false, at the very places where the schema asked for them.
 */
export function checkArguments<S extends z.ZodType>(schema: S, args: unknown, known: readonly string[]): z.output<S> {
  const first = schema.safeParse(args)
  if (first.success) return first.data
  let converted = false
  const copy = structuredClone(args)
  for (const issue of first.error.issues) {
    if (issue.code !== 'invalid_type' || issue.path.length === 0) continue
    const key = issue.path.at(-1) as never
    const parent = issue.path.slice(0, -1).reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], copy) as
      | Record<PropertyKey, unknown>
      | undefined
    const value = parent?.[key]
    if (typeof value !== 'string' || !parent) continue
    const better = convert(value, issue.expected)
    if (better === undefined) continue
    parent[key] = better
    converted = true
  }
  return parseInput(schema, converted ? copy : args, known)
}

function convert(text: string, expected: string): number | boolean | undefined {
  if ((expected === 'number' || expected === 'int') && /^-?(0|[1-9]\d{0,15})(\.\d+)?$/.test(text)) return Number(text)
  if (expected === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return undefined
}
