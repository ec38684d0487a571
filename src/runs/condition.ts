/**
 * Conditions: one line that is true or false.
 *
 *   or       = and { "or" and }
 *   and      = not { "and" not }
 *   not      = "not" not | compare
 *   compare  = operand [ ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "contains" ) operand ]
 *   operand  = "(" or ")" | "exists" template | template | string | number | "true" | "false" | "null"
 *
 * - `==` compares as JSON and never converts: 1 == "1" is false. `<` and its kin take two numbers or two texts.
 * - `contains`: a text in a text, an item in a list, a key in an object.
 * - `and` and `or` stop at the first operand that decides, so `exists {{x}} and {{x}} > 3` is safe.
 * - Where a truth is wanted, false, null, 0, "" and [] are false, and everything else is true.
 * - Strings are in double or single quotes; a backslash takes the next character as it is. Templates are not put in quotes.
 */
import { isDeepStrictEqual } from 'node:util'
import { Fault } from '../base/errors.ts'
import { shown } from './path.ts'
import { lookUp, type Reference, readReference, type Scope, TemplateSyntax, readValue } from './template.ts'

/** Parentheses and `not` in each other: the parser and the evaluation recurse. */
const MAX_NESTING = 32

type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'contains'
type Node =
  | { kind: 'value'; value: string | number | boolean | null }
  | { kind: 'template' | 'exists'; reference: Reference }
  | { kind: 'not'; of: Node }
  | { kind: 'and' | 'or'; of: Node[] }
  | { kind: 'compare'; op: Comparison; left: Node; right: Node }

export interface Condition {
  tree: Node
  /** In order; `guarded` ones stand behind `exists` and may name nothing. */
  references: readonly (Reference & { guarded: boolean })[]
}

type Token = { at: number } & (
  | { type: 'word'; word: string }
  | { type: 'literal'; value: string | number }
  | { type: 'template'; reference: Reference }
)

const WORD = /==|!=|<=|>=|[<>()]|[A-Za-z]+/y
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])/y
const STRING = /"((?:[^"\\]|\\[\s\S])*)"|'((?:[^'\\]|\\[\s\S])*)'/y
const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'contains'])
/** What people write out of habit. */
const INSTEAD: Readonly<Record<string, string>> = { '&': 'and', '|': 'or', '!': 'not', '=': '==' }

function tokens(text: string): Token[] {
  const list: Token[] = []
  for (let at = 0; at < text.length; ) {
    const next = (pattern: RegExp): RegExpExecArray | null => {
      pattern.lastIndex = at
      return pattern.exec(text)
    }
    if (/\s/.test(text[at]!)) {
      at++
      continue
    }
    if (text.startsWith('{{', at)) {
      const { reference, end } = readReference(text, at + 2)
      list.push({ type: 'template', reference, at })
      at = end
      continue
    }
    const string = next(STRING)
    if (string?.[0].includes('{{')) throw new TemplateSyntax('A template in a condition is not put in quotes', at)
    const match = string ?? next(NUMBER) ?? next(WORD)
    if (!match) {
      const instead = INSTEAD[text[at]!]
      throw new TemplateSyntax(`\`${text[at]}\` is not understood here${instead ? `: write \`${instead}\`` : ''}`, at)
    }
    if (string) list.push({ type: 'literal', value: (string[1] ?? string[2]!).replace(/\\([\s\S])/g, '$1'), at })
    else if (/^-?\d/.test(match[0])) list.push({ type: 'literal', value: Number(match[0]), at })
    else list.push({ type: 'word', word: match[0], at })
    at += match[0].length
  }
  return list
}

function parse(text: string): Condition {
  const list = tokens(text)
  const found: (Reference & { guarded: boolean })[] = []
  let i = 0
  let depth = 0
  const word = (): string | null => {
    const token = list[i]
    return token?.type === 'word' ? token.word : null
  }
  const wrong = (message: string): never => {
    throw new TemplateSyntax(message, list[i]?.at ?? text.length)
  }
  const deeper = (inner: () => Node): Node => {
    i++
    if (++depth > MAX_NESTING) wrong(`A condition may nest ${MAX_NESTING} levels deep`)
    const node = inner()
    depth--
    return node
  }
  const chain = (kind: 'and' | 'or', part: () => Node): Node => {
    const of = [part()]
    while (word() === kind) {
      i++
      of.push(part())
    }
    return of.length === 1 ? of[0]! : { kind, of }
  }
  const template = (kind: 'template' | 'exists'): Node => {
    const token = list[i]
    if (token?.type !== 'template') return wrong('After `exists` stands a template, like {{input.x}}')
    i++
    found.push({ ...token.reference, guarded: kind === 'exists' })
    return { kind, reference: token.reference }
  }
  const or = (): Node => chain('or', and)
  const and = (): Node => chain('and', not)
  const not = (): Node => (word() === 'not' ? { kind: 'not', of: deeper(not) } : compare())
  const compare = (): Node => {
    const left = operand()
    const op = word()
    if (op === null || !COMPARISONS.has(op)) return left
    i++
    return { kind: 'compare', op: op as Comparison, left, right: operand() }
  }
  const operand = (): Node => {
    const token = list[i]
    if (!token) return wrong('Something is missing at the end of the condition')
    if (token.type === 'template') return template('template')
    if (token.type === 'literal') {
      i++
      return { kind: 'value', value: token.value }
    }
    if (token.word === '(') {
      const node = deeper(or)
      if (word() !== ')') wrong('A `)` is missing')
      i++
      return node
    }
    i++
    if (token.word === 'exists') return template('exists')
    if (token.word === 'true' || token.word === 'false') return { kind: 'value', value: token.word === 'true' }
    if (token.word === 'null') return { kind: 'value', value: null }
    i--
    return wrong(`\`${shown(token.word)}\` is not understood here (texts go in quotes)`)
  }
  const tree = or()
  if (i < list.length) wrong('The condition should end here')
  return { tree, references: found }
}

