/** The API that the fake provider's tokens open: things to read and to write, and who I am (RFC 6750 for what it refuses). */
import type { Context, Next } from 'koa'
import type { AdapterPayload } from 'oidc-provider'
import { Door, type Seen } from './provider-door.ts'
import { emailOf } from './provider-pages.ts'
import type { Store } from './provider-store.ts'

export interface ApiRequest extends Seen {
  /** The Authorization header, as it came. */
  authorization: string | null
  /** Whose token it was. null: nobody's, an app's own, or one that is dead. */
  account: string | null
}

export interface Thing {
  id: string
  name: string
  /** Who made it. */
  by: string | null
}

type Live = Pick<AdapterPayload, 'accountId' | 'clientId'>

/** Call → the scope it needs; null: any live token does. */
const CALLS: Record<string, string | null> = {
  'GET /api/things': 'things.read',
  'POST /api/things': 'things.write',
  'GET /api/me': null,
}

export class Api extends Door<ApiRequest> {
  readonly things: Thing[] = [{ id: 'thing-1', name: 'The first', by: null }]
  private readonly store: Store

  constructor(store: Store) {
    super((seen) => {
      const authorization = seen.headers.authorization ?? null
      return { ...seen, authorization, account: store.live(tokenIn(authorization) ?? '')?.accountId ?? null }
    })
    this.store = store
  }

  readonly middleware = (ctx: Context, next: Next): Promise<void> =>
    ctx.path.startsWith('/api/') ? this.pass(ctx, async (request) => this.answer(ctx, request)) : next()

  private answer(ctx: Context, request: ApiRequest): void {
    const need = CALLS[`${ctx.method} ${ctx.path}`]
    const token = tokenIn(request.authorization)
    const live = this.store.live(token ?? '')
    if (token === null) refuse(ctx, 401, 'unauthorized', 'Bearer realm="things"')
    else if (live === null) refuse(ctx, 401, 'invalid_token', 'Bearer realm="things", error="invalid_token"')
    else if (need === undefined) refuse(ctx, 404, 'not_found')
    else if (need !== null && !live.scope?.split(' ').includes(need))
      refuse(ctx, 403, 'insufficient_scope', `Bearer realm="things", error="insufficient_scope", scope="${need}"`)
    else this.serve(ctx, request, live)
  }
  private serve(ctx: Context, request: ApiRequest, { accountId, clientId }: Live): void {
    const by = accountId ?? null
    if (ctx.path === '/api/me') {
      ctx.body = by === null ? { client_id: clientId } : { sub: by, email: emailOf(by), name: by }
    } else if (ctx.method === 'GET') {
      ctx.body = { things: this.things }
    } else {
      const { name } = JSON.parse(request.body || '{}') as { name?: string }
      const thing = { id: `thing-${this.things.length + 1}`, name: name ?? '', by }
      this.things.push(thing)
      ctx.status = 201
      ctx.body = thing
    }
  }
}

const tokenIn = (header: string | null): string | null => /^Bearer (\S+)$/i.exec(header ?? '')?.[1] ?? null

function refuse(ctx: Context, status: number, error: string, challenge?: string): void {
  ctx.status = status
  if (challenge) ctx.set('www-authenticate', challenge)
  ctx.body = { error }
}
