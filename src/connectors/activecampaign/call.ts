/** How ActiveCampaign's tools talk to it, and the pieces that their inputs are made of. */
import { type Answer, exchange, Fault, fill, type RestCall, rest, type Tool, type ToolContext, z } from '../contract.ts'
import { judge } from './judge.ts'

const VENDOR = { vendor: 'ActiveCampaign', judge }
export const ME = '/api/3/users/me'

/** One call. A 403 is looked into, because a key that is refused and a user who may not do this look the same. */
export async function send(ctx: ToolContext, call: Pick<RestCall, 'method' | 'path' | 'query' | 'body' | 'idempotent'>): Promise<Answer> {
  try {
    return await rest(ctx, { ...VENDOR, ...call })
  } catch (error) {
    if (call.path !== ME && error instanceof Fault && error.code === 'CREDENTIAL_REJECTED' && error.details?.status === 403) {
      throw await whichRefusal(ctx, error)
    }
    throw error
  }
}

/** Asks whose key it is, which every user may. */
async function whichRefusal(ctx: ToolContext, refused: Fault): Promise<Fault> {
  const { verdict } = await exchange(ctx, { ...VENDOR, path: ME })
  if (verdict?.code === 'CREDENTIAL_REJECTED') return refused
  if (verdict === null) {
    return new Fault(
      'SCOPE_MISSING',
      refused.message.replace('refuses the key', "takes the key, but does not allow this to the key's user"),
      {
        hint: 'ActiveCampaign → Settings → Users and Groups: the group of the user whose key this is needs the permission.',
        details: { status: 403, reason: 'denied' },
      },
    )
  }
  return new Fault('UPSTREAM_ERROR', 'ActiveCampaign refused this (403), and could not be asked whether it still takes the key.', {
    details: { status: 403 },
    ...(verdict.retryAfter === undefined ? {} : { retryAfter: verdict.retryAfter }),
  })
}

interface Told<I extends z.ZodRawShape> {
  about: string
  input: I
  output: z.ZodObject
  example: Record<string, unknown>
  /** The object that ActiveCampaign wraps a body in, and what goes into it. */
  wrap: string
  body: (given: z.output<z.ZodObject<I>>) => Record<string, unknown>
}

/** A tool that changes something. Group permissions are no scopes: ActiveCampaign does not tell what a key may do. */
export const write = <I extends z.ZodRawShape>(
  call: `${'POST' | 'PUT'} ${string}`,
  { about, input, output, example, wrap, body, destroys, repeatable = false }: Told<I> & { destroys?: true; repeatable?: boolean },
): Tool => {
  const [method, path] = call.split(' ') as [string, string]
  return {
    about,
    effect: destroys ? 'destroy' : 'write',
    repeatable,
    scopes: [],
    input: z.strictObject(input),
    output,
    example,
    run: async (ctx: ToolContext, given: z.output<z.ZodObject<I>>) => {
      const payload = { [wrap]: body(given) }
      return (await send(ctx, { method, path: fill(path, given), body: payload, idempotent: repeatable })).body
    },
  }
}

/** ActiveCampaign's ids are numbers that it writes as text. */
export const id = z.union([z.int().min(1), z.string().regex(/^[1-9]\d{0,18}$/, 'must be a number')])
export const text = z.string().min(1)

/** Text that must be JSON of the given form: arguments of this name come as text from older graphs. */
export const jsonOf = (form: z.ZodType, like: string) =>
  z
    .string()
    .max(50_000)
    .refine((it) => form.safeParse(parsed(it)).success, `must be JSON like ${like}`)
    .optional()
    .describe(`JSON as text, like ${like}`)

/** What `jsonOf` let through; undefined stays so and is left out of a body. */
export const parsed = (it: string | undefined): unknown => {
  try {
    return it === undefined ? undefined : JSON.parse(it)
  } catch {
    return undefined
  }
}
