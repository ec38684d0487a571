/** A service whose client is exchanged for a token of a day, as Shopify has it: on the shelf of a copy, because its endpoint is not ours to set. */
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runtime, type TestRuntime } from '../harness.ts'
import { behindTheScenes } from './acts.ts'
import { filesBelow, hits } from './canary.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const SECRET = 'shpss_0123456789abcdef0123456789abcdef'
const FOLDER = `
import { connector, header, rest, tool, z } from '../contract.ts'
const check = async (ctx) => ({ account: { id: 'shop', label: (await rest(ctx, { path: '/me' })).body.name }, granted_scopes: null })
const field = { required: true, hint: 'Where the test has it' }
export default connector({
  slug: 'day-shop', title: 'Day Shop', about: 'A shop whose tokens live for a day.', docs: 'https://shop.example/docs',
  auth: { kind: 'api_key', check, services: { client_credentials: {
    title: 'App', put: header('x-shop-token', 'access_token'),
    fields: [
      { ...field, name: 'port', label: 'Port', secret: false, where: true, format: { pattern: /^\\d+$/, says: 'is a number' } },
      { ...field, name: 'client_id', label: 'Client ID', secret: false },
      { ...field, name: 'client_secret', label: 'Client secret', secret: true },
    ],
    exchange: {
      tokenEndpoint: ({ port }) => 'http://127.0.0.1:' + port + '/token', lifetimeS: 86399,
      refusals: [{ error: 'app_not_installed', means: { class: 'misconfigured', reason: 'client_not_allowed' } }],
    },
  } } },
  config: z.strictObject({ api_base: z.url().optional() }),
  base: ({ port }) => 'http://127.0.0.1:' + port, baseKey: 'api_base', hosts: [],
  tools: { me: tool({
    about: 'Reads the name of the shop, and nothing else of it at all.', effect: 'read', repeatable: true,
    input: z.strictObject({}), output: z.looseObject({ name: z.string() }), example: {},
    run: async (ctx) => (await rest(ctx, { path: '/me' })).body,
  }) },
})`

/** What the shop makes of its app: tokens count up, and only the last one lives. */
const shop = { tokens: 0, installed: true, asked: [] as string[] }
const server = createServer(async (req, res) => {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  const say = (status: number, type: string, body: string) => res.writeHead(status, { 'content-type': type }).end(body)
  if (req.url === '/token') {
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    shop.asked.push(`${req.method} ${form.get('grant_type')} ${form.get('client_id')} ${form.get('client_secret') === SECRET}`)
    if (!shop.installed)
      return say(
        400,
        'text/html',
        '<title>400 - Oauth error app_not_installed</title>Oauth error app_not_installed: The application is not installed.',
      )
    return say(
      200,
      'application/json',
      JSON.stringify({ access_token: `day_token_number_${++shop.tokens}`, scope: 'a,b', expires_in: 86399 }),
    )
  }
  if (req.headers['x-shop-token'] === `day_token_number_${shop.tokens}`) return say(200, 'application/json', '{"name":"Ada’s"}')
  return say(401, 'application/json', '{"errors":"Invalid token"}')
})
let copy: string
let rt: TestRuntime
let port: string

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), 'agentruntime-shelf-'))
  cpSync(join(ROOT, 'src'), join(copy, 'src'), { recursive: true, filter: (from) => !/\.(test|stub)\.ts$/.test(from) })
  for (const it of ['node_modules', 'package.json', 'migrations', 'console']) symlinkSync(join(ROOT, it), join(copy, it))
  mkdirSync(join(copy, 'src', 'connectors', 'day-shop'))
  writeFileSync(join(copy, 'src', 'connectors', 'day-shop', 'index.ts'), FOLDER)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = String((server.address() as AddressInfo).port)
  rt = await runtime({ main: join(copy, 'src', 'main.ts'), cwd: copy, allowPrivate: [`http://127.0.0.1:${port}`] })
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  server.close()
  rmSync(copy, { recursive: true, force: true })
})

it('[connectors.exchange] a client is exchanged for tokens that nobody sees, renewed when one dies, and its own refusal is told from theirs', async () => {
  const credentials = { port, client_id: 'app_1', client_secret: SECRET }
  const entered = { display_name: 'shop', provider: 'day-shop', service: 'client_credentials', credentials }
  const { id } = await rt.ok('POST', '/v1/connections', entered)
  const instance = (await rt.ok('POST', '/v1/mcp/instances', { slug: 'day-shop', name: 'shop', connection_id: id })).id
  const call = () => rt.api('POST', `/v1/mcp/instances/${instance}/tools/me/call`, { args: {} })
  expect((await call()).body).toMatchObject({ result: { name: 'Ada’s' } })
  expect((await call()).status).toBe(200)
  expect(shop.asked).toEqual(['POST client_credentials app_1 true'])
  expect(await rt.ok('POST', `/v1/connections/${id}/validate`, {})).toMatchObject({ ok: true, account: { label: 'Ada’s' } })

  shop.tokens++ // somebody else asked for one, and ours is dead
  expect((await call()).status).toBe(200)

  // Its secret goes to no other port without being entered again.
  const moved = await rt.api('PATCH', `/v1/connections/${id}`, { credentials: { port: '1' } })
  expect(moved).toMatchObject({ status: 400, body: { error: expect.stringContaining('client_secret must be entered again') } })

  shop.installed = false
  await using db = await behindTheScenes(rt)
  await db.rows(
    "update grants set access_expires_at = now() - interval '1 h', access_obtained_at = now() - interval '25 h', next_try_at = null",
  )
  await new Promise((resolve) => setTimeout(resolve, 1_050)) // a row is believed for a second
  expect((await call()).body).toMatchObject({ code: 'OAUTH_APP_REFUSED' })
  expect(await rt.ok('GET', `/v1/connections/${id}`)).toMatchObject({ status: 'misconfigured' })

  const said = rt.answers.map((it): [string, Buffer] => [`${it.method} ${it.path}`, Buffer.from(it.text)])
  const secrets = { client_secret: SECRET, token: 'day_token_number_1' }
  expect(hits(secrets, [...said, ['logs', Buffer.from(rt.said.stdout + rt.said.stderr)], ...filesBelow(rt.home, ['postgres'])])).toEqual([])
})
