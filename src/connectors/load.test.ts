import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bearer, type Connector, header, tool, z } from './contract.ts'
import { faultsOf, loadConnectors, loadShelf } from './load.ts'

const ping = tool({
  about: 'Answers whether the service lives, without changing anything there.',
  effect: 'read',
  repeatable: true,
  input: z.strictObject({ n: z.int() }),
  output: z.object({ ok: z.boolean() }),
  example: { n: 1 },
  run: async () => ({ ok: true }),
})
const key = { name: 'api_key', label: 'Key', secret: true, required: true, hint: 'Acme → Settings → Keys' }
const check = async () => ({ account: null, granted_scopes: null })
const good: Connector = {
  slug: 'acme',
  title: 'Acme',
  about: 'A service that was made up.',
  docs: 'https://acme.example/keys',
  auth: { kind: 'api_key', services: { api_key: { title: 'API key', fields: [key], put: bearer() } }, check },
  config: z.strictObject({ api_base: z.url().optional() }),
  base: 'https://api.acme.example',
  baseKey: 'api_base',
  hosts: ['files.acme.example', 'up.acme.example:8443'],
  tools: { ping },
}
const service = (s: object) => ({
  auth: { kind: 'api_key', check, services: { api_key: { title: 'API key', fields: [key], put: bearer(), ...s } } },
})

describe('what makes a connector', () => {
  it('nothing is wrong with a good one', () => {
    expect(faultsOf('acme', good)).toEqual([])
  })

  it.each([
    ['calls itself', { slug: 'acne' }],
    ['title and about', { about: ' ' }],
    ['docs must', { docs: 'ask them' }],
    ['base must', { base: 'https://api.acme.example/' }],
    ['base must', { base: 'http://api.acme.example' }],
    ['not a host name', { hosts: ['https://a.example'] }],
    ['not a host name', { hosts: ['*.example.com'] }],
    ['not a host name', { hosts: ['localhost'] }],
    ['refuse unknown settings', { config: z.object({ api_base: z.url().optional() }) }],
    ['config has no "api_base"', { config: z.strictObject({}) }],
    ['must demand "api_base"', { base: null }],
    ['no service', { auth: { kind: 'api_key', services: {}, check } }],
    ['no check', { auth: { ...good.auth, check: undefined } }],
    ['hint', service({ fields: [{ ...key, hint: '' }] })],
    ['snake_case', service({ fields: [key, { ...key, name: 'APIKey', secret: false }] })],
    ['one name', service({ fields: [key, key] })],
    ['no field is secret', service({ fields: [{ ...key, secret: false }] })],
    ['no secret field', service({ put: bearer('token') })],
    ['no open field', service({ put: header({ field: 'header_name' }) })],
    ['signed up for at "acne"', service({ signUp: { slug: 'acne', signUp: { inspection: 'x', target: 'y' } } })],
    ['signed up for at "acme"', service({ signUp: { slug: 'acme' } })],
    ['has no tool', { tools: {} }],
    ['tool "Ping" is not snake_case', { tools: { Ping: ping } }],
    ['40 characters', { tools: { ping: { ...ping, about: 'Pings.' } } }],
    ['unknown effect', { tools: { ping: { ...ping, effect: 'peek' } } }],
    ['must be repeatable', { tools: { ping: { ...ping, repeatable: false } } }],
    ['empty scope', { tools: { ping: { ...ping, scopes: [''] } } }],
    ['example that its input refuses', { tools: { ping: { ...ping, example: { n: 'one' } } } }],
    ['input that is no JSON Schema object', { tools: { ping: { ...ping, input: z.array(z.int()), example: [1] } } }],
    ['output that is no JSON Schema object', { tools: { ping: { ...ping, output: z.map(z.string(), z.string()) } } }],
  ])('[connectors.shelf-checked] says "%s"', (sentence, change) => {
    expect(faultsOf('acme', { ...good, ...change } as Connector).join('; ')).toContain(sentence)
  })
})

