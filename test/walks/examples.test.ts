/** The recipes of `examples/`: each is valid for the connectors it names, and runs as it lies there, begun by what would begin it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startGmail } from '../fakes/gmail.ts'
import { granted } from '../fakes/google.ts'
import { startTestPostgres, type TestPostgres } from '../fakes/postgres-server.ts'
import { type Provider, startProvider } from '../fakes/provider.ts'
import { SENDERS } from '../fakes/senders.ts'
import type { Stub } from '../fakes/stub.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { loadProofs } from '../proof.ts'
import { context, ended } from './acts.ts'
import { setUpApp, signIn } from './sign-in.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'examples')
const read = (path: string) => JSON.parse(readFileSync(join(FOLDER, path), 'utf8'))
interface Step extends Record<string, unknown> {
  id: string
  type: string
  depends_on?: string[]
  condition?: string
}
/** Kinds of steps that are described and not run yet. */
const LATER = ['human_task']
const SERVICES = ['github', 'resend', 'shopify', 'whatsapp', 'activecampaign', 'notion', 'openai']

let rt: TestRuntime
let shop: TestPostgres
let provider: Provider
let gmail: Stub
const stubs = new Map<string, Stub>()

beforeAll(async () => {
  const proofs = await loadProofs()
  ;[shop, provider, gmail] = await Promise.all([
    startTestPostgres(),
    startProvider({ scopes: [`https://www.googleapis.com/auth/gmail.send`], rotate: 'never' }),
    startGmail(),
  ])
  await shop.admin(`create table submissions (name text, email text, message text, at timestamptz default now())`)
  await shop.admin(`create table orders (total numeric, at timestamptz default now())`)
  await shop.admin(`insert into orders (total) values (12.5), (7.5)`)
  await shop.admin(`grant all on submissions, orders to app`)
  for (const slug of SERVICES) stubs.set(slug, (await proofs.get(slug)?.contracts[0]?.start()) as Stub)
  rt = await runtime({ allowPrivate: [`127.0.0.1:${shop.port}`, provider.url, gmail.url, ...[...stubs.values()].map((it) => it.url)] })

  const install = (slug: string, connection_id: string, config: object) =>
    rt.ok('POST', '/v1/mcp/instances', { slug, name: slug, connection_id, config })
  for (const [slug, stub] of stubs) {
    const { service, credentials, config } = proofs.get(slug)!.contracts[0]!
    const made = await rt.ok('POST', '/v1/connections', { display_name: slug, provider: slug, service, credentials })
    await install(slug, made.id, config(stub.url))
  }
  const dsn = { display_name: 'shop', provider: 'postgres', credentials: { dsn: shop.dsn() } }
  await install('postgres', (await rt.ok('POST', '/v1/connections', dsn)).id, {})
  provider.allowRedirect(`${rt.url}/v1/oauth/callback`)
  const google = { provider: 'google', scopes: [], params: {}, api_hosts: [new URL(gmail.url).host], rotates: 'never' }
  await setUpApp(rt, provider, google, 'google')
  provider.next({ kind: 'rewrite', by: (answer) => ({ ...answer, access_token: granted('gmail.send', 'gmail.readonly') }) })
  await install('gmail', (await signIn(rt, provider, { slug: 'google', services: ['gmail'] })).connection, { api_base: gmail.url })
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  await Promise.all([gmail?.close(), provider?.close(), ...[...stubs.values()].map((it) => it.close())])
  await shop?.stop()
})
beforeEach(() => {
  for (const it of [gmail, ...stubs.values()]) it.reset()
})

/** Without the steps that cannot run yet: what waited for them waits for nothing, and a condition on them is left out. */
function runnable(steps: readonly Step[]): Step[] {
  const later = new Set(steps.filter((it) => LATER.includes(it.type)).map((it) => it.id))
  return steps
    .filter((it) => !later.has(it.id))
    .map(({ depends_on = [], condition, ...step }) => ({
      ...step,
      depends_on: depends_on.filter((id) => !later.has(id)),
      ...(condition && ![...later].some((id) => condition.includes(`steps.${id}.`)) ? { condition } : {}),
    }))
}