/** Conditions are few and short; beyond this many the cache starts anew. */
const MAX_CACHED = 2000
const cache = new Map<string, Condition>()

/** Fault: TemplateSyntax with the column. */
export function parseCondition(text: string): Condition {
  const known = cache.get(text)
  if (known) return known
  const condition = parse(text)
  if (cache.size >= MAX_CACHED) cache.clear()
  cache.set(text, condition)
  return condition
}

const truth = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : Boolean(value))

const mismatch = (op: string, left: unknown, right: unknown): never => {
  const kind = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`)
  throw new Fault('INVALID_INPUT', `The condition cannot compare ${kind(left)} ${op} ${kind(right)}.`)
}

function compared(op: Comparison, left: unknown, right: unknown): boolean {
  if (op === '==' || op === '!=') return isDeepStrictEqual(left, right) === (op === '==')
  if (op === 'contains') {
    if (Array.isArray(left)) return left.some((item) => isDeepStrictEqual(item, right))
    if (typeof right !== 'string' || left === null) return mismatch(op, left, right)
    if (typeof left === 'string') return left.includes(right)
    return typeof left === 'object' ? Object.hasOwn(left, right) : mismatch(op, left, right)
  }
  if (!((typeof left === 'number' && typeof right === 'number') || (typeof left === 'string' && typeof right === 'string'))) {
    return mismatch(op, left, right)
  }
  if (op === '<') return left < right
  if (op === '<=') return left <= right
  return op === '>' ? left > right : left >= right
}

function evaluate(node: Node, scope: Scope): unknown {
  switch (node.kind) {
    case 'value':
      return node.value
    case 'template':
      return readValue(node.reference, scope)
    case 'exists':
      return lookUp(node.reference, scope) !== undefined
    case 'not':
      return !truth(evaluate(node.of, scope))
    case 'and':
      return node.of.every((part) => truth(evaluate(part, scope)))
    case 'or':
      return node.of.some((part) => truth(evaluate(part, scope)))
    case 'compare':
      return compared(node.op, evaluate(node.left, scope), evaluate(node.right, scope))
  }
}

/** Faults: TEMPLATE_UNRESOLVED, INVALID_INPUT (values of kinds that cannot be compared), GRAPH_INVALID (syntax). */
export const holds = (condition: string, scope: Scope): boolean => truth(evaluate(parseCondition(condition).tree, scope))
