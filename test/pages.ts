/** Pages that are written from the connectors themselves, so that they cannot drift. */
import type { Connector, Field, Tool } from '../src/connectors/contract.ts'
import { z } from '../src/connectors/contract.ts'
import type { Shelf } from '../src/connectors/load.ts'
import type { Proof } from './proof.ts'

type Schema = Record<string, unknown>
const isObject = (value: unknown): value is Schema => typeof value === 'object' && value !== null && !Array.isArray(value)

/** A cell of a table: one line, nothing that ends it. */
const cell = (text: string): string =>
  text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('](', ']\\(')
const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `|${cells.map((it) => (it === '' ? ' ' : ` ${it} `)).join('|')}|`).join('\n')
const page = (parts: readonly (string | null)[]): string => `${parts.filter((it) => it !== null).join('\n\n')}\n`

const fieldTable = (fields: readonly Field[]): string =>
  table(
    ['field', '', 'where it is found'],
    fields.map((f) => [
      code(f.name),
      cell(`${f.label}; ${f.secret ? 'secret' : 'open'}${f.required ? '' : ', optional'}${f.format ? `; ${f.format.says}` : ''}`),
      cell(f.hint),
    ]),
  )

/** `string`, `"a" | "b"`, `integer 1–100`, `list of string`. */
function typeText(schema: Schema, depth = 0): string {
  const among = schema.anyOf ?? schema.oneOf
  if (Array.isArray(among)) return [...new Set((among as Schema[]).map((it) => typeText(it, depth)))].join(' or ')
  if (Array.isArray(schema.enum)) return schema.enum.map((it) => JSON.stringify(it)).join(', ')
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.type === 'array') return `list of ${isObject(schema.items) ? typeText(schema.items, depth + 1) : 'anything'}`
  if (schema.type === 'object' && isObject(schema.properties) && depth < 2)
    return `{ ${Object.keys(schema.properties).slice(0, 12).join(', ')}${Object.keys(schema.properties).length > 12 ? ', …' : ''} }`
  if (schema.type === 'integer' || schema.type === 'number') {
    const far = (n: unknown): n is number => typeof n === 'number' && Math.abs(n) < Number.MAX_SAFE_INTEGER
    const [from, to] = [schema.minimum, schema.maximum]
    return [schema.type, far(from) && far(to) ? `${from}–${to}` : far(from) ? `from ${from}` : far(to) ? `to ${to}` : ''].join(' ').trim()
  }
  return typeof schema.type === 'string' ? schema.type : Array.isArray(schema.type) ? schema.type.join(' or ') : 'anything'
}

function argumentRows(schema: Schema): string[][] {
  const required = Array.isArray(schema.required) ? schema.required : []
  const properties = isObject(schema.properties) ? schema.properties : {}
  return Object.entries(properties).map(([name, it]) => {
    const inner = isObject(it) ? it : {}
    const usual = 'default' in inner ? `; ${JSON.stringify(inner.default)} when left out` : ''
    const about = typeof inner.description === 'string' ? inner.description : ''
    return [code(name), cell(`${typeText(inner)}${required.includes(name) ? '' : ', optional'}${usual}`), cell(about)]
  })
}

const jsonSchema = (type: z.ZodType, io: 'input' | 'output'): Schema => z.toJSONSchema(type, { io, unrepresentable: 'any' }) as Schema

function toolPart(name: string, tool: Tool): string {
  const { effect, repeatable, scopes } = tool
  const again =
    typeof repeatable === 'function'
      ? 'may be made twice, depending on the arguments'
      : repeatable
        ? 'the same call may be made twice without harm'
        : 'a call that may have been carried out is not repeated by itself'
  const needs = scopes.length === 0 ? null : `Needs ${scopes.map((it) => [it].flat().map(code).join(' or ')).join(' and ')}.`
  const answer = jsonSchema(tool.output, 'output')
  const named = isObject(answer.properties) ? Object.keys(answer.properties) : []
  const rows = argumentRows(jsonSchema(tool.input, 'input'))
  return page([
    `### ${code(name)}`,
    cell(tool.about),
    `*${effect}*: ${again}. ${needs ?? ''}`.trim(),
    rows.length === 0 ? 'No arguments.' : table(['argument', '', ''], rows),
    named.length === 0 ? null : `Answers ${named.map(code).join(', ')}.`,
  ]).trimEnd()
}

