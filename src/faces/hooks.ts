/** Where other systems knock: public, because whoever comes brings a signature instead of a token. The body stays as it came. */
import type { Context, Env, Hono } from 'hono'
import type { Ingress } from '../operations/index.ts'

const PATH = '/v1/inbound-webhooks/:id'

export function hooks<E extends Env>(
  app: Hono<E>,
  ingress: Ingress,
  face: {
    /** Throws while the runtime is still starting. */
    mustBeUp: () => void
    mayRead: (request: Request) => void
    read: (request: Request) => Promise<Uint8Array>
    requestIdOf: (c: Context<E>) => string
    addressOf: (c: Context<E>) => string | null
  },
): void {
  app.post(PATH, async (c) => {
    face.mustBeUp()
    const { run_id, first } = await ingress.take(c.req.param('id') as string, {
      header: (name) => c.req.header(name) ?? null,
      ip: face.addressOf(c),
      requestId: face.requestIdOf(c),
      mayRead: () => face.mayRead(c.req.raw),
      read: () => face.read(c.req.raw),
    })
    return c.json({ run_id }, first ? 202 : 200)
  })

  // Meta asks at the address where everybody else asks for facts about the subscription: its question says what it is.
  app.get(PATH, async (c, next) => {
    const mode = c.req.query('hub.mode') ?? null
    if (mode === null) return next()
    face.mustBeUp()
    const asked = { mode, token: c.req.query('hub.verify_token') ?? null, challenge: c.req.query('hub.challenge') ?? null }
    const challenge = await ingress.handshake(c.req.param('id') as string, asked)
    // As text and nothing else, whatever it says: no browser shall take it for a page of ours.
    c.header('content-security-policy', "default-src 'none'")
    return c.text(challenge)
  })
}
