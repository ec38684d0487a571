import { z } from 'zod'
import { operation } from './operation.ts'
import { time } from './shapes.ts'

export const status = operation({
  name: 'vault.status',
  http: 'GET /v1/vault',
  about: 'The ring of sealing keys: which one seals, and how many secrets lie under each.',
  scope: 'vault:admin',
  role: 'workspace_owner',
  effect: 'read',
  audit: { none: 'numbers and counts, no key' },
  input: z.strictObject({}),
  output: z.object({
    active_key: z.number(),
    to_rewrap: z.number(),
    rotate_now: z.boolean().describe('true once a key has been used so often that another one is due'),
    keys: z.array(z.object({ key_no: z.number(), secrets: z.number(), wraps: z.number(), created_at: time, retired_at: time.nullable() })),
  }),
  run: async ({ vault }) => {
    const s = await vault.status()
    return {
      active_key: s.active,
      to_rewrap: s.toRewrap,
      rotate_now: s.rotateNow,
      keys: s.keys.map((k) => ({
        key_no: k.no,
        secrets: k.rows,
        wraps: k.wraps,
        created_at: k.createdAt.toISOString(),
        retired_at: k.retiredAt?.toISOString() ?? null,
      })),
    }
  },
})

export const rotate = operation({
  name: 'vault.rotate',
  http: 'POST /v1/vault/rotate',
  about: 'Make a new sealing key. It is stored before it is used; what is sealed stays readable, and moves with a rewrap.',
  scope: 'vault:admin',
  role: 'workspace_owner',
  effect: 'write',
  audit: { log: 'vault.rotated' },
  hideFrom: { mcp: 'for operators only' },
  input: z.strictObject({}),
  output: z.object({ active_key: z.number() }),
  run: async ({ vault }, { act }) => {
    const { active } = await vault.rotate()
    await act(
      async () => undefined,
      () => ({ target: `key ${active}` }),
    )
    return { active_key: active }
  },
})

export const rewrap = operation({
  name: 'vault.rewrap',
  http: 'POST /v1/vault/rewrap',
  about: 'Move every secret under the newest sealing key, while everything goes on. Can be stopped and started again.',
  scope: 'vault:admin',
  role: 'workspace_owner',
  effect: 'write',
  audit: { log: 'vault.rewrapped' },
  left: { at: '/v1/vault', field: 'to_rewrap', counts: 'secrets still to rewrap' },
  hideFrom: { mcp: 'for operators only' },
  input: z.strictObject({}),
  output: z.object({
    done: z.number(),
    total: z.number(),
    undecryptable: z.number(),
    finished: z.boolean(),
    retired_keys: z.array(z.number()),
  }),
  run: async ({ vault }, { act, signal, progress }) => {
    const r = await vault.rewrap({ signal, progress })
    const out = { done: r.done, total: r.total, undecryptable: r.undecryptable, finished: r.finished, retired_keys: r.retired }
    await act(
      async () => undefined,
      () => ({ details: out }),
    )
    return out
  },
})
