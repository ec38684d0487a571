/** One document, seen as an outline and as text: its graph, what was before, and what the server has of it. */
import { useCallback, useEffect, useMemo, useReducer, useState } from 'react'
import type { Answer } from '../../api.ts'
import { asGraph, canonical, type Graph, inOrder, pathText, textOf } from './graph.ts'
import { unreadable } from './json-text.ts'

export type Workflow = Answer<'workflows.get'>

/** Why the text is not the graph: it stays as it is, and so does the last graph that could be read. */
export type Broken = { kind: 'json'; line: number; column: number } | { kind: 'shape' | 'step' | 'id' | 'twice'; at: string }
interface Base {
  canonical: string
  updatedAt: string
}
interface State {
  graph: Graph
  text: string
  broken: Broken | null
  past: Graph[]
  future: Graph[]
  /** What the last edit was to: one after another to the same thing are undone together. */
  tag: string | null
  base: Base
}
type Action =
  | { do: 'edit'; change: (graph: Graph) => Graph; tag: string | null }
  | { do: 'text'; text: string }
  | { do: 'read' }
  | { do: 'undo' | 'redo' | 'mendText' }
  | { do: 'saved'; graph: Graph; updatedAt: string }
  | { do: 'touched'; updatedAt: string }
  | { do: 'take'; workflow: Workflow }

/** Enough for an afternoon, little enough to hold. */
const MAX_PAST = 100

const open = (workflow: Workflow): State => {
  const graph = inOrder(workflow.graph as Graph)
  return {
    graph,
    text: textOf(graph),
    broken: null,
    past: [],
    future: [],
    tag: null,
    base: { canonical: canonical(graph), updatedAt: workflow.updated_at },
  }
}

export function readText(text: string): { graph: Graph } | { broken: Broken } {
  const problem = unreadable(text)
  if (problem) return { broken: { kind: 'json', line: problem.line, column: problem.column } }
  const read = asGraph(JSON.parse(text))
  return 'graph' in read ? read : { broken: { kind: read.wrong, at: pathText(read.at) } }
}

function changed(state: State, graph: Graph, tag: string | null): State {
  const text = textOf(graph)
  if (text === textOf(state.graph)) return state
  const together = tag !== null && tag === state.tag
  const past = together ? state.past : [...state.past.slice(-MAX_PAST + 1), state.graph]
  return { ...state, graph, text, broken: null, past, future: [], tag }
}

function next(state: State, action: Action): State {
  switch (action.do) {
    case 'edit': {
      // What was typed a moment ago comes first. Text that cannot be read is not written over.
      const read = state.text === textOf(state.graph) ? state : next(state, { do: 'read' })
      return read.broken ? read : changed(read, action.change(read.graph), action.tag)
    }
    case 'text':
      return { ...state, text: action.text }
    case 'read': {
      const read = readText(state.text)
      if ('broken' in read) return { ...state, broken: read.broken }
      if (canonical(read.graph) === canonical(state.graph)) return { ...state, broken: null }
      return { ...changed(state, read.graph, 'text'), text: state.text }
    }
    case 'mendText':
      return { ...state, text: textOf(state.graph), broken: null }
    case 'undo': {
      const before = state.past.at(-1)
      if (!before) return state
      return {
        ...state,
        graph: before,
        text: textOf(before),
        broken: null,
        past: state.past.slice(0, -1),
        future: [state.graph, ...state.future],
        tag: null,
      }
    }
    case 'redo': {
      const [after, ...rest] = state.future
      if (!after) return state
      return { ...state, graph: after, text: textOf(after), broken: null, past: [...state.past, state.graph], future: rest, tag: null }
    }
    case 'saved':
      return { ...state, base: { canonical: canonical(action.graph), updatedAt: action.updatedAt }, tag: null }
    case 'touched':
      return { ...state, base: { ...state.base, updatedAt: action.updatedAt } }
    case 'take':
      return open(action.workflow)
  }
}

/** Text that was not changed for so long is read. */
const READ_MS = 400

export function useDraft(workflow: Workflow) {
  const [state, dispatch] = useReducer(next, workflow, open)
  const now = useMemo(() => canonical(state.graph), [state.graph])
  const dirty = now !== state.base.canonical || state.broken !== null
  // The text is ahead of the graph until it is read.
  const ahead = state.broken === null && state.text !== textOf(state.graph)
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new text begins the wait anew
  useEffect(() => {
    if (!ahead) return
    const timer = setTimeout(() => dispatch({ do: 'read' }), READ_MS)
    return () => clearTimeout(timer)
  }, [state.text, ahead])
  // Somebody else saved, and nothing of ours is in the way.
  const newer = workflow.updated_at > state.base.updatedAt
  useEffect(() => {
    if (newer && !dirty) dispatch({ do: 'take', workflow })
  }, [newer, dirty, workflow])
  // Of the graph as it is by then: two edits may come at once, as when a value is picked whose step is not waited for yet.
  const edit = useCallback((change: (graph: Graph) => Graph, tag: string | null = null) => dispatch({ do: 'edit', change, tag }), [])
  return { ...state, canonical: now, dirty, newer, edit, dispatch }
}
export type Draft = ReturnType<typeof useDraft>

/** A value that has been the same for `ms`. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}
