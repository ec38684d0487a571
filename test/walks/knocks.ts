/** Knocking at an inbound webhook, in one call each. */
import { randomBytes } from 'node:crypto'
import type { Sender } from '../fakes/senders.ts'
import type { Answer, TestRuntime } from '../harness.ts'

export interface Hook {
  id: string
  path: string
  secret: string
  sender: Sender
  created: Answer['body']
}

/** A subscription with the sender's secret, or with ours. */
export async function hooked(rt: TestRuntime, workflow: string, sender: Sender, more: Record<string, unknown> = {}): Promise<Hook> {
  const created = await rt.ok('POST', '/v1/inbound-webhooks', {
    workflow_id: workflow,
    name: `${sender.scheme} ${randomBytes(4).toString('hex')}`,
    signature: { scheme: sender.scheme },
    ...(sender.secret === null ? {} : { provided_secret: sender.secret }),
    ...more,
  })
  return { id: created.subscription.id, path: created.ingress_path, secret: created.signing_secret ?? sender.secret, sender, created }
}

export const seconds = () => Math.floor(Date.now() / 1000)
export const newDelivery = () => `d-${randomBytes(8).toString('hex')}`

/** A delivery, ready to be sent, and sent again. */
export function delivery(hook: Hook, given: { n?: unknown; id?: string; at?: number; secret?: string; body?: string } = {}) {
  const id = given.id ?? newDelivery()
  const body = given.body ?? JSON.stringify(hook.sender.body({ id, n: given.n ?? 1 }))
  const signed = { secret: given.secret ?? hook.secret, body, at: given.at ?? seconds(), id }
  return { id, body, headers: hook.sender.headers(signed) }
}

/** Without a token of ours, unless the headers have one. */
export async function knock(
  rt: TestRuntime,
  path: string,
  it: { body: string | Uint8Array | ReadableStream; headers: Record<string, string> },
): Promise<Answer> {
  const response = await fetch(rt.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...it.headers },
    body: it.body as never,
    ...(it.body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit)
  const text = await response.text()
  const body = text.startsWith('{') ? JSON.parse(text) : null
  return { method: 'POST', path, status: response.status, headers: response.headers, text, body }
}
