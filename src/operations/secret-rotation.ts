/** Secrets of which two are live while they are changed: what senders sign with, and what OAuth apps prove themselves by. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { operation, type Rooms } from './operation.ts'
import { id, time } from './shapes.ts'

const confirm = z.boolean().default(false).describe('whoever uses it has the new one')

const delivered = z.object({
  version: z.number(),
  deliveries: z.number().describe('signed with it since the change'),
  last_delivery_at: time.nullable(),
})
const ofWebhook = z.object({ since: time, until: time.describe('when the old one ends by itself'), new: delivered, old: delivered })
const WEBHOOK = { scope: 'webhook:write', role: 'project_contributor' } as const

export const webhook = operation({
  name: 'webhooks.rotation',
  http: 'GET /v1/inbound-webhooks/{id}/rotate-secret',
  about: 'Both secrets while one is being changed, and how many deliveries came signed with each. Null: there is one.',
  scope: 'webhook:write',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ id: id('inbound webhook') }),
  output: z.object({ rotation: ofWebhook.nullable() }),
  run: async ({ triggers }, { read }, input) => ({ rotation: await read((tx) => triggers.webhooks.rotation(tx, input.id)) }),
})

export const finishWebhook = operation({
  name: 'webhooks.finish_rotation',
  http: 'POST /v1/inbound-webhooks/{id}/rotate-secret/finish',
  about: 'End the old signing secret now. Without confirm it says how many deliveries still come signed with it.',
  ...WEBHOOK,
  effect: 'destroy',
  audit: { log: 'webhook.rotation_finished' },
  input: z.strictObject({ id: id('inbound webhook'), confirm }),
  output: ofWebhook,
  run: ({ triggers }, { act }, input) =>
    act(
      (tx) => triggers.webhooks.finishRotation(tx, input.id, input.confirm),
      (it) => ({ target: input.id, details: { old: it.old, new: it.new } }),
    ),
})

export const rollBackWebhook = operation({
  name: 'webhooks.roll_back_rotation',
  http: 'POST /v1/inbound-webhooks/{id}/rotate-secret/rollback',
  about: 'Back to the old signing secret. The new one is destroyed.',
  ...WEBHOOK,
  effect: 'write',
  audit: { log: 'webhook.rotation_rolled_back' },
  input: z.strictObject({ id: id('inbound webhook') }),
  output: ofWebhook,
  run: ({ triggers }, { act }, input) =>
    act(
      (tx) => triggers.webhooks.rollBackRotation(tx, input.id),
      (it) => ({ target: input.id, details: { old: it.old, new: it.new } }),
    ),
})

const used = z.object({ version: z.number(), uses: z.number().describe('sent since the change'), last_used_at: time.nullable() })
const ofApp = z.object({ since: time, until: time.describe('when the old one ends by itself'), new: used, old: used })
const slug = z.string().max(60).describe('of the OAuth app')
const APP = { scope: 'connection:write', role: 'workspace_admin' } as const

async function appShown(rooms: Rooms, tx: Tx, it: Awaited<ReturnType<Rooms['connections']['oauth']['apps']['secrets']['of']>>) {
  if (it === null) return null
  const versions = [it.new, it.old].map((version) => ({ version, since: it.since }))
  const found = await rooms.uses.ofVersions(tx, it.owner, versions)
  const of = (version: number) => {
    const seen = found.find((f) => f.version === version)
    return { version, uses: seen?.calls ?? 0, last_used_at: seen?.last_used_at?.toISOString() ?? null }
  }
  return { since: it.since.toISOString(), until: it.until.toISOString(), new: of(it.new), old: of(it.old) }
}

export const app = operation({
  name: 'oauth_apps.rotation',
  http: 'GET /v1/oauth-apps/{slug}/secret',
  about: 'Both client secrets while one is being changed, and how often each was sent: the old one only where the new one was refused.',
  scope: 'connection:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'facts only, never a secret' },
  input: z.strictObject({ slug }),
  output: z.object({ rotation: ofApp.nullable() }),
  run: async (rooms, { read }, input) => {
    await rooms.uses.flush()
    return { rotation: await read(async (tx) => appShown(rooms, tx, await rooms.connections.oauth.apps.secrets.of(tx, input.slug))) }
  },
})

export const finishApp = operation({
  name: 'oauth_apps.finish_rotation',
  http: 'POST /v1/oauth-apps/{slug}/secret/finish',
  about: 'Destroy the old client secret now. Without confirm it says how often it still had to answer for the new one.',
  ...APP,
  effect: 'destroy',
  audit: { log: 'oauth_app.rotation_finished' },
  input: z.strictObject({ slug, confirm }),
  output: ofApp,
  run: async (rooms, { scope, act }, input) => {
    const { secrets } = rooms.connections.oauth.apps
    await rooms.uses.flush()
    const done = await act(
      async (tx) => {
        const it = await appShown(rooms, tx, await secrets.finish(tx, input.slug))
        if (!input.confirm)
          fail(
            'REFUSED',
            `not finished: the old secret was sent ${it?.old.uses} times since the change, and the new one ${it?.new.uses} times`,
            {
              hint: 'Send confirm: true once the old one is revoked at the provider.',
              details: { ...it },
            },
          )
        return it as NonNullable<typeof it>
      },
      (it) => ({ target: input.slug, details: { old: it.old, new: it.new } }),
    )
    secrets.settled(scope, input.slug)
    return done
  },
})

export const rollBackApp = operation({
  name: 'oauth_apps.roll_back_rotation',
  http: 'POST /v1/oauth-apps/{slug}/secret/rollback',
  about: 'Back to the old client secret. The new one is destroyed.',
  ...APP,
  effect: 'write',
  audit: { log: 'oauth_app.rotation_rolled_back' },
  input: z.strictObject({ slug }),
  output: ofApp,
  run: async (rooms, { scope, act }, input) => {
    const { secrets } = rooms.connections.oauth.apps
    await rooms.uses.flush()
    const done = await act(
      async (tx) =>
        (await appShown(rooms, tx, await secrets.rollBack(tx, input.slug))) as NonNullable<Awaited<ReturnType<typeof appShown>>>,
      (it) => ({ target: input.slug, details: { old: it.old, new: it.new } }),
    )
    secrets.settled(scope, input.slug)
    return done
  },
})
