import { Fault, type RestCall, rest, type ToolContext, z } from '../contract.ts'
import { judge } from './judge.ts'

/** Models write for minutes before the first byte of their answer comes. What the caller or the step allows ends a call all the same. */
export const PATIENCE_MS = 15 * 60_000

export const ask = (ctx: ToolContext, call: RestCall) => rest(ctx, { ...call, vendor: 'The model service', judge })

/** Not tried again within the call: what is written is paid for, however much of it arrives. The run decides on another try. */
export function generate(ctx: ToolContext, path: string, body: object) {
  const fetch: ToolContext['fetch'] = (at, init) => {
    const patient = { ...init, firstByteMs: PATIENCE_MS, timeoutMs: PATIENCE_MS }
    return ctx.fetch(at, patient)
  }
  return ask({ ...ctx, fetch }, { method: 'POST', path, body })
}

/** What was asked for, or the sentence that it was something else. */
export function read<T extends z.ZodType>(schema: T, body: unknown, what: string): z.output<T> {
  const parsed = schema.safeParse(body)
  if (!parsed.success)
    throw new Fault('UPSTREAM_ERROR', `The model service answered with something that is no ${what}.`, { maybeDone: true })
  return parsed.data
}

export const modelName = z.string().trim().min(1).max(200).describe('As openai_list_models names it')