/** The workflow of an example, begun by a delivery of its webhook, or by hand where a schedule would begin it. */
async function run(name: string, scheme: string | null) {
  const { graph, ...facts } = read(`${name}.json`)
  const { id } = await rt.ok('POST', '/v1/workflows', { ...facts, graph: { steps: runnable(graph.steps) } })
  await rt.ok('POST', `/v1/workflows/${id}/versions`, {})
  const input = read(`inputs/${name}.json`)
  let runId: string
  if (scheme === null) runId = (await rt.ok('POST', `/v1/workflows/${id}/command`, { command: 'start', params: input })).run_id
  else {
    const sender = SENDERS.find((it) => it.scheme === scheme)!
    const given = sender.secret === null ? {} : { provided_secret: sender.secret }
    const made = await rt.ok('POST', '/v1/inbound-webhooks', { workflow_id: id, name, signature: { scheme }, ...given })
    const body = JSON.stringify(input)
    const headers = sender.headers({
      body,
      secret: sender.secret ?? made.signing_secret,
      id: `delivery-${name}`,
      at: Math.floor(Date.now() / 1000),
    })
    const answer = await fetch(made.ingress_url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body })
    expect(answer.status, await answer.clone().text()).toBe(202)
    runId = ((await answer.json()) as { run_id: string }).run_id
  }
  const end = await ended(rt, id, runId)
  const seen = await context(rt, id, runId)
  expect(end, JSON.stringify(seen)).toMatchObject({ status: 'completed' })
  return seen
}
const sent = (slug: string) =>
  stubs.get(slug)!.requests.map((it) => ({ call: `${it.method} ${it.path}`, body: it.body === '' ? null : JSON.parse(it.body) }))

describe('every example', () => {
  const names = readdirSync(FOLDER)
    .filter((it) => it.endsWith('.json'))
    .map((it) => it.replace('.json', ''))

  it.each(names)('[examples.valid] %s is valid as it lies there, but for kinds of steps that come later', async (name) => {
    const { id } = await rt.ok('POST', '/v1/workflows', read(`${name}.json`))
    const { issues } = await rt.ok('POST', `/v1/workflows/${id}/validate`, {})
    const later = (read(`${name}.json`).graph.steps as Step[]).filter((it) => LATER.includes(it.type)).map((it) => it.id)
    expect(issues.filter((it: { code: string }) => it.code !== 'unsupported_step_type')).toEqual([])
    expect(issues.map((it: { step_id: string }) => it.step_id)).toEqual(later)
    for (const step of runnable(read(`${name}.json`).graph.steps)) expect(step.name, step.id).toBeTruthy()
  })

  it('[examples.run] a form is stored, and the digest goes out with it', async () => {
    await run('form-to-digest', 'agentruntime')
    expect(await shop.admin('select name, email from submissions')).toEqual([{ name: 'Ada', email: 'ada@example.com' }])
    expect(sent('resend')).toMatchObject([
      { call: 'POST /emails', body: { subject: 'Messages within a day: 1', text: 'Ada <ada@example.com>: Do you ship to Delft?' } },
    ])
  })

  it('[examples.run] an order is confirmed by a template', async () => {
    await run('order-to-whatsapp', 'shopify')
    expect(sent('whatsapp').at(-1)).toMatchObject({ body: { type: 'template', template: { name: 'order_shipped' } } })
  })

  it('[examples.run] a pull request is reviewed, and the words become a comment', async () => {
    const seen = await run('review-pull-request', 'github')
    const { text } = seen.steps.review.result
    expect(text).toBeTruthy()
    expect(sent('github').at(-1)).toEqual({ call: 'POST /repos/octocat/hello-world/issues/7/comments', body: { body: text } })
  })

  it('[examples.run] a report is made and sent', async () => {
    await run('report-by-mail', null)
    expect(gmail.requests).toHaveLength(1)
  })

  it('[examples.run] a lead becomes a contact with a tag, and a page', async () => {
    await run('lead-to-crm', 'agentruntime')
    expect(sent('activecampaign').map((it) => it.call)).toEqual(['POST /api/3/contacts', 'POST /api/3/contactTags'])
    expect(sent('notion').at(-1)).toMatchObject({ call: 'POST /v1/pages', body: { properties: { Status: { select: { name: 'Open' } } } } })
  })
})
