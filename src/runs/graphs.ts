/** Published graphs. They are immutable: parsed once, kept by id and number. */
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import { type Graph, parseGraph } from './graph.ts'
import { workflowRows } from './workflow-rows.ts'

const MAX_GRAPHS = 500

export function createGraphs() {
  const graphs = new Map<string, Graph>()
  return async function graphOf(tx: Tx, workflowId: string, version: number): Promise<Graph> {
    const key = `${workflowId}/${version}`
    const known = graphs.get(key)
    if (known) return known
    const row =
      (await workflowRows.version(tx, workflowId, version)) ?? fail('NOT_FOUND', `there is no version ${version} of ${workflowId}`)
    const graph = parseGraph(row.graph)
    if (graphs.size >= MAX_GRAPHS) graphs.delete(graphs.keys().next().value as string)
    graphs.set(key, graph)
    return graph
  }
}
