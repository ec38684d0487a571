/** A connector that nobody has heard of: its folder is put on the shelf of a copy, nothing else is touched, and every face knows it. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runtime, type TestRuntime } from '../harness.ts'
import { connect } from './mcp-client.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const KEY = 'am_0123456789abcdefghij'
const run = promisify(execFile)

const heard: string[] = []
const acme = createServer((req, res) => {
  heard.push(`${req.method} ${req.url} ${req.headers.authorization}`)
  res.setHeader('content-type', 'application/json')
  res.end(JSON.stringify(req.method === 'POST' ? { id: 'mail_1' } : { id: 'u1', email: 'ada@example.com', scopes: ['mail.send'] }))
})
let copy: string
let rt: TestRuntime
let url: string

beforeAll(async () => {
  copy = mkdtempSync(join(tmpdir(), 'agentruntime-shelf-'))
  // The copy stands where nothing of ours is above it, so what it needs besides its own sources is linked.
  cpSync(join(ROOT, 'src'), join(copy, 'src'), { recursive: true, filter: (from) => !/\.(test|stub)\.ts$/.test(from) })
  for (const it of ['node_modules', 'package.json', 'migrations', 'console']) symlinkSync(join(ROOT, it), join(copy, it))
  const folder = join(copy, 'src', 'connectors', 'acme-mail')
  mkdirSync(folder)
  const source = readFileSync(join(ROOT, 'docs', 'examples', 'acme-mail', 'index.ts'), 'utf8')
  writeFileSync(join(folder, 'index.ts'), source.replace("'../../../src/connectors/contract.ts'", "'../contract.ts'"))
  acme.listen(0, '127.0.0.1')
  await once(acme, 'listening')
  url = `http://127.0.0.1:${(acme.address() as AddressInfo).port}`
  rt = await runtime({ main: join(copy, 'src', 'main.ts'), cwd: copy, allowPrivate: [url] })
})
afterAll(async () => {
  await rt?.[Symbol.asyncDispose]()
  acme.close()
  rmSync(copy, { recursive: true, force: true })
})

const cli = async (...argv: string[]) => {
  const flags = ['--url', rt.url, '--token-file', rt.patFile, '--json']
  return JSON.parse((await run(process.execPath, [join(copy, 'src', 'main.ts'), ...argv, ...flags])).stdout)
}

it('[connectors.one-folder] a folder that is dropped in is in the catalogue, over HTTP, over MCP and on the command line', async () => {
  const { items } = await rt.ok('GET', '/v1/mcp/platform-catalog')
  const mine = items.find((it: { slug: string }) => it.slug === 'acme-mail')
  expect(mine).toMatchObject({ title: 'Acme Mail', tools: [{ name: 'send_mail', effect: 'write', scopes: ['mail.send'] }] })
  const templates = await rt.ok('GET', '/v1/connections/templates')
  expect(templates.items).toContainEqual(expect.objectContaining({ provider: 'acme-mail', display_name: 'Acme Mail' }))

  // A key of the wrong form is refused in the folder's own words.
  const wrong = { display_name: 'x', provider: 'acme-mail', credentials: { api_key: 'not one' } }
  const refused = await rt.api('POST', '/v1/connections', wrong)
  expect(refused).toMatchObject({ status: 422, body: { error: expect.stringContaining('begins with am_') } })

  const connection = await rt.ok('POST', '/v1/connections', { ...wrong, credentials: { api_key: KEY } })
  const made = { slug: 'acme-mail', name: 'mail', connection_id: connection.id, config: { api_base: url } }
  const instance = await rt.ok('POST', '/v1/mcp/instances', made)
  const mail = { to: 'ada@example.com', subject: 'Hello', text: 'Hi' }
  const called = await rt.ok('POST', `/v1/mcp/instances/${instance.id}/tools/send_mail/call`, { args: mail })
  expect(called.result).toEqual({ id: 'mail_1' })

  await using client = await connect(rt, `/mcp/instances/${instance.id}`, '2025-11-25')
  expect((await client.listTools()).tools.map((it) => it.name)).toEqual(['send_mail'])
  const answer = await client.callTool({ name: 'send_mail', arguments: mail })
  expect(answer.structuredContent).toEqual({ id: 'mail_1' })

  expect((await cli('mcp', 'catalog')).items.map((it: { slug: string }) => it.slug)).toContain('acme-mail')
  expect((await cli('tools', 'call', instance.id, 'send_mail', '--args', JSON.stringify(mail))).result).toEqual({ id: 'mail_1' })
  expect(heard.filter((it) => it === `POST /v1/mails Bearer ${KEY}`)).toHaveLength(3)
})
