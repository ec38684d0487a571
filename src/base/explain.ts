/** One sentence for what is wrong with an input, out of zod's issues. Values are never repeated: they may be secrets. */
import type { z } from 'zod'
import { Fault } from './errors.ts'

export interface InputIssue {
  path: string
  message: string
}

export const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part)), '')

/** Flat and sentence-like. Unknown fields come first: they are the usual typing mistake. */
export function issuesOf(error: z.ZodError): InputIssue[] {
  const out: InputIssue[] = []
  for (const issue of error.issues) {
    const path = pathText(issue.path)
    if (issue.code === 'unrecognized_keys')
      out.unshift(
        ...issue.keys.map((key) => ({ path: path ? `${path}.${key}` : key, message: `unknown field ${path ? `${path}.` : ''}${key}` })),
      )
    else
      out.push({
        path,
        message: `${path || 'the body'}: ${issue.message.replace(/^Invalid input: /, '').replace(/^expected (.*), received undefined$/, 'is missing ($1)')}`,
      })
  }
  return out
}

/** Parses or throws INVALID_INPUT with one sentence and every issue in `details.issues`. */
export function parseInput<S extends z.ZodType>(schema: S, raw: unknown, known?: readonly string[]): z.output<S> {
  const parsed = schema.safeParse(raw)
  if (parsed.success) return parsed.data
  const issues = issuesOf(parsed.error)
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  throw new Fault('INVALID_INPUT', `${issues[0]?.message ?? 'the input is not valid'}${more}`, {
    details: { issues },
    ...(known?.length ? { hint: `Known fields: ${known.join(', ')}.` } : {}),
  })
}