describe('reading the shelf', () => {
  let shelf: string
  beforeEach(async () => {
    shelf = await mkdtemp(join(tmpdir(), 'shelf-'))
  })
  afterEach(() => rm(shelf, { recursive: true }))
  const load = () => loadConnectors(pathToFileURL(`${shelf}/`))
  const put = async (folder: string, file: string, text: string) => {
    await mkdir(join(shelf, folder), { recursive: true })
    await writeFile(join(shelf, folder, file), text)
  }
  const github = new URL('./github/index.ts', import.meta.url).href
  const linkedin = new URL('./linkedin/index.ts', import.meta.url).href
  /** A family like LinkedIn's, in which something is changed: `p` is its provider, `c` its connector. */
  const familyOf = (change: string) => `import f from ${JSON.stringify(linkedin)}
    const p = f.provider, c = f.connectors[0]
    export default ${change}\n`

  it('finds folders with index.ts or index.js, and skips files', async () => {
    await put('github', 'index.js', `export { default } from ${JSON.stringify(github)}\n`)
    await put('.', 'load.js', 'throw new Error("not a connector")\n')
    expect([...(await load()).keys()]).toEqual(['github'])
  })

  it('a family is a provider and its connectors, of which there may be none', async () => {
    await put('linkedin', 'index.js', familyOf(`{ provider: p, connectors: [c, { ...c, slug: 'linkedin-pages', title: 'Pages' }] }`))
    await put('oauth2', 'index.js', `export { default } from ${JSON.stringify(new URL('./oauth2/index.ts', import.meta.url).href)}\n`)
    const { connectors, providers } = await loadShelf(pathToFileURL(`${shelf}/`))
    expect([...connectors.keys()]).toEqual(['linkedin', 'linkedin-pages'])
    expect([...providers.keys()]).toEqual(['linkedin', 'oauth2'])
  })

  it.each([
    ['its provider calls itself "linkedin"', 'linkedup', '{ provider: p, connectors: [c] }'],
    ['provider: title, about and noRefreshToken', 'linkedin', `{ provider: { ...p, noRefreshToken: ' ' }, connectors: [c] }`],
    ['provider: docs must be', 'linkedin', `{ provider: { ...p, docs: 'http://x.example' }, connectors: [c] }`],
    [
      'provider: token must be https',
      'linkedin',
      `{ provider: { ...p, endpoints: { ...p.endpoints, token: 'http://x.example' } }, connectors: [c] }`,
    ],
    [
      'provider: service "member" asks for no scope',
      'linkedin',
      `{ provider: { ...p, services: { member: { scopes: [] } } }, connectors: [c] }`,
    ],
    [
      'provider: access_token: no field is secret',
      'linkedin',
      `{ provider: { ...p, manual: { access_token: { fields: [] } } }, connectors: [c] }`,
    ],
    ['linkedin: it has no tool', 'linkedin', '{ provider: p, connectors: [{ ...c, tools: {} }] }'],
    ['linkedin: config has no "base_url"', 'linkedin', `{ provider: p, connectors: [{ ...c, baseKey: 'base_url' }] }`],
    [
      'linkedin is not signed in to by linkedin',
      'linkedin',
      `{ provider: p, connectors: [{ ...c, auth: { ...c.auth, provider: 'google' } }] }`,
    ],
    [
      'is not signed in to by',
      'linkedin',
      `{ provider: p, connectors: [{ ...c, auth: { kind: 'none', wire: 'sqlite', check: c.auth.check } }] }`,
    ],
    ['names a service that linkedin has not', 'linkedin', `{ provider: p, connectors: [{ ...c, auth: { ...c.auth, service: 'ads' } }] }`],
    ['linkedin: auth has no check', 'linkedin', `{ provider: p, connectors: [{ ...c, auth: { ...c.auth, check: undefined } }] }`],
  ])('[connectors.shelf-checked] a bad family stops the start: %s', async (sentence, folder, change) => {
    await put(folder, 'index.js', familyOf(change))
    await expect(load()).rejects.toThrow(sentence)
  })

  it('[connectors.shelf-checked] two folders cannot have one connector', async () => {
    await put('github', 'index.js', `export { default } from ${JSON.stringify(github)}\n`)
    await put('linkedin', 'index.js', familyOf(`{ provider: p, connectors: [c, { ...c, slug: 'github' }] }`))
    await expect(load()).rejects.toThrow('connectors/linkedin cannot be used: there is another connector "github".')
  })

  it.each([
    [
      'hubgit',
      'index.js',
      `export { default } from ${JSON.stringify(github)}\n`,
      'connectors/hubgit cannot be used: it calls itself "github".',
    ],
    ['empty', 'notes.md', '', 'connectors/empty has no index.ts.'],
    ['shy', 'index.js', 'export const x = 1\n', 'connectors/shy cannot be used: has no default export.'],
  ])('[connectors.shelf-checked] a bad folder %s stops the start by name', async (folder, file, text, sentence) => {
    await put(folder, file, text)
    await expect(load()).rejects.toThrow(sentence)
  })
})
