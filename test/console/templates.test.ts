/** The editor reads templates by a reader of its own, which also knows places. It must agree with the one that runs them. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nearest, scan, typing } from '../../console/src/pages/workflows/templates.ts'
import { changes, depths, duplicated, partsOf, pathText, renamed, without } from '../../console/src/pages/workflows/graph.ts'
import { findTemplates } from '../../src/runs/template.ts'

/** What the runtime finds in a text: the paths, or that it cannot be read. */
const run = (text: string): string[] | null => {
  const found = findTemplates(text)
  return found.some((it) => 'problem' in it) ? null : found.map((it) => ('reference' in it ? it.reference.path : ''))
}
const names = (text: string): string[][] | null => {
  const found = scan(text)
  return found.some((it) => it.mistake) ? null : found.map((it) => [it.root?.name ?? '', ...it.segments.map((s) => s.name)])
}
const PLAIN = /^[\p{L}\p{N}_$-]+$/u
const asPath = ([root, ...rest]: string[]) => root + rest.map((s) => (PLAIN.test(s) ? `.${s}` : `[${JSON.stringify(s)}]`)).join('')

describe('templates in the editor', () => {
  it('[console.templates-agree] are read as the runtime reads them, well written or not', () => {
    const piece = fc.constantFrom(
      ...['{{', '}}', '{', '}', '\\', ' ', '.', '[', ']', '"', "'", '-1', '0', '12'],
      ...[
        'input',
        'steps',
        'item',
        'index',
        'foreach',
        'body',
        'while',
        'prev',
        'iteration',
        'result',
        'stepz',
        'a',
        'x y',
        'é',
        '__proto__',
      ],
      ...['steps.a.result', 'steps.a.input.b', 'foreach.item', 'while.prev.a', "['x.y']", '["q\\"r"]', '[ 0 ]'],
    )
    const text = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(''))
    const wrapped = fc.array(piece, { maxLength: 6 }).map((parts) => `a {{${parts.join('')}}} b`)
    // Well written more often than by chance.
    const segment = fc.constantFrom('.a', '.0', '[0]', '[ -1 ]', "['x.y']", '["q\\"r"]', '.é', '.$_-')
    const good = fc
      .tuple(fc.constantFrom('input', 'steps.a.result', 'item', 'foreach.item'), fc.array(segment, { maxLength: 4 }))
      .map(([root, rest]) => `a {{ ${root}${rest.join('')}}} b`)
    let read = 0
    fc.assert(
      fc.property(fc.oneof(text, wrapped, good), (it) => {
        const ours = names(it)
        if (ours?.length) read++
        expect(ours?.map(asPath) ?? null).toEqual(run(it))
      }),
      { numRuns: 4000 },
    )
    expect(read).toBeGreaterThan(900)
  })

  it('[console.templates-agree] every mistake has a place in the text', () => {
    for (const text of [
      '{{',
      '{{}}',
      '{{ stepz.a }}',
      '{{steps.a}}',
      '{{input.',
      '{{input[x]}}',
      '{{input.x y}}',
      'a {{index.b}} {{input.__proto__}}',
    ])
      for (const { mistake } of scan(text)) {
        expect(mistake, text).not.toBeNull()
        expect(mistake?.from, text).toBeGreaterThanOrEqual(0)
        expect(mistake?.to, text).toBeLessThanOrEqual(text.length)
        expect(mistake?.to, text).toBeGreaterThan(mistake?.from ?? Number.POSITIVE_INFINITY)
      }
  })

  it('[console.templates-agree] what is being typed is told from what stands before it', () => {
    expect(typing('select {{')).toMatchObject({ names: [], part: '' })
    expect(typing('{{input.a}} and')).toBeNull()
    expect(typing('\\{{input')).toBeNull()
    expect(typing('{{ steps.a.result.ro')).toMatchObject({ names: ['steps', 'a', 'result'], part: 'ro', partFrom: 18 })
    expect(typing("{{steps.a.result['x.y'][0].")).toMatchObject({ names: ['steps', 'a', 'result', 'x.y', '0'], part: '' })
    expect(nearest('htm', ['text', 'html'])).toBe('html')
    expect(nearest('row', ['columns', 'rows', 'row_count'])).toBe('rows')
    expect(nearest('lable', ['best_day', 'label'])).toBe('label')
    expect(nearest('zzz', ['rows'])).toBeNull()
  })
})

const step = (id: string, more: Record<string, unknown> = {}) => ({ id, type: 'mcp_call', ...more })
describe('a graph in the editor', () => {
  const graph = {
    steps: [
      step('a'),
      step('b', { depends_on: ['a'], tool_args: { x: '{{steps.a.result.n}} {{ steps.a-b.result }} \\{{steps.a.result}}' } }),
      step('c', { depends_on: ['b'], condition: '{{steps.a.result}} > 1' }),
    ],
  }

  it('[console.draft-edits] an id that changes does so in every place that names it', () => {
    const after = renamed(graph, 'a', 'first')
    expect(after.steps[0]?.id).toBe('first')
    expect(after.steps[1]).toMatchObject({ depends_on: ['first'] })
    expect((after.steps[1] as { tool_args?: { x: string } }).tool_args?.x).toContain('{{steps.first.result.n}} {{ steps.a-b.result }}')
    expect(after.steps[2]).toMatchObject({ condition: '{{steps.first.result}} > 1', depends_on: ['b'] })
  })

  it('[console.draft-edits] whoever waited for a deleted step waits for what that one had waited for', () => {
    expect(without(graph, 'b').steps).toMatchObject([{ id: 'a' }, { id: 'c', depends_on: ['a'] }])
    expect(duplicated(graph, 'b')?.graph.steps.map((s) => s.id)).toEqual(['a', 'b', 'b_2', 'c'])
    expect([...depths(graph).values()]).toEqual([0, 1, 2])
    // A circle ends, and is told by the server.
    expect(depths({ steps: [step('x', { depends_on: ['y'] }), step('y', { depends_on: ['x'] })] }).size).toBe(2)
  })

  it('[console.draft-edits] changes are told step by step, and written-out defaults are none', () => {
    const published = { steps: graph.steps.map((s) => ({ ...s, enabled: true, retry_count: 0, timeout_s: 60, depends_on: [], ...s })) }
    expect(changes(published, graph)).toEqual([])
    const other = { steps: [graph.steps[0] as never, step('b', { depends_on: ['a'] }), step('d')] }
    expect(changes(graph, other).map((c) => `${c.how} ${c.id} ${c.fields}`)).toEqual(['changed b tool_args', 'added d ', 'removed c '])
    expect(changes(null, graph)).toHaveLength(3)
  })

  it('[console.draft-edits] paths are read as they are written', () => {
    for (const path of ['steps[1].tool_args.sql', 'tool_args["x.y"][0].é', 'depends_on[3]']) expect(pathText(partsOf(path))).toBe(path)
  })
})
