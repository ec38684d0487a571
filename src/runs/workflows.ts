/** Workflows: drafts that people edit, and the immutable versions that runs execute. */
import type { Scope, Tx } from '../base/db.ts'
import { Fault, fail } from '../base/errors.ts'
import { newId } from '../base/ids.ts'
import { type Page, pageOf, readCursor, readNumberCursor } from '../base/page.ts'
import type { Tools } from '../tools/index.ts'
import { type Draft, type Graph, parseDraft, parseGraph } from './graph.ts'
import { type FindStored, refuseSecrets } from './guard.ts'
import { jsonText } from './json-text.ts'
import type { RunStatus } from './rows.ts'
import { type WorkflowRow, workflowRows as rows } from './workflow-rows.ts'
import { instancesNamed, type Validation, validate } from './validate.ts'

export interface WorkflowFacts {
  id: string
  name: string
  description: string | null
  graph: unknown
  run_setup: unknown
  latest_version: number | null
  archived: boolean
  created_at: string
  updated_at: string
}
/** A row of the list: what one wants to know before opening it. */
export interface WorkflowGlance extends WorkflowFacts {
  last_run: { run_id: string; status: RunStatus; created_at: string } | null
  problems: { errors: number; warnings: number } | null
}
export interface VersionFacts {
  version: number
  workflow_id: string
  changelog: string | null
  published_by: string
  published_at: string
  graph_snapshot: unknown
}

const show = (w: WorkflowRow): WorkflowFacts => ({
  id: w.id,
  name: w.name,
  description: w.description,
  graph: w.graph,
  run_setup: w.run_setup,
  latest_version: w.latest_version,
  archived: w.archived_at !== null,
  created_at: w.created_at.toISOString(),
  updated_at: w.updated_at.toISOString(),
})

type GlanceRow = WorkflowRow & { run_id: string | null; run_status: RunStatus | null; run_at: Date | null }
const glance = (w: GlanceRow): WorkflowGlance => ({
  ...show(w),
  last_run: w.run_id && w.run_status && w.run_at ? { run_id: w.run_id, status: w.run_status, created_at: w.run_at.toISOString() } : null,
  problems: null,
})

