/** Where in the text of a JSON document a path is, and which path is at a place. */
import { syntaxTree } from '@codemirror/language'
import type { EditorState } from '@codemirror/state'
import type { Path } from './graph.ts'

type Node = ReturnType<typeof syntaxTree>['topNode']
const VALUES = new Set(['Object', 'Array', 'String', 'Number', 'True', 'False', 'Null'])
const isValue = (node: Node) => VALUES.has(node.name)

const children = (node: Node): Node[] => {
  const list: Node[] = []
  for (let at = node.firstChild; at; at = at.nextSibling) list.push(at)
  return list
}
const nameText = (state: EditorState, node: Node): string => {
  const raw = state.sliceDoc(node.from, node.to)
  try {
    return JSON.parse(raw) as string
  } catch {
    return raw.replaceAll('"', '')
  }
}

/** The value at a path, or the innermost one on the way that is there. */
export function placeOf(state: EditorState, path: Path): { from: number; to: number } | null {
  let at = children(syntaxTree(state).topNode).find(isValue)
  for (const part of path) {
    if (!at) return null
    const next: Node | undefined =
      typeof part === 'number'
        ? children(at).filter(isValue)[part]
        : (children(at)
            .filter((it) => it.name === 'Property')
            .find((it) => it.firstChild && nameText(state, it.firstChild) === part)?.lastChild ?? undefined)
    if (!next) break
    at = next
  }
  return at ? { from: at.from, to: at.to } : null
}

/** The path of the value or of the name that holds the place. `name`: it is a name that is being written. */
export function pathAt(state: EditorState, pos: number): { path: Path; node: Node; name: boolean } {
  const node = syntaxTree(state).resolveInner(pos, -1)
  const path: Path = []
  for (let at: Node | null = node; at; at = at.parent) {
    const above: Node | null = at.parent
    if (at.name === 'Property' && at.firstChild && at !== node) path.unshift(nameText(state, at.firstChild))
    else if (above?.name === 'Array' && isValue(at))
      path.unshift(
        children(above)
          .filter(isValue)
          .findIndex((it) => it.from === at?.from),
      )
  }
  return { path, node, name: node.name === 'PropertyName' }
}

/** Every string that is a value, with its path, its text and where each character of the text stands in the document. */
export function* stringsOf(state: EditorState): Generator<{ path: Path; text: string; from: number; map: (at: number) => number }> {
  yield* walk(state, syntaxTree(state).topNode, [])
}
function* walk(
  state: EditorState,
  node: Node,
  path: Path,
): Generator<{ path: Path; text: string; from: number; map: (at: number) => number }> {
  let index = 0
  for (const inner of children(node)) {
    if (inner.name === 'Property') {
      const value = inner.lastChild
      if (inner.firstChild && value && isValue(value)) yield* within(state, value, [...path, nameText(state, inner.firstChild)])
    } else if (isValue(inner)) yield* within(state, inner, node.name === 'Array' ? [...path, index++] : path)
  }
}
function* within(state: EditorState, node: Node, path: Path): ReturnType<typeof stringsOf> {
  if (node.name !== 'String') return yield* walk(state, node, path)
  const read = unescaped(state.sliceDoc(node.from + 1, node.to - 1))
  yield { path, text: read.text, from: node.from + 1, map: read.map }
}

/** A JSON string without its quotes and escapes. */
export function unescaped(raw: string): { text: string; map: (at: number) => number } {
  if (!raw.includes('\\')) return { text: raw, map: (at) => at }
  let text = ''
  const places: number[] = []
  for (let i = 0; i < raw.length; ) {
    const part = /^\\(?:u[0-9a-fA-F]{4}|.)/.exec(raw.slice(i, i + 6))?.[0] ?? (raw[i] as string)
    let meant = part
    try {
      meant = JSON.parse(`"${part}"`) as string
    } catch {}
    places.push(i)
    text += meant
    i += part.length
  }
  places.push(raw.length)
  return { text, map: (at) => places[Math.min(at, places.length - 1)] ?? raw.length }
}
