/**
 * Changes as Server-Sent Events (WHATWG HTML, section 9.2). Each event is an answer of `changes.get`, and its id the mark: whoever
 * comes back with it as Last-Event-ID hears of everything that has changed meanwhile, from whichever process.
 */
import type { Context, Env, Hono } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { Caller } from '../access/index.ts'
import { fail } from '../base/errors.ts'
import type { Api, AnyOperation, Invoke } from '../operations/index.ts'
import type { Redact } from './last-look.ts'

/** How soon a change is told. With each look the caller is asked for again, so that a revoked token ends the stream as soon. */
const LOOK_MS = 750
/** How old a look at the token may be: with the time between two looks, less than the second that a revocation may take. */
const BELIEVE_MS = 200
/** A proxy takes a connection on which nothing moves for dead after a while, half a minute being the shortest that is usual. */
const HEARTBEAT_MS = 15_000
/** A client that was cut off comes back after this. */
const RETRY_MS = 1_000
/** Streams of one caller. A browser shares one among its tabs. */
const MAX_STREAMS = 10

export function serveStream<E extends Env>(
  app: Hono<E>,
  deps: {
    operations: readonly AnyOperation[]
    invoke: Invoke
    callerOf: (request: Request, ip: string | null, believeMs?: number) => Promise<Caller>
    ipOf: (c: Context<E>) => string | null
    requestIdOf: (c: Context<E>) => string
    up: () => boolean
    redact: Redact
  },
): void {
  const changes = deps.operations.find((op) => op.name === 'changes.get') as AnyOperation
  const open = new Map<string, number>()
  const count = (actor: string, n: 1 | -1) => {
    const left = (open.get(actor) ?? 0) + n
    if (left > 0) open.set(actor, left)
    else open.delete(actor)
  }

  app.get('/v1/stream', async (c) => {
    if (!deps.up())
      fail('DEPENDENCY_UNAVAILABLE', 'the runtime is still starting', { hint: 'Try again in a moment; GET /readyz says when.' })
    const ip = deps.ipOf(c)
    const requestId = deps.requestIdOf(c)
    const { signal } = c.req.raw
    const caller = await deps.callerOf(c.req.raw, ip)
    if ((open.get(caller.actor) ?? 0) >= MAX_STREAMS)
      fail('RATE_LIMITED', `${MAX_STREAMS} streams of this caller are open already`, { hint: 'Close one of them.' })
    const look = (who: Caller, mark: string | undefined) =>
      deps.invoke(changes, who, mark ? { mark } : {}, { requestId, signal }) as Promise<Api['changes.get']['output']>
    const { written } = deps.redact.of(caller.workspace)
    let { mark, changed } = await look(caller, c.req.header('last-event-id') || undefined)
    c.header('x-accel-buffering', 'no')
    return streamSSE(c, async (stream) => {
      count(caller.actor, 1)
      try {
        await stream.writeSSE({ id: mark, event: 'changed', retry: RETRY_MS, data: written({ changed }) })
        let quiet = 0
        while (!stream.aborted && deps.up()) {
          await stream.sleep(LOOK_MS)
          if (stream.aborted) break
          // A database that is away for a moment is no reason to end: the next look tells.
          const seen = await deps
            .callerOf(c.req.raw, ip, BELIEVE_MS)
            .then((who) => look(who, mark))
            .catch((error: { code?: string }) => (error.code === 'DEPENDENCY_UNAVAILABLE' ? undefined : null))
          if (seen === null) break
          quiet += LOOK_MS
          if (seen && seen.changed.length > 0) {
            ;({ mark, changed } = seen)
            await stream.writeSSE({ id: mark, event: 'changed', data: written({ changed }) })
            quiet = 0
          } else if (quiet >= HEARTBEAT_MS) {
            await stream.write(': nothing new\n\n')
            quiet = 0
          }
        }
      } finally {
        count(caller.actor, -1)
      }
    })
  })
}