export function createWorkflows(deps: { tools: Tools; findStored: FindStored; now: () => number }) {
  const { tools, now } = deps
  const must = async (tx: Tx, id: string): Promise<WorkflowRow> =>
    (await rows.workflow(tx, id)) ?? fail('NOT_FOUND', `there is no workflow ${id}`)

  /** What keeps a draft from being saved at all: its shape, and a secret in it. The rest is for `check` to tell. */
  async function readDraft(scope: Scope, raw: unknown): Promise<Draft> {
    await refuseSecrets(deps.findStored, scope, raw, 'graph')
    return parseDraft(raw)
  }
  async function check(tx: Tx, graph: Draft | Graph, environment: string): Promise<Validation> {
    const { ids, server_urls } = instancesNamed(graph)
    return validate(graph, await tools.lookups(tx, ids, server_urls, environment))
  }
  /** Of many drafts at once: what their names stand for is looked up together. */
  async function count(tx: Tx, drafts: readonly Draft[], environment: string): Promise<NonNullable<WorkflowGlance['problems']>[]> {
    const named = drafts.map(instancesNamed)
    const all = (of: (n: (typeof named)[number]) => string[]) => [...new Set(named.flatMap(of))]
    const lookups = await tools.lookups(
      tx,
      all((n) => n.ids),
      all((n) => n.server_urls),
      environment,
    )
    return drafts.map((draft) => {
      const { issues } = validate(draft, lookups)
      const errors = issues.filter((issue) => issue.severity === 'error').length
      return { errors, warnings: issues.length - errors }
    })
  }

  return {
    must,
    head: async (tx: Tx, id: string) => (await rows.head(tx, id)) ?? fail('NOT_FOUND', `there is no workflow ${id}`),
    check,

    async create(
      scope: Scope,
      input: { name: string; description?: string | undefined; graph: unknown; run_setup?: unknown },
    ): Promise<(tx: Tx) => Promise<WorkflowFacts>> {
      const graph = await readDraft(scope, input.graph)
      if (input.run_setup !== undefined) await refuseSecrets(deps.findStored, scope, input.run_setup, 'run_setup')
      return async (tx) =>
        show(
          (await rows.insertWorkflow(tx, {
            id: newId('wf', now()),
            workspace_id: scope.workspace,
            project_id: scope.project,
            name: input.name,
            description: input.description ?? null,
            graph: jsonText(graph),
            run_setup: input.run_setup === undefined ? null : jsonText(input.run_setup),
          }))!,
        )
    },

    async get(tx: Tx, id: string): Promise<WorkflowFacts> {
      return show(await must(tx, id))
    },

    async list(
      tx: Tx,
      f: { limit: number; cursor?: string | undefined; q?: string | undefined; archived?: boolean; problems_in?: string | undefined },
    ): Promise<Page<WorkflowGlance>> {
      const found = await rows.workflows(tx, { limit: f.limit + 1, before: readCursor(f.cursor), archived: f.archived ?? false, q: f.q })
      const page = pageOf(found, f.limit, (r) => r.id, glance)
      if (f.problems_in === undefined) return page
      const problems = await count(
        tx,
        page.items.map((w) => w.graph as Draft),
        f.problems_in,
      )
      return { ...page, items: page.items.map((w, i) => ({ ...w, problems: problems[i] ?? null })) }
    },

    async change(
      scope: Scope,
      id: string,
      input: {
        name?: string | undefined
        description?: string | null | undefined
        graph?: unknown
        run_setup?: unknown
        /** The `updated_at` that the change was made to: refused when somebody was faster. */
        if_updated_at?: string | undefined
      },
    ): Promise<(tx: Tx) => Promise<WorkflowFacts>> {
      const graph = input.graph === undefined ? undefined : await readDraft(scope, input.graph)
      if (input.run_setup !== undefined) await refuseSecrets(deps.findStored, scope, input.run_setup, 'run_setup')
      return async (tx) => {
        const row = (await rows.lockWorkflow(tx, id)) ?? fail('NOT_FOUND', `there is no workflow ${id}`)
        if (row.archived_at) fail('CONFLICT', `the workflow ${row.name} is archived`)
        const updated_at = row.updated_at.toISOString()
        if (input.if_updated_at !== undefined && Date.parse(input.if_updated_at) !== row.updated_at.getTime())
          fail('DRAFT_CHANGED', `the draft of ${row.name} was changed at ${updated_at}, after you read it`, {
            hint: 'Read it again; if_updated_at is then its new updated_at.',
            details: { updated_at },
          })
        const next = await rows.updateWorkflow(tx, id, {
          ...(input.name === undefined ? {} : { name: input.name }),
          ...(input.description === undefined ? {} : { description: input.description }),
          ...(graph === undefined ? {} : { graph: jsonText(graph) }),
          ...(input.run_setup === undefined ? {} : { run_setup: jsonText(input.run_setup) }),
          // Later than before, whatever the clock says: two changes never bear the same time.
          updated_at: new Date(Math.max(now(), row.updated_at.getTime() + 1)),
        })
        return show(next!)
      }
    },

    async archive(tx: Tx, id: string): Promise<void> {
      await must(tx, id)
      await rows.updateWorkflow(tx, id, { archived_at: new Date(now()), updated_at: new Date(now()) })
    },

    /** Back among those that can be changed and started. One that is not archived stays as it is. */
    async restore(tx: Tx, id: string): Promise<WorkflowFacts> {
      const row = await must(tx, id)
      return show(row.archived_at ? (await rows.updateWorkflow(tx, id, { archived_at: null, updated_at: new Date(now()) }))! : row)
    },

    /** Of the draft that is stored, or of the one that is given: it is judged and not kept. */
    async validate(scope: Scope, id: string, environment: string, posted?: unknown): Promise<(tx: Tx) => Promise<Validation>> {
      if (posted !== undefined) await refuseSecrets(deps.findStored, scope, posted, 'graph')
      return async (tx) => {
        const row = await must(tx, id)
        return check(tx, parseDraft(posted === undefined ? row.graph : posted), environment)
      }
    },

    /** An immutable snapshot of the draft, if nothing is wrong with it. */
    async publish(
      scope: Scope,
      id: string,
      input: { changelog?: string | undefined; environment: string; publishedBy: string },
      read: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>,
    ): Promise<(tx: Tx) => Promise<VersionFacts>> {
      const draft = await read((tx) => must(tx, id))
      await refuseSecrets(deps.findStored, scope, draft.graph, 'graph')
      return async (tx) => {
        const row = (await rows.lockWorkflow(tx, id)) ?? fail('NOT_FOUND', `there is no workflow ${id}`)
        if (row.archived_at) fail('CONFLICT', `the workflow ${row.name} is archived`)
        if (jsonText(row.graph) !== jsonText(draft.graph))
          fail('CONFLICT', 'the draft was changed while it was being published', { hint: 'Publish again.' })
        const verdict = await check(tx, parseDraft(row.graph), input.environment)
        const errors = verdict.issues.filter((i) => i.severity === 'error')
        if (errors.length > 0)
          throw new Fault(
            'GRAPH_INVALID',
            `${errors[0]?.message ?? 'the graph is not valid'}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`,
            { details: { issues: verdict.issues } },
          )
        const graph = parseGraph(row.graph)
        const version = (row.latest_version ?? 0) + 1
        const snapshot = await rows.insertVersion(tx, {
          workspace_id: scope.workspace,
          project_id: scope.project,
          workflow_id: id,
          version,
          graph: jsonText(graph),
          changelog: input.changelog ?? null,
          published_by: input.publishedBy,
        })
        await rows.updateWorkflow(tx, id, { latest_version: version })
        return showVersion(snapshot!)
      }
    },

    async versions(tx: Tx, id: string, limit: number, cursor: string | undefined): Promise<Page<VersionFacts>> {
      await must(tx, id)
      const found = await rows.versions(tx, id, limit + 1, readNumberCursor(cursor))
      return pageOf(found, limit, (r) => String(r.version), showVersion)
    },

    /** Which workflow names which of the instances. */
    namedBy: (tx: Tx, instanceIds: readonly string[]) => (instanceIds.length === 0 ? Promise.resolve([]) : rows.namedBy(tx, instanceIds)),

    /** Workflows and steps that name one of the instances, in the draft or in the latest version. */
    async naming(tx: Tx, instanceIds: readonly string[]) {
      if (instanceIds.length === 0) return []
      const found = await rows.naming(tx, instanceIds)
      return found.map((w) => ({
        workflow_id: w.id,
        name: w.name,
        published_version: w.version,
        steps: [...new Set([...stepsNaming(w.graph, instanceIds), ...stepsNaming(w.published, instanceIds)])],
      }))
    },
  }
}
export type Workflows = ReturnType<typeof createWorkflows>

type VersionRow = NonNullable<Awaited<ReturnType<typeof rows.version>>>
const showVersion = (v: VersionRow): VersionFacts => ({
  version: v.version,
  workflow_id: v.workflow_id,
  changelog: v.changelog,
  published_by: v.published_by,
  published_at: v.published_at.toISOString(),
  graph_snapshot: v.graph,
})

function stepsNaming(graph: unknown, instanceIds: readonly string[]): string[] {
  const steps = (graph as { steps?: { id: string; instance_id?: string }[] } | null)?.steps ?? []
  return steps.filter((s) => s.instance_id !== undefined && instanceIds.includes(s.instance_id)).map((s) => s.id)
}
