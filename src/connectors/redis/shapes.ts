import { type Sessions, type ToolContext, z } from '../contract.ts'

export const Key = z.string().min(1).max(16_384).describe('The whole name of the key, as stored.')
export const Seconds = z.int().min(1).max(3_153_600_000)

/** Milliseconds: the profile's `request_timeout_sec`. */
const limits = ({ config }: ToolContext, elements: number) => ({ elements, timeoutMs: Number(config.request_timeout_sec) * 1000 })

type Value = Awaited<ReturnType<Sessions['redis']['read']>>['value']

/** Reads or writes one thing: commands whose answer is one number or one text. */
export const read = (ctx: ToolContext, command: string, ...args: string[]) => ctx.session('redis').read(command, args, limits(ctx, 1))
export const write = async (ctx: ToolContext, command: string, ...args: string[]): Promise<Value> =>
  (await ctx.session('redis').write(command, args, limits(ctx, 1))).value
export const run = (ctx: ToolContext, command: string, args: readonly string[], elements: number) =>
  ctx.session('redis').write(command, args, limits(ctx, elements))

/** A whole number: as text where it is too large for JSON's. */
export const Whole = z.union([z.int(), z.string().regex(/^-?\d+$/)])
export const whole = (value: Value): number | string => (typeof value === 'string' ? value : Number(value))
