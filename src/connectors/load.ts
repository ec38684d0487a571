import { existsSync, readdirSync } from 'node:fs'
import { type Auth, type Connector, type Family, type Field, type OAuthProvider, type Put, type Tool, z } from './contract.ts'

/** What a model needs at least to choose a tool. */
const ABOUT = 40

/** Everything that can be connected: connectors by slug, and the OAuth providers that some of them share by theirs. */
export interface Shelf {
  connectors: ReadonlyMap<string, Connector>
  providers: ReadonlyMap<string, OAuthProvider>
}

/**
 * Reads the folders beside this file: each is a connector, or a family of them with their OAuth provider, and there is no other list. A
 * bad one stops the start with an Error that names the folder and everything that is wrong with it.
 */
export async function loadShelf(shelf: URL = new URL('./', import.meta.url)): Promise<Shelf> {
  const connectors = new Map<string, Connector>()
  const providers = new Map<string, OAuthProvider>()
  const folders = readdirSync(shelf, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const folder of folders.map((entry) => entry.name).sort()) {
    const door = ['index.ts', 'index.js'].map((name) => new URL(`${folder}/${name}`, shelf)).find((url) => existsSync(url))
    if (door === undefined) throw new Error(`connectors/${folder} has no index.ts.`)
    const { default: it } = (await import(door.href)) as { default?: Connector | Family }
    if (it === undefined) throw new Error(`connectors/${folder} cannot be used: has no default export.`)
    const members = 'connectors' in it ? it.connectors : [it]
    const wrong = 'connectors' in it ? familyFaults(folder, it) : faultsOf(folder, it)
    const slugs = members.map((c) => c.slug)
    for (const slug of new Set(slugs))
      if (connectors.has(slug) || slugs.indexOf(slug) !== slugs.lastIndexOf(slug)) wrong.push(`there is another connector "${slug}"`)
    if (wrong.length > 0) throw new Error(`connectors/${folder} cannot be used: ${wrong.join('; ')}.`)
    for (const one of members) connectors.set(one.slug, one)
    if ('connectors' in it) providers.set(it.provider.slug, it.provider)
  }
  return { connectors: new Map([...connectors].sort(([a], [b]) => (a < b ? -1 : 1))), providers }
}

export const loadConnectors = async (shelf?: URL): Promise<ReadonlyMap<string, Connector>> => (await loadShelf(shelf)).connectors

function familyFaults(folder: string, { provider: p, connectors }: Family): string[] {
  const wrong: string[] = []
  const must = (ok: boolean, says: string) => ok || wrong.push(says)
  must(p.slug === folder, `its provider calls itself "${p.slug}"`)
  must(filled(p.title) && filled(p.about) && filled(p.noRefreshToken), 'provider: title, about and noRefreshToken must say something')
  must(isHttps(p.docs), 'provider: docs must be an https address')
  for (const [name, url] of Object.entries(p.endpoints ?? {})) must(url === null || isHttps(url), `provider: ${name} must be https`)
  for (const [service, s] of Object.entries(p.services)) must(s.scopes.length > 0, `provider: service "${service}" asks for no scope`)
  for (const [name, m] of Object.entries(p.manual)) wrong.push(...fieldFaults(m.fields).map((says) => `provider: ${name}: ${says}`))
  for (const c of connectors) {
    wrong.push(...faultsOf(c.slug, c).map((says) => `${c.slug}: ${says}`))
    const { auth } = c
    must(auth.kind === 'oauth' && auth.provider === p.slug, `${c.slug} is not signed in to by ${p.slug}`)
    if (auth.kind === 'oauth') must(Object.hasOwn(p.services, auth.service), `${c.slug} names a service that ${p.slug} has not`)
  }
  return wrong
}

/** What is wrong with a connector, as half sentences; empty when nothing is. */
export function faultsOf(folder: string, c: Connector): string[] {
  const wrong: string[] = []
  const must = (ok: boolean, says: string) => ok || wrong.push(says)
  must(c.slug === folder, `it calls itself "${c.slug}"`)
  must(/^[a-z][a-z0-9-]*$/.test(folder), 'its slug must be lower case words with hyphens')
  must(filled(c.title) && filled(c.about), 'title and about must say something')
  must(isHttps(c.docs), 'docs must be an https address')
  const fixed = typeof c.base === 'string'
  must(
    !fixed || (isHttps(c.base as string) && !(c.base as string).endsWith('/')),
    'base must be an https address without a slash at its end',
  )
  for (const host of c.hosts) must(/^(?=.*\.)[a-z0-9.-]+[a-z](:\d{1,5})?$/.test(host), `"${host}" is not a host name`)
  must(c.rate === undefined || (c.rate.requests >= 1 && c.rate.perS > 0), 'its rate allows nothing')
  wrong.push(...configFaults(c), ...authFaults(c.slug, c.auth))
  must(Object.keys(c.tools).length > 0, 'it has no tool')
  for (const [name, tool] of Object.entries(c.tools)) wrong.push(...toolFaults(name, tool))
  return wrong
}

