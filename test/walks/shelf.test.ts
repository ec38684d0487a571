/** Every connector over HTTP in the real product: its key is tried, stored, used and replaced, and an upstream that echoes it gives nothing away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadConnectors } from '../../src/connectors/load.ts'
import type { Stub } from '../fakes/stub.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { loadProofs } from '../proof.ts'
import { filesBelow, hits, type Place } from './canary.ts'

const shelf = await loadConnectors()
/** What is signed up for is entered by nobody: a walk of its own has it. */
const proofs = [...(await loadProofs())].flatMap(([slug, { contracts }]) => {
  const auth = shelf.get(slug)?.auth
  return auth?.kind === 'api_key' ? contracts.filter((it) => !auth.services[it.service]?.signUp).map((it) => ({ slug, ...it })) : []
})

let rt: TestRuntime
const stubs = new Map<(typeof proofs)[number], Stub>()

beforeAll(async () => {
  for (const it of proofs) stubs.set(it, await it.start())
  rt = await runtime({ allowPrivate: [...stubs.values()].map((it) => it.url) })
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([...stubs.values()].map((it) => it.close()))
})

describe.each(proofs)('$slug with $service', (proof) => {
  const { slug, service, credentials, dead } = proof
  const stub = () => stubs.get(proof) as Stub
  let instance: string
  let connection: string

  it('[connectors.walk] a key is tried before it is stored, then stored and used', async () => {
    const config = proof.config(stub().url)
    const entered = { provider: slug, service, config }
    expect(await rt.ok('POST', '/v1/connections/try', { ...entered, credentials })).toMatchObject({ ok: true, problem: null })
    const refused = await rt.ok('POST', '/v1/connections/try', { ...entered, credentials: dead })
    expect(refused).toMatchObject({ ok: false, problem: { code: 'CREDENTIAL_REJECTED' } })

    connection = (await rt.ok('POST', '/v1/connections', { display_name: slug, provider: slug, service, credentials })).id
    instance = (await rt.ok('POST', '/v1/mcp/instances', { slug, name: `${slug} ${service}`, connection_id: connection, config })).id
    const checks = await rt.ok('POST', `/v1/mcp/instances/${instance}/validate`)
    expect(checks.checks.filter((it: { ok: boolean }) => !it.ok)).toEqual([])
    const { tool, input } = proof.reads
    expect((await rt.api('POST', `/v1/mcp/instances/${instance}/tools/${tool}/call`, { args: input })).status).toBe(200)
  })

  it.each([200, 400, 500])('[connectors.walk] an echo with status %i gives nothing away', async (status) => {
    for (const { tool, input } of [proof.reads, proof.writes]) {
      stub().next({ kind: 'echo', status }, { kind: 'echo', status }, { kind: 'echo', status })
      await rt.api('POST', `/v1/mcp/instances/${instance}/tools/${tool}/call`, { args: input })
      stub().reset()
    }
    const said: Place[] = rt.answers.map((it) => [`${it.method} ${it.path}`, Buffer.from(it.text)])
    const logs: Place[] = [
      ['stdout', Buffer.from(rt.said.stdout)],
      ['stderr', Buffer.from(rt.said.stderr)],
    ]
    expect(hits({ [slug]: proof.secret }, [...said, ...logs, ...filesBelow(rt.home, ['postgres'])])).toEqual([])
  })

  it('[connectors.walk] a key that the vendor no longer takes asks for a person, and a new one mends it', async () => {
    await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials: dead })
    const { tool, input } = proof.reads
    const call = () => rt.api('POST', `/v1/mcp/instances/${instance}/tools/${tool}/call`, { args: input })
    expect((await call()).body).toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    expect(await rt.ok('GET', `/v1/connections/${connection}`)).toMatchObject({ status: 'reconnect' })
    await rt.ok('PATCH', `/v1/connections/${connection}`, { credentials })
    expect((await call()).status).toBe(200)
  })
})
