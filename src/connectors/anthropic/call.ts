import { Fault, type RestCall, rest, type ToolContext, type z } from '../contract.ts'
import { judge } from './judge.ts'

/** The version of the API that this connector was written for: "2023-06-01" is the newest (API reference, Versions). */
const HEADERS = { 'anthropic-version': '2023-06-01' }

/** Models write for minutes before the first byte of their answer comes. What the caller or the step allows ends a call all the same. */
export const PATIENCE_MS = 15 * 60_000

export const ask = async (ctx: ToolContext, call: RestCall) => rest(ctx, { ...call, headers: HEADERS, vendor: 'Anthropic', judge })

/** Not tried again within the call: what is written is paid for, however much of it arrives. The run decides on another try. */
export function generate(ctx: ToolContext, path: string, body: object) {
  const fetch: ToolContext['fetch'] = (at, init) => {
    const patient = { ...init, firstByteMs: PATIENCE_MS, timeoutMs: PATIENCE_MS }
    return ctx.fetch(at, patient)
  }
  return ask({ ...ctx, fetch }, { method: 'POST', path, body })
}

export function read<T extends z.ZodType>(schema: T, body: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(body)
  if (!parsed.success) throw new Fault('UPSTREAM_ERROR', `Anthropic answered with something that is no ${what}.`, { maybeDone: true })
  return parsed.data
}
