import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Fault } from '../base/errors.ts'
import { holds, parseCondition } from './condition.ts'
import { type Scope, TemplateSyntax } from './template.ts'

const seed = Date.now() % 2 ** 31
console.info(`condition.test.ts seed ${seed}`)

const scope: Scope = {
  input: {
    n: 5,
    s: 'hello',
    yes: true,
    no: false,
    none: null,
    zero: 0,
    empty: '',
    list: [1, { a: 2 }],
    nothing: [],
    obj: { k: 1 },
    blank: {},
  },
  steps: { a: { result: { status: 'open', count: 3 } } },
}
const is = (text: string): boolean => holds(text, scope)

describe('holds', () => {
  it.each([
    '{{input.yes}}',
    '{{input.n}}',
    '{{input.obj}}',
    '{{input.blank}}',
    'not {{input.no}}',
    'not {{input.none}} and not {{input.zero}} and not {{input.empty}} and not {{input.nothing}}',
    '{{steps.a.result.status}} == "open"',
    "{{steps.a.result.status}} != 'closed'",
    '{{input.n}}>4 and {{input.n}}>=5 and {{input.n}}<=5 and {{input.n}}<5.5',
    '{{input.n}} == 5e0 and -1 < 0',
    '"a" < "b"',
    '{{input.s}} contains "ell"',
    '{{input.list}} contains 1',
    '{{input.obj}} contains "k"',
    'not ({{input.s}} contains "x")',
    '1 == 2 or 2 == 2 and true',
    'not false == false or true',
    '(1 == 2 or true) and not (false)',
    'not not true',
    '{{input.none}} == null',
    '"say \\"hi\\"" == \'say "hi"\'',
    'exists {{input.n}} and {{input.n}} > 3',
    'exists {{input.none}}',
    'not exists {{steps.skipped.result.x}}',
    'not exists {{steps.skipped.result.x}} or {{steps.skipped.result.x}} == 1',
  ])('%s', (text) => {
    expect(is(text)).toBe(true)
  })

  it.each(['1 == "1"', 'true == 1', '{{input.list}} contains 2', 'exists {{input.nope}}', 'false', 'null', '0', '""', 'not true or false'])(
    'not: %s',
    (text) => {
      expect(is(text)).toBe(false)
    },
  )

  it('compares as JSON', () => {
    const same: Scope = { input: { a: { x: [1, { y: null }] }, b: { x: [1, { y: null }] }, c: { x: [1] } }, steps: {} }
    expect(holds('{{input.a}} == {{input.b}}', same)).toBe(true)
    expect(holds('{{input.a}} == {{input.c}}', same)).toBe(false)
    expect(holds('{{input.a}} contains "toString"', same)).toBe(false)
  })

  it('fails on what resolves to nothing, and on kinds that have no order', () => {
    const code = (text: string) => {
      try {
        return is(text)
      } catch (error) {
        return (error as Fault).code
      }
    }
    expect(code('{{input.nope}} == 1')).toBe('TEMPLATE_UNRESOLVED')
    expect(code('not {{input.nope}}')).toBe('TEMPLATE_UNRESOLVED')
    expect(code('{{input.s}} < 3')).toBe('INVALID_INPUT')
    expect(code('{{input.none}} < 3')).toBe('INVALID_INPUT')
    expect(code('{{input.n}} contains "5"')).toBe('INVALID_INPUT')
    expect(() => is('{{input.s}} < 3')).toThrow('The condition cannot compare a string < a number.')
  })
})

describe('parseCondition', () => {
  it.each([
    ['', 1, 'missing at the end'],
    ['{{input.n}} =', 13, 'write `==`'],
    ['{{input.n}} == 1 && true', 18, 'write `and`'],
    ['!{{input.n}}', 1, 'write `not`'],
    ['{{input.n}} == open', 16, 'texts go in quotes'],
    ['({{input.n}} == 1', 18, '`)` is missing'],
    ['1 == 1)', 7, 'should end here'],
    ['1 < 2 < 3', 7, 'should end here'],
    ['exists 1', 8, 'After `exists`'],
    ['"{{input.n}}" == "5"', 1, 'not put in quotes'],
    ['{{secrets.x}} == 1', 3, 'nothing called'],
    ['"open', 1, 'not understood'],
    ['1 == 2x', 6, 'not understood'],
    ['('.repeat(40), 34, 'nest'],
    ['process.exit()', 8, 'not understood'],
  ])('%s is refused at column %i', (text, column, message) => {
    expect(() => parseCondition(text)).toThrow(message)
    try {
      parseCondition(text)
    } catch (error) {
      expect(error).toBeInstanceOf(TemplateSyntax)
      expect((error as TemplateSyntax).column).toBe(column)
    }
  })

  it('lists what it refers to, and what exists guards', () => {
    expect(parseCondition('exists {{steps.a.result}} and {{input.n}} > 1').references).toMatchObject([
      { stepId: 'a', guarded: true },
      { path: 'input.n', guarded: false },
    ])
  })

  it('any text is either refused with its column or holds or not', () => {
    const word = fc.constantFrom(
      '(',
      ')',
      'and',
      'or',
      'not',
      'exists',
      '==',
      '<',
      'contains',
      '{{input.n}}',
      '{{input.nope}}',
      '{{',
      '"a"',
      '1',
      '-',
      'null',
      ' ',
      '=',
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        try {
          expect(is(words.join(' '))).toBeTypeOf('boolean')
        } catch (error) {
          expect(['GRAPH_INVALID', 'TEMPLATE_UNRESOLVED', 'INVALID_INPUT']).toContain((error as Fault).code)
        }
      }),
      { seed, numRuns: 2000 },
    )
  })
})
