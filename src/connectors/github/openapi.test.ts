/** The tools against GitHub's own description of its API (openapi.json says which), and the stub with them: both are measured by it. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import { startGithub, tokens } from '../../../test/fakes/github.ts'
import type { Recorded, Stub } from '../../../test/fakes/stub.ts'
import { z } from '../contract.ts'
import github from './index.ts'

interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: true
  schema: Record<string, unknown>
}
interface Operation {
  id: string
  parameters: Parameter[]
  body?: Record<string, unknown>
  bodyRequired?: true
  status: number[]
  /** Names of what is answered, two levels deep; true: whatever it is. */
  answer: unknown
}
const { operations } = JSON.parse(readFileSync(new URL('openapi.json', import.meta.url), 'utf8')) as {
  operations: Record<string, Operation>
}

/** `{path}` and `{ref}` hold slashes. */
const routes = Object.entries(operations).map(([call, operation]) => {
  const [method = '', template = ''] = call.split(' ')
  const pattern = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => (/^(path|ref)$/.test(name) ? '(.+)' : '([^/]+)'))
  return { method, template, pattern: new RegExp(`^${pattern}$`), operation }
})
const routeOf = (req: Recorded) =>
  routes
    .filter((it) => it.method === req.method && it.pattern.test(decodeURIComponent(req.path)))
    .sort((a, b) => a.template.split('{').length - b.template.split('{').length)[0]

/** A query's text as the type that the description gives it. */
function asTyped(text: string, schema: Record<string, unknown>): unknown {
  const types = [schema, ...((schema.oneOf ?? schema.anyOf ?? []) as Record<string, unknown>[])].map((it) => it.type)
  if ((types.includes('integer') || types.includes('number')) && /^-?\d+(\.\d+)?$/.test(text)) return Number(text)
  return types.includes('boolean') && /^(true|false)$/.test(text) ? text === 'true' : text
}
const fits = (value: unknown, schema: Record<string, unknown>): string[] => {
  const { error } = z.fromJSONSchema(schema as never).safeParse(value)
  return error?.issues.map((it) => `${it.path.join('.')}: ${it.message}`) ?? []
}

/** What is wrong with a request, by the description. */
function faults(req: Recorded): string[] {
  const route = routeOf(req)
  if (!route) return [`${req.method} ${req.path} is not described`]
  const { parameters, body, bodyRequired } = route.operation
  const known = new Map(parameters.filter((it) => it.in === 'query').map((it) => [it.name, it]))
  const wrong: string[] = []
  for (const [name, value] of req.query) {
    const parameter = known.get(name)
    if (!parameter) wrong.push(`${route.template} has no parameter ${name}`)
    else wrong.push(...fits(asTyped(value, parameter.schema), parameter.schema).map((it) => `${name} ${it}`))
  }
  for (const { name, required } of known.values()) if (required && !req.query.has(name)) wrong.push(`${route.template} wants ${name}`)
  if (req.body === '') return bodyRequired ? [...wrong, `${route.template} wants a body`] : wrong
  if (!body) return [...wrong, `${route.template} takes no body`]
  const sent = JSON.parse(req.body) as Record<string, unknown>
  const properties = body.properties as Record<string, unknown> | undefined
  if (properties)
    for (const name of Object.keys(sent)) if (!Object.hasOwn(properties, name)) wrong.push(`${route.template} has no field ${name}`)
  return [...wrong, ...fits(sent, body)]
}

/** Names in a JSON Schema of ours that the description does not have at the same place. */
function strangers(ours: Record<string, unknown>, theirs: unknown, at = ''): string[] {
  const names = theirs as Record<string, unknown> | true | undefined
  if (names === true || names === undefined) return []
  return Object.entries((ours.properties ?? {}) as Record<string, Record<string, unknown>>).flatMap(([name, inner]) =>
    Object.hasOwn(names, name) ? strangers(inner, names[name], `${at}${name}.`) : [`${at}${name}`],
  )
}

let stub: Stub
beforeAll(async () => {
  stub = await startGithub()
})
afterAll(() => stub.close())

const call = async (name: string) => {
  stub.reset()
  const tool = github.tools[name]!
  const ctx = toolContext(github, { credentials: { api_key: tokens.classic }, config: { api_base: stub.url } })
  await tool.run(ctx, tool.input.parse(tool.example) as never)
  return stub.requests
}

describe("GitHub's own description", () => {
  it.each(Object.keys(github.tools))('[connectors.described] %s asks what is described, and no more', async (name) => {
    const requests = await call(name)
    expect(requests.length).toBeGreaterThan(0)
    expect(requests.flatMap(faults)).toEqual([])
  })

  it('every described operation is asked for by some tool', async () => {
    const asked = new Set<string>()
    for (const name of Object.keys(github.tools)) for (const req of await call(name)) asked.add(routeOf(req)?.operation.id ?? '')
    expect([...asked].sort()).toEqual(
      Object.values(operations)
        .map((it) => it.id)
        .sort(),
    )
  })

  /** Tools that answer GitHub's body as it is; the others make an answer of their own of it. */
  const OWN = /^(get_file_contents|compare_commits|create_branch|create_or_update_file|delete_file|search_)/
  it.each(Object.entries(github.tools).filter(([name]) => !OWN.test(name)))(
    '[connectors.described] what %s promises is what GitHub answers',
    async (name, tool) => {
      const operation = routeOf((await call(name))[0]!)?.operation
      const ours = z.toJSONSchema(tool.output, { io: 'output', unrepresentable: 'any' }) as Record<string, unknown>
      const properties = (ours.properties ?? {}) as Record<string, { items?: Record<string, unknown> }>
      const items = properties.items?.items
      const theirs = operation?.answer as { items?: unknown } | true | undefined
      const wrong = items && theirs !== true && theirs?.items ? strangers(items, theirs.items) : strangers(ours, theirs)
      expect(wrong).toEqual([])
    },
  )
})