function entered(c: Connector): string {
  const { auth } = c
  if (auth.kind === 'none') return 'Takes no credential: make an instance without a connection.'
  if (auth.kind === 'oauth')
    return `Takes an account of ${code(auth.provider)}, with its service ${code(auth.service)} switched on ([accounts](../oauth.md)).`
  if (auth.kind === 'dsn') return fieldTable(auth.fields)
  const services = Object.entries(auth.services)
  const one = services.length === 1
  return services.map(([name, s]) => `${one ? '' : `${s.title}, \`service: "${name}"\`:\n\n`}${fieldTable(s.fields)}`).join('\n\n')
}

function hostsOf(c: Connector): string | null {
  if (c.auth.kind === 'dsn') return 'Goes to the hosts that were entered, after each has passed the egress guard, and nowhere else.'
  if (c.auth.kind === 'none') return null
  const base =
    typeof c.base === 'function'
      ? 'the address that was entered'
      : c.base === null
        ? `the host of ${code(c.baseKey)}`
        : code(new URL(c.base).host)
  return `Goes to ${[base, ...c.hosts.map(code)].join(', ')} and nowhere else${c.base === null ? '' : `; with ${code(c.baseKey)} set, to that host alone`}.`
}

/** What every connector makes of a status that its vendor gives no other meaning. */
const USUAL: readonly (readonly [string, string])[] = [
  ['the credential is refused', 'CREDENTIAL_REJECTED'],
  ['a permission is missing', 'SCOPE_MISSING'],
  ['not found', 'UPSTREAM_NOT_FOUND'],
  ['not accepted', 'UPSTREAM_INVALID'],
  ['in conflict', 'UPSTREAM_CONFLICT'],
  ['too fast', 'UPSTREAM_RATE_LIMITED'],
  ['out of order, unreachable, or no JSON', 'UPSTREAM_ERROR'],
]

function errors(proof: Proof | undefined): string {
  const own = (proof?.contracts ?? []).flatMap(({ refusals = [] }) =>
    refusals.map(({ name, reply, code: as }) => [`${name} (${reply.status})`, as]),
  )
  const seen = new Set<string>()
  const rows = own.filter(([what]) => !seen.has(what as string) && seen.add(what as string))
  return page([
    table(
      ['what came back', 'code'],
      [...rows, ...USUAL].map(([what, as]) => [cell(what as string), code(as as string)]),
    ),
  ]).trimEnd()
}

/** Without dots: a file's name says which connector it is. */
export function connectorPage(c: Connector, proof: Proof | undefined): string {
  const settings = argumentRows(jsonSchema(c.config, 'input'))
  const [name, tool] = Object.entries(c.tools).find(([, it]) => it.effect === 'read') ?? (Object.entries(c.tools)[0] as [string, Tool])
  const step = { id: 'step_1', type: 'mcp_call', name: c.title, instance_id: 'inst_…', tool_name: name, tool_args: tool.example }
  const rate = c.rate
    ? `At most ${c.rate.requests} requests in ${c.rate.perS} s go out with one connection, whichever runs make them.`
    : null
  return page([
    `# ${c.title}`,
    c.about,
    `[The vendor's page](${c.docs}) · all [connectors](../connectors.md). This page is written from \`src/connectors\`.`,
    '## Credential',
    entered(c),
    hostsOf(c),
    rate,
    '## Settings of an instance',
    settings.length === 0 ? 'None.' : table(['setting', '', ''], settings),
    '## Tools',
    ...Object.entries(c.tools).map(([tool, it]) => toolPart(tool, it)),
    '## Errors',
    errors(proof),
    '## A step',
    `\`\`\`json\n${JSON.stringify(step, null, 2)}\n\`\`\``,
    '## Proven against',
    (proof?.against ?? []).map(({ what, by }) => `- ${by}: ${what}`).join('\n'),
  ])
}

export const againstText = (proof: Proof | undefined): string => (proof?.against ?? []).map(({ what, by }) => `${by}: ${what}`).join('; ')

export function connectorsIndex({ connectors, providers }: Shelf, proofs: ReadonlyMap<string, Proof>): string {
  const fieldList = (fields: readonly Field[]) => fields.map((f) => `${code(f.name)} (${f.secret ? 'secret' : 'open'})`).join(', ')
  const takes = ({ auth }: Connector): string =>
    auth.kind === 'none'
      ? 'no credential'
      : auth.kind === 'oauth'
        ? `an account of ${code(auth.provider)}`
        : fieldList(auth.kind === 'dsn' ? auth.fields : (Object.values(auth.services)[0]?.fields ?? []))
  const accounts = [...providers.values()].flatMap((p) => {
    const switches = Object.entries(p.services).map(([name, s]) => [code(name), s.scopes.map(code).join(' ')])
    const byHand = Object.entries(p.manual).map(([name, m]) => [code(name), fieldList(m.fields)])
    return [
      `## ${p.title}: accounts of ${code(p.slug)}`,
      p.about,
      switches.length > 0 ? table(['service', 'asks for'], switches) : null,
      byHand.length > 0 ? table(['by hand', 'fields'], byHand) : null,
    ]
  })
  return page([
    '# Connectors',
    'What each takes. The same comes from `GET /v1/connections/templates` (fields) and `GET /v1/mcp/platform-catalog` (settings, tools, schemas).\n' +
      'A *secret* field is sealed and never shown again; an *open* one is shown. Settings live in the config profile of an instance.',
    table(
      ['', 'takes', 'tools', 'proven against'],
      [...connectors.values()].map((c) => [
        `[${c.title}](connectors/${c.slug}.md)`,
        takes(c),
        String(Object.keys(c.tools).length),
        cell(againstText(proofs.get(c.slug))),
      ]),
    ),
    'A green suite proves that we keep a contract, never that a vendor accepts us.',
    ...accounts,
  ])
}