function configFaults({ auth, base, baseKey, config }: Connector): string[] {
  const asked = config.safeParse({ 'no such setting': 1 })
  const strict = asked.error?.issues.some((issue) => issue.code === 'unrecognized_keys') ?? false
  if (!strict) return ['config must refuse unknown settings']
  if (auth.kind !== 'api_key' && auth.kind !== 'oauth') return []
  const key = config.shape[baseKey] as z.ZodType | undefined
  if (key === undefined) return [`config has no "${baseKey}"`]
  return base === null && key.safeParse(undefined).success ? [`without a base, config must demand "${baseKey}"`] : []
}

function authFaults(slug: string, auth: Auth): string[] {
  if (typeof auth.check !== 'function') return ['auth has no check']
  if (auth.kind === 'none' || auth.kind === 'oauth') return []
  if (auth.kind === 'dsn') return fieldFaults(auth.fields)
  const services = Object.entries(auth.services)
  if (services.length === 0) return ['auth has no service']
  if (services.filter(([, s]) => s.exchange).length > 1) return ['more than one service is exchanged for a token']
  return services.flatMap(([name, { fields, put, title, exchange, signUp, revoke }]) => [
    ...(filled(title) ? [] : [`service "${name}" has no title`]),
    ...(signUp === undefined || (signUp.slug === slug && signUp.signUp !== undefined)
      ? []
      : [`service "${name}" is signed up for at "${signUp.slug}", which is not called after the connector or has no sign-up`]),
    ...fieldFaults(fields),
    ...(exchange ? exchangeFaults(name, fields, put) : putFaults(name, fields, put)),
    ...(revoke ? putFaults(name, fields, revoke.put) : []),
  ])
}

function fieldFaults(fields: readonly Field[]): string[] {
  const twice = new Set(fields.map((f) => f.name)).size < fields.length
  return [
    ...(twice ? ['two fields have one name'] : []),
    ...(fields.some((f) => f.secret) ? [] : ['no field is secret']),
    ...fields.filter((f) => !/^[a-z][a-z0-9_]*$/.test(f.name)).map((f) => `field "${f.name}" is not snake_case`),
    ...fields.filter((f) => !filled(f.label) || f.hint.trim().length < 10).map((f) => `field "${f.name}" lacks a label or a hint`),
  ]
}

function exchangeFaults(service: string, fields: readonly Field[], put: Put): string[] {
  const entered = (name: string, secret: boolean) => fields.some((f) => f.name === name && f.secret === secret && f.required)
  return [
    ...(entered('client_id', false) && entered('client_secret', true) ? [] : [`service "${service}" needs client_id and client_secret`]),
    ...(put.in !== 'basic' && put.field === 'access_token' ? [] : [`service "${service}" must put the access_token`]),
  ]
}

function putFaults(service: string, fields: readonly Field[], put: Put): string[] {
  const has = (name: string, secret: boolean) => fields.some((f) => f.name === name && f.secret === secret)
  const sealed = put.in === 'basic' ? put.password : put.field
  const named = put.in !== 'basic' && typeof put.name === 'object' ? put.name.field : null
  return [
    ...(has(sealed, true) ? [] : [`service "${service}" puts "${sealed}", which is no secret field`]),
    ...(named === null || has(named, false) ? [] : [`service "${service}" takes a name from "${named}", which is no open field`]),
  ]
}

function toolFaults(name: string, tool: Tool): string[] {
  const wrong: string[] = []
  const must = (ok: boolean, says: string) => ok || wrong.push(`tool "${name}" ${says}`)
  must(/^[a-z][a-z0-9_]*$/.test(name), 'is not snake_case')
  must(filled(tool.about, ABOUT), `needs an about of ${ABOUT} characters or more`)
  must(['read', 'write', 'destroy'].includes(tool.effect), 'has an unknown effect')
  must(tool.effect !== 'read' || tool.repeatable === true, 'reads, so it must be repeatable')
  must(
    tool.scopes.every((need) => need.length > 0 && [need].flat().every((s) => filled(s))),
    'has an empty scope',
  )
  const parsed = tool.input.safeParse(tool.example)
  must(parsed.success, `has an example that its input refuses (${parsed.error?.issues[0]?.message ?? ''})`)
  // MCP demands objects on both sides (2025-06-18, Tools: inputSchema, outputSchema).
  must(isObject(tool.input, 'input'), 'has an input that is no JSON Schema object')
  must(isObject(tool.output, 'output'), 'has an output that is no JSON Schema object')
  return wrong
}

function isObject(schema: z.ZodType, io: 'input' | 'output'): boolean {
  try {
    return z.toJSONSchema(schema, { io }).type === 'object'
  } catch {
    return false
  }
}

const filled = (text: unknown, length = 1): boolean => typeof text === 'string' && text.trim().length >= length
const isHttps = (text: string): boolean => URL.canParse(text) && new URL(text).protocol === 'https:'
