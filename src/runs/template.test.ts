import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Fault } from '../base/errors.ts'
import { findTemplates, MAX_RESOLVED_CHARS, references, resolve, type Scope, TemplateSyntax } from './template.ts'

const seed = Date.now() % 2 ** 31
console.info(`template.test.ts seed ${seed}`)

const scope: Scope = {
  input: { a: { b: 1 }, name: 'Ada', empty: '', none: null, no: false, list: [10, 20, [30]], 'x.y': 'dotted', 'q"]': 'odd', größe: 7 },
  steps: { 'get-user': { input: { id: 5 }, result: { items: [{ id: 'i0' }, { id: 'i1' }], deep: { '0': 'zero' } } } },
  item: { sku: 'S1' },
  index: 3,
  foreach: { item: { sku: 'S1' }, index: 3 },
  body: { B: { result: { ok: true } } },
  while: { iteration: 2, prev: { B: { n: 9 } } },
}
const fill = (value: unknown): unknown => resolve(value, scope)

const faultOf = (work: () => unknown): Fault => {
  try {
    work()
  } catch (error) {
    return error as Fault
  }
  throw new Error('no fault')
}

describe('resolve', () => {
  it.each([
    ['{{input.a.b}}', 1],
    ['{{ input.a }}', { b: 1 }],
    ['{{input.none}}', null],
    ['{{input.no}}', false],
    ['{{input.empty}}', ''],
    ['{{input.list.0}}', 10],
    ['{{input.list.-1.0}}', 30],
    ['{{input.list[1]}}', 20],
    ['{{input.list[-1][0]}}', 30],
    ['{{input["x.y"]}}', 'dotted'],
    [`{{input[ 'x.y' ]}}`, 'dotted'],
    ['{{input["q\\"]"]}}', 'odd'],
    ['{{input.größe}}', 7],
    ['{{steps.get-user.result.items.1.id}}', 'i1'],
    ['{{steps.get-user.result.deep.0}}', 'zero'],
    ['{{steps["get-user"].input.id}}', 5],
    ['{{item.sku}}', 'S1'],
    ['{{index}}', 3],
    ['{{foreach.item.sku}}{{foreach.index}}', 'S13'],
    ['{{body.B.result.ok}}', true],
    ['{{while.iteration}}', 2],
    ['{{while.prev.B.n}}', 9],
  ])('%s gives %j', (text, value) => {
    expect(fill(text)).toEqual(value)
  })

  it('puts values into text: strings as they are, the rest as JSON', () => {
    expect(fill('Hi {{input.name}}, {{input.a.b}} {{input.no}} {{input.none}} {{input.list}} {{input.a}}!')).toBe(
      'Hi Ada, 1 false null [10,20,[30]] {"b":1}!',
    )
    expect(fill({ json: '{"a":{"b":{{input.a.b}}}}', n: 1, list: ['{{input.name}}', null] })).toEqual({
      json: '{"a":{"b":1}}',
      n: 1,
      list: ['Ada', null],
    })
  })

  it('leaves escaped braces and other text alone', () => {
    expect(fill('\\{{input.name}}')).toBe('{{input.name}}')
    expect(fill('C:\\\\{{input.name}}')).toBe('C:\\Ada')
    expect(fill('\\\\\\{{x')).toBe('\\{{x')
    expect(fill('a\\b }} \\{{ c\\n')).toBe('a\\b }} {{ c\\n')
    expect(fill('{ {a} }')).toBe('{ {a} }')
    expect(fill({ '{{input.name}}': 1 })).toEqual({ '{{input.name}}': 1 })
  })

  it('[runs.template-one-pass] never reads again what it has put in', () => {
    const evil: Scope = { input: { x: '{{input.secret}}', open: '{{', tail: 'input.secret}}', secret: 's' }, steps: {} }
    expect(resolve('{{input.x}}', evil)).toBe('{{input.secret}}')
    expect(resolve('a {{input.x}} b', evil)).toBe('a {{input.secret}} b')
    expect(resolve('{{input.open}}{{input.tail}}', evil)).toBe('{{input.secret}}')
  })

  it('[runs.template-own-properties] sees own properties only and refuses the ways to a prototype', () => {
    for (const path of ['input.toString', 'input.name.length', 'input.list.length', 'input.hasOwnProperty', 'steps.toString.result']) {
      expect(faultOf(() => fill(`{{${path}}}`))).toMatchObject({ code: 'TEMPLATE_UNRESOLVED' })
    }
    for (const path of [
      'input.__proto__',
      'input["__proto__"].x',
      'input.a.constructor',
      `steps['prototype'].result`,
      "input['__pro\\to__']",
    ]) {
      expect(faultOf(() => fill(`{{${path}}}`))).toBeInstanceOf(TemplateSyntax)
    }
    const value = resolve(JSON.parse('{"a":"{{input.x}}","__proto__":{"polluted":"{{input.x}}"}}'), { input: { x: 1 }, steps: {} })
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it('says which path resolves to nothing, and never what is there', () => {
    const fault = faultOf(() => fill({ deep: ['{{steps.get-user.result.items.7.id}}'] }))
    expect(fault).toMatchObject({
      code: 'TEMPLATE_UNRESOLVED',
      details: { path: 'steps.get-user.result.items.7.id', missing: 'steps.get-user.result.items.7' },
    })
    expect(fault.message).toBe(
      '{{steps.get-user.result.items.7.id}} resolves to nothing, there is no steps.get-user.result.items.7: steps.get-user.result.items is a list.',
    )
    expect(faultOf(() => fill('{{input.name.first}}')).message).not.toContain('Ada')
    expect(faultOf(() => resolve('{{item}}', { input: {}, steps: {} })).details).toMatchObject({ path: 'item', missing: 'item' })
    expect(faultOf(() => fill('{{input.none.x}}'))).toMatchObject({ code: 'TEMPLATE_UNRESOLVED' })
  })

  it('[runs.graph-limits] stops before it has filled the memory', () => {
    const big: Scope = { input: { big: 'x'.repeat(MAX_RESOLVED_CHARS / 8) }, steps: {} }
    expect(faultOf(() => resolve(Array(9).fill(' {{input.big}}'), big))).toMatchObject({ code: 'TOO_LARGE' })
    expect(resolve(Array(7).fill(' {{input.big}}'), big)).toHaveLength(7)
  })

  it('gives back untouched values as they are, and does not change what it was given', () => {
    const value = { a: [1, { b: 'x' }], c: '{{input.a}}' }
    const copy = structuredClone(value)
    const filled = fill(value) as typeof value
    expect(value).toEqual(copy)
    expect(filled.a).toBe(value.a)
  })
})

describe('what is not a template', () => {
  it.each([
    ['{{', 3, 'starts with a name'],
    ['ab {{input.x', 13, 'not closed'],
    ['{{input.x | upper}}', 11, 'Only a path'],
    ['{{input..x}}', 9, 'after the dot'],
    ['{{input[x]}}', 9, 'In brackets'],
    ['{{input["x]}}', 9, 'In brackets'],
    ['{{{input.x}}}', 3, 'starts with a name'],
    ['{{secrets.key}}', 3, 'nothing called `secrets`'],
    ['{{imput.x}}', 3, 'Did you mean `input`?'],
    ['{{steps.a}}', 3, 'steps.ID.result'],
    ['{{steps.a.output}}', 3, 'steps.ID.result'],
    ['{{index.x}}', 3, 'no fields'],
    ['{{foreach.x}}', 3, 'foreach.item'],
    ['{{while.prev}}', 3, 'while.prev.ID'],
    ['{{1+1}}', 3, 'starts with a name'],
    ['{{input.constructor("x")}}', 8, 'may not be used'],
  ])('%s is refused at column %i', (text, column, message) => {
    const fault = faultOf(() => fill(text))
    expect(fault).toBeInstanceOf(TemplateSyntax)
    expect(fault).toMatchObject({ code: 'GRAPH_INVALID', column })
    expect(fault.message).toContain(message)
  })

  it('any text is either refused as a template or filled in, and nothing else happens', () => {
    const text = fc
      .array(fc.constantFrom('{{', '}}', '\\', 'input', '.', 'a', '[', ']', '"', "'", ' ', '0', 'steps', '__proto__', '-'))
      .map((p) => p.join(''))
    fc.assert(
      fc.property(text, (t) => {
        try {
          fill({ t })
        } catch (error) {
          expect(['GRAPH_INVALID', 'TEMPLATE_UNRESOLVED']).toContain((error as Fault).code)
        }
      }),
      { seed, numRuns: 2000 },
    )
  })

  it('text that is escaped comes out as it was', () => {
    const escaped = (t: string) => t.replace(/(\\*)\{\{/g, '$1$1\\{{')
    const text = fc.array(fc.constantFrom('{', '{{', '}}', '\\', 'input.a', ' ')).map((p) => p.join(''))
    fc.assert(
      fc.property(text, (t) => {
        expect(fill(escaped(t))).toBe(t)
      }),
      { seed, numRuns: 1000 },
    )
  })
})

describe('references', () => {
  it('lists what a value needs and where it stands', () => {
    const value = { to: '{{input.to}}', body: [{ text: 'Hi {{steps.get-user.result["x.y"].0}} {{ item }}' }] }
    expect(references(value)).toEqual([
      { root: 'input', segments: ['to'], path: 'input.to', at: 'to' },
      {
        root: 'steps',
        stepId: 'get-user',
        segments: ['get-user', 'result', 'x.y', '0'],
        path: 'steps.get-user.result["x.y"].0',
        at: 'body[0].text',
      },
      { root: 'item', segments: [], path: 'item', at: 'body[0].text' },
    ])
    expect(references('{{while.prev.B.n}}')).toMatchObject([{ stepId: 'B', at: '' }])
    expect(() => references('{{x}}')).toThrow(TemplateSyntax)
    expect(findTemplates({ a: '{{x}}', b: '{{input.x}}!' })).toMatchObject([
      { at: ['a'], problem: { column: 3 } },
      { at: ['b'], whole: false },
    ])
  })
})
