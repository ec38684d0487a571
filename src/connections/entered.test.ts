/** What is entered beside a secret reaches whoever works with the connection, and the secret does not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Stage, stage } from '../../test/renewing.ts'
import type { Bindings } from '../bindings/index.ts'
import { apiKey, bearer, connector, tool, z } from '../connectors/contract.ts'
import { createTools } from '../tools/index.ts'
import { conceal } from '../vault/index.ts'

const SECRET = 'key-of-the-branch-canary'
const seen: unknown[] = []
const branch = connector({
  slug: 'branch-office',
  title: 'Branch office',
  about: 'A connector that is in this test alone.',
  docs: 'https://branch.example',
  auth: apiKey({
    put: bearer(),
    fields: [
      { name: 'api_key', label: 'Key', secret: true, required: true, hint: 'It hangs beside the door.' },
      { name: 'branch', label: 'Branch', secret: false, required: true, hint: 'The number on the door.' },
    ],
    check: async (ctx) => {
      seen.push(ctx.entered)
      return { account: null, granted_scopes: null }
    },
  }),
  config: z.strictObject({ api_base: z.url().optional() }),
  base: 'https://branch.example',
  baseKey: 'api_base',
  hosts: [],
  tools: {
    door: tool({
      about: 'Says which door the connection is for, which is all that this tool does.',
      effect: 'read',
      repeatable: true,
      input: z.strictObject({}),
      output: z.object({ entered: z.unknown() }),
      example: {},
      run: async (ctx) => ({ entered: ctx.entered }),
    }),
  },
})

let s: Stage
beforeAll(async () => {
  s = await stage()
})
afterAll(() => s[Symbol.asyncDispose]())

describe('what is entered beside the secret', () => {
  it('[connectors.entered] reaches a check before and after it is saved, and a tool', async () => {
    const { connections } = await s.process({ connectors: [branch] })
    const signal = new AbortController().signal
    const credentials = { api_key: conceal(SECRET), branch: conceal('17') }
    expect(await connections.tryOut(s.scope, { provider: 'branch-office', credentials }, signal, 'test')).toMatchObject({ ok: true })
    const write = await connections.create(s.scope, {
      display_name: 'Branch',
      provider: 'branch-office',
      environment: 'production',
      credentials,
    })
    const { id } = await s.db.tx(s.scope, write)
    expect((await connections.validate(s.scope, id, {}, signal, 'test')).result.ok).toBe(true)
    expect(seen).toEqual([{ branch: '17' }, { branch: '17' }])

    const bindings = { resolve: async () => ({ connector: branch, connectionId: id, config: {} }) } as unknown as Bindings
    const tools = createTools({ db: s.db, bindings, connections, now: () => s.now })
    const call = { scope: s.scope, actor: 'user_1', instanceId: 'inst_1', tool: 'door', args: {}, environment: 'production' }
    const outcome = await tools.attempt({ ...call, key: 'k', signal })
    expect(outcome).toMatchObject({ ok: true, output: { entered: { branch: '17' } } })
    expect(JSON.stringify([seen, outcome])).not.toContain(SECRET)
  })
})
