/**
 * Notion's own description of its API (openapi.json says where it comes from), and what in a request does not keep it: path and
 * method, query, required fields, types of fields. Where Notion's guides, which came later, contradict it, it is mended below, by name.
 */
import { readFileSync } from 'node:fs'
import type { Recorded } from '../../../test/fakes/stub.ts'
import { z } from '../contract.ts'

interface Schema {
  properties?: Record<string, unknown>
  [keyword: string]: unknown
}
interface Operation {
  parameters?: { name: string; in: 'path' | 'query'; required?: true }[]
  body?: Schema
  /** An example of an answer. */
  answer?: unknown
}
interface Description {
  paths: Record<string, Record<string, Operation>>
  schemas: Record<string, Schema>
}
export const DESCRIBED_VERSION = '2025-09-03'
const { paths, schemas } = JSON.parse(readFileSync(new URL('./openapi.json', import.meta.url), 'utf8')) as Description

const BLOCK = { $ref: '#/components/schemas/blockObjectRequest' }
/** "Upgrading to 2025-09-03": the parent of a row is a data_source_id. The description has that name over the fields of a database. */
schemas.dataSourceIdParentRequest = {
  type: 'object',
  properties: { type: { type: 'string', const: 'data_source_id' }, data_source_id: { type: 'string', format: 'uuid' } },
  required: ['data_source_id'],
}
/** "Create a page": children are blocks. The description says strings. */
Object.assign(paths['/v1/pages']?.post?.body?.properties ?? {}, { children: { type: 'array', items: BLOCK } })
/** "Block": some thirty types. The description has two; others pass here unseen, unless they also claim to be one of these two. */
schemas.blockObjectRequest = {
  anyOf: [
    ...(schemas.blockObjectRequest as { anyOf: unknown[] }).anyOf,
    { type: 'object', properties: { paragraph: false, bulleted_list_item: false } },
  ],
}
/** "Sort data source entries": by timestamp in place of a property. */
schemas.sortObject = { anyOf: [schemas.sortObject, { type: 'object', required: ['timestamp', 'direction'] }] }

const local = (schema: unknown): unknown => JSON.parse(JSON.stringify(schema).replaceAll('#/components/schemas/', '#/$defs/'))
const parsers = new Map<Schema, z.ZodType>()
function parserOf(schema: Schema): z.ZodType {
  const known = parsers.get(schema) ?? z.fromJSONSchema({ ...(local(schema) as object), $defs: local(schemas) } as never)
  parsers.set(schema, known)
  return known
}

function operationOf({ method, path }: Pick<Recorded, 'method' | 'path'>): Operation | undefined {
  // A path without parameters goes before one with: /users/me is no id.
  const inOrder = Object.keys(paths).sort((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
  const found = inOrder.find((it) => new RegExp(`^${it.replace(/\{\w+\}/g, '[^/]+')}$`).test(path))
  return paths[found ?? '']?.[method.toLowerCase()]
}
export const answerTo = (call: string): unknown => {
  const [method = '', path = ''] = call.split(' ')
  return paths[path]?.[method.toLowerCase()]?.answer
}
export const isDescribed = (req: Pick<Recorded, 'method' | 'path'>): boolean => operationOf(req) !== undefined

/** What does not keep the description; empty when all does. */
export function wrongIn(req: Pick<Recorded, 'method' | 'path' | 'query' | 'body'>): string[] {
  const operation = operationOf(req)
  if (operation === undefined) return [`${req.method} ${req.path} is not described`]
  const asked = (operation.parameters ?? []).filter((it) => it.in === 'query')
  const wrong = [
    ...[...req.query.keys()].filter((name) => !asked.some((it) => it.name === name)).map((name) => `query.${name} should be not present`),
    ...asked.filter((it) => it.required && !req.query.has(it.name)).map((it) => `query.${it.name} should be defined`),
  ]
  if (operation.body === undefined) return req.body === '' ? wrong : [...wrong, 'body should be not present']
  const body: unknown = req.body === '' ? {} : JSON.parse(req.body)
  const known = Object.keys(operation.body.properties ?? {})
  const issues = parserOf(operation.body).safeParse(body).error?.issues ?? []
  return [
    ...wrong,
    ...Object.keys(body as object)
      .filter((name) => !known.includes(name))
      .map((name) => `body.${name} should be not present`),
    ...issues.map((it) => `body.${it.path.join('.')} ${it.message}`),
  ]
}
