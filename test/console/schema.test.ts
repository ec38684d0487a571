/** What a form makes of a schema: kinds, beginnings, what is wrong where. The schemas of every connector are among them. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { beginning, fitting, jsonProblem, problemsIn, type Schema, shapeOf } from '../../console/src/ui/schema/schema.ts'
import { loadShelf } from '../../src/connectors/load.ts'

const kind = (schema: Schema, root: Schema = schema) => shapeOf(schema, root).kind
const wrong = (schema: Schema, value: unknown) => Object.fromEntries([...problemsIn(schema, value, schema)].map(([at, w]) => [at, w.is]))

describe('kinds', () => {
  it.each<[Schema, string]>([
    [{ type: 'string' }, 'string'],
    [{ type: 'integer', minimum: 1 }, 'integer'],
    [{ type: ['number', 'null'] }, 'number'],
    [{ type: 'boolean' }, 'boolean'],
    [{ type: 'string', enum: ['a', 'b'] }, 'choice'],
    [{ const: 7 }, 'const'],
    [{ type: 'object', properties: { a: { type: 'string' } } }, 'object'],
    [{ type: 'array', items: { type: 'object', properties: {} } }, 'array'],
    [
      {
        oneOf: [
          { title: 'By id', type: 'object' },
          { title: 'By name', type: 'object' },
        ],
      },
      'union',
    ],
    [{ anyOf: [{ type: 'string' }, { type: 'number' }] }, 'union'],
    // Beyond a form, so as JSON in its place.
    [{}, 'json'],
    [{ type: 'object' }, 'json'],
    [{ type: ['string', 'number'] }, 'json'],
    [{ allOf: [{ type: 'string' }] }, 'json'],
    [{ oneOf: [{ type: 'object' }, { type: 'object' }] }, 'json'],
    [{ oneOf: [{ title: 'Same' }, { title: 'Same' }] }, 'json'],
    [{ $ref: '#/$defs/nowhere' }, 'json'],
    [{ $ref: 'https://example.com/schema' }, 'json'],
  ])('[console.schema-form] %j is a %s', (schema, expected) => {
    expect(kind(schema)).toBe(expected)
  })

  it('[console.schema-form] follows references, and is not caught in a circle of them', () => {
    const root: Schema = { $defs: { 'a/b': { type: 'integer', maximum: 9 }, round: { $ref: '#/$defs/round' } } }
    expect(shapeOf({ $ref: '#/$defs/a~1b', title: 'Own' }, root)).toMatchObject({ kind: 'integer', schema: { title: 'Own', maximum: 9 } })
    expect(kind({ $ref: '#/$defs/round' }, root)).toBe('json')
  })

  it('[console.schema-form] one alternative beside null is that one, and may be empty', () => {
    const schema: Schema = { anyOf: [{ type: 'string', minLength: 2 }, { type: 'null' }], description: 'Told' }
    expect(shapeOf(schema, schema)).toMatchObject({ kind: 'string', nullable: true, schema: { minLength: 2, description: 'Told' } })
    expect(wrong(schema, null)).toEqual({})
    expect(wrong(schema, 'x')).toEqual({ '': 'short' })
  })
})

const order: Schema = {
  type: 'object',
  required: ['to', 'lines'],
  additionalProperties: false,
  properties: {
    to: { type: 'string', format: 'email' },
    note: { type: 'string', maxLength: 5, pattern: '^[a-z]*$' },
    urgent: { type: 'boolean' },
    pay: {
      oneOf: [
        { title: 'Card', type: 'object', required: ['card'], properties: { card: { type: 'string', minLength: 1 } } },
        { const: 'cash' },
      ],
    },
    lines: {
      type: 'array',
      minItems: 1,
      maxItems: 2,
      items: { $ref: '#/$defs/line' },
    },
  },
  $defs: {
    line: {
      type: 'object',
      required: ['sku'],
      properties: { sku: { type: 'string', minLength: 1 }, n: { type: 'integer', minimum: 1, exclusiveMaximum: 10 } },
    },
  },
}

describe('what is wrong', () => {
  it('[console.schema-form] is said at its place', () => {
    expect(wrong(order, { to: 'ada@example.com', lines: [{ sku: 'a', n: 9 }], pay: 'cash' })).toEqual({})
    expect(wrong(order, { to: 'ada', note: 'Capital', lines: [{ sku: '' }, { sku: 'a', n: 10 }, { n: 1.5 }], els: 1 })).toEqual({
      to: 'format',
      note: 'long',
      lines: 'many',
      'lines.0.sku': 'missing',
      'lines.1.n': 'large',
      'lines.2.sku': 'missing',
      'lines.2.n': 'type',
      els: 'unknown',
    })
    expect(wrong(order, { lines: [] })).toEqual({ to: 'missing', lines: 'few' })
    expect(wrong(order, { to: 'a@b', note: 'A', lines: [{ sku: 'a', n: 0 }], pay: { card: '' } })).toEqual({
      note: 'pattern',
      'lines.0.n': 'small',
      'pay.card': 'missing',
    })
  })

  it('[console.schema-form] a new place begins with what is required of it, and no more', () => {
    expect(beginning(order, order)).toEqual({ to: '', lines: [{ sku: '' }] })
    expect(beginning({ type: 'integer', default: 30 }, order)).toBe(30)
    expect(beginning({ type: ['string', 'null'] }, order)).toBe(null)
    expect(beginning(order.properties?.pay as Schema, order)).toEqual({ card: '' })
  })

  it('[console.schema-form] a value says which of several it is', () => {
    const options = order.properties?.pay?.oneOf as Schema[]
    expect(fitting(options, 'cash', order)).toBe(1)
    expect(fitting(options, { card: '1' }, order)).toBe(0)
    expect(fitting(options, { card: '' }, order)).toBe(0)
  })
})

it('[console.schema-form] text that is no JSON object is told where it breaks', () => {
  expect(jsonProblem('{"a": 1}')).toBe(null)
  expect(jsonProblem('[1]')).toMatchObject({ line: 1 })
  expect(jsonProblem('{\n  "a": 1,\n  b\n}')).toMatchObject({ line: 3, column: 3 })
  expect(jsonProblem('{"a": ')).toMatchObject({ line: 1, column: 7 })
})

it('[console.schema-form] the example of every tool, and the settings of every connector, pass as a form has them', async () => {
  const { connectors } = await loadShelf()
  const bad: string[] = []
  let looked = 0
  for (const connector of connectors.values()) {
    const config = z.toJSONSchema(connector.config, { io: 'input', unrepresentable: 'any' }) as Schema
    if (kind(config) !== 'object') bad.push(`${connector.slug}: its settings are no form`)
    for (const [name, tool] of Object.entries(connector.tools)) {
      const schema = z.toJSONSchema(tool.input, { io: 'input', unrepresentable: 'any' }) as Schema
      for (const [at, is] of problemsIn(schema, tool.example, schema)) bad.push(`${name}.${at}: ${is.is}`)
      looked++
    }
  }
  expect(looked).toBeGreaterThan(80)
  expect(bad).toEqual([])
})
