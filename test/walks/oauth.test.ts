/** Connect once, and be kept connected: against a real OAuth server with strict rotation, over HTTP alone. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { atProvider, httpInstance, setUpApp, signIn, things, Visitor } from './sign-in.ts'

let provider: Provider
let rt: TestRuntime
const SCOPES = ['things.read', 'things.write']

beforeAll(async () => {
  provider = await startProvider({ redirectUris: [], scopes: SCOPES, rotate: 'strict', accessTtlS: 3600 })
  rt = await runtime({ allowPrivate: [provider.url] })
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  await setUpApp(rt, provider)
})
afterAll(async () => {
  await rt[Symbol.asyncDispose]()
  await provider.close()
})

const connection = (id: string) => rt.ok('GET', `/v1/connections/${id}`)

describe('connecting', () => {
  it('[oauth.connect] a person agrees at the provider, and a tool is called with the token', async () => {
    const { status, page, attempt, connection: id } = await signIn(rt, provider, { scopes: SCOPES, display_name: 'Acme of Ada' })
    expect(status, page).toBe(200)
    expect(page).toContain('is connected')
    expect(attempt).toMatchObject({ status: 'done', kind: 'connected' })
    expect(await connection(id)).toMatchObject({
      name: 'Acme of Ada',
      provider: 'oauth2',
      status: 'active',
      account: { id: 'ada', label: 'ada@example.com' },
      oauth: { app: 'acme', renewable: true, kind: 'authorization_code' },
    })
    const instance = await httpInstance(rt, provider, id)
    const answer = await things(rt, instance)
    expect(answer.status, answer.text).toBe(200)
    expect(answer.body.result.status).toBe(200)
    expect(await rt.ok('POST', `/v1/connections/${id}/validate`)).toMatchObject({ ok: true })
  })
})
