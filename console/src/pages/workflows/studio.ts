/** All that the editor's parts share: the draft, what its names stand for, and what is wrong with it. */
import { keepPreviousData, useMutation, useQueries, useQuery, useQueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { type Answer, call, Refusal } from '../../api.ts'
import { instancesQuery, lastRunQuery, toolsQuery, workflowQuery } from '../../queries.ts'
import { atLeast, meQuery } from '../../session.ts'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { useDraft, useSettled, type Workflow } from './draft.ts'
import { type Graph, instanceIdOf, type Step, toolNameOf } from './graph.ts'
import { type Fix, type Issue, issueOfRefusal, issuesOfServer, issuesWhileTyping, mended } from './issues.ts'
import { type Names, namesFor, type Tool } from './scope.ts'

/** The server judges a draft that was not changed for so long. */
const JUDGE_MS = 600
/** A verdict on a draft that is no more is of no use to anybody. */
const KEEP_MS = 10_000

type Verdict = Answer<'workflows.validate'>

export function useStudio(workflow: Workflow) {
  const { id } = workflow
  const queries = useQueryClient()
  const { data: me } = useSuspenseQuery(meQuery)
  const draft = useDraft(workflow)
  const { graph } = draft
  const instances = useQuery(instancesQuery)
  const past = useQuery(lastRunQuery(id))
  const used = useMemo(() => [...new Set(graph.steps.flatMap((s) => instanceIdOf(s) ?? []))].sort(), [graph])
  const known = useMemo(() => new Set(instances.data?.items.map((i) => i.id)), [instances.data])
  const tools = useQueries({
    queries: used.filter((it) => known.has(it)).map((it) => toolsQuery(it)),
    combine: (all) => ({
      byInstance: new Map(used.filter((it) => known.has(it)).map((it, i) => [it, all[i]?.data?.items])),
      pending: all.some((one) => one.isPending),
    }),
  })

  const settled = useSettled(draft.canonical, JUDGE_MS)
  const verdict = useQuery({
    queryKey: ['workflows', id, 'verdict', settled],
    queryFn: ({ signal }) => call('workflows.validate', { id, graph: JSON.parse(settled) as Graph }, { signal }),
    placeholderData: keepPreviousData,
    gcTime: KEEP_MS,
  })

  const { byInstance } = tools
  const toolsOf = useMemo(
    () =>
      (step: Step): readonly Tool[] =>
        byInstance.get(instanceIdOf(step) ?? '') ?? [],
    [byInstance],
  )
  const toolOf = useMemo(() => (step: Step) => toolsOf(step).find((it) => it.name === toolNameOf(step)), [toolsOf])
  const seen = past.data ?? undefined
  const issues = useMemo(() => {
    const told = verdict.error instanceof Refusal ? issuesOfAnswer(verdict.error, graph) : issuesOfServer(verdict.data, graph)
    const order = (issue: Issue) => graph.steps.findIndex((step) => step.id === issue.stepId)
    return [...issuesWhileTyping(graph, toolOf, seen), ...told].sort((a, b) => order(a) - order(b))
  }, [graph, toolOf, seen, verdict.data, verdict.error])
  const namesOf = useMemo(
    () =>
      (step: Step): Names =>
        namesFor(graph, step, toolOf, seen),
    [graph, toolOf, seen],
  )

  const [conflict, setConflict] = useState<Workflow | null>(null)
  const save = useMutation({
    mutationFn: async (over?: string) => {
      const saved = draft.graph
      const answer = await call('workflows.update', { id, graph: saved, if_updated_at: over ?? draft.base.updatedAt })
      return { saved, answer }
    },
    onSuccess: async ({ saved, answer }) => {
      draft.dispatch({ do: 'saved', graph: saved, updatedAt: answer.updated_at })
      queries.setQueryData(workflowQuery(id).queryKey, answer)
      setConflict(null)
      toast(t('editor.saved'))
      await queries.invalidateQueries({ queryKey: ['workflows'], predicate: (q) => q.queryKey[1] !== id })
    },
    onError: async (error) => {
      if (error instanceof Refusal && error.code === 'DRAFT_CHANGED') await compare()
    },
  })
  const compare = async () => setConflict(await queries.fetchQuery({ ...workflowQuery(id), staleTime: 0 }))

  return {
    workflow,
    draft,
    instances,
    toolsOf,
    toolOf,
    toolsPending: tools.pending || instances.isPending,
    past: past.data,
    verdict,
    // Of this draft nothing has been said yet.
    judging: settled !== draft.canonical || verdict.isPending || verdict.isPlaceholderData,
    issues,
    errors: issues.filter((issue) => issue.severity === 'error').length + (draft.broken ? 1 : 0),
    namesOf,
    save,
    conflict,
    compare,
    /** Somebody else's draft lies there, and ours is in the way of taking it. */
    overtaken: draft.newer && draft.dirty && !save.isPending && conflict === null,
    closeConflict: () => setConflict(null),
    may: atLeast(me, 'project_contributor'),
    readOnly: !atLeast(me, 'project_contributor') || workflow.archived,
    fix: (issue: Issue) => {
      if (issue.fix && issue.stepId !== null) draft.edit((now) => mended(now, issue.stepId ?? '', issue.path, issue.fix as Fix))
    },
    require: (stepId: string, before: string) => draft.edit((now) => mended(now, stepId, 'depends_on', { dependsOn: before })),
  }
}
export type Studio = ReturnType<typeof useStudio>

/** What keeps a draft from being judged at all: a key in it, or a shape that is none. */
function issuesOfAnswer(refusal: Refusal, graph: Graph): Issue[] {
  const { details } = refusal
  if (Array.isArray(details.issues)) return issuesOfServer({ issues: details.issues as Verdict['issues'] }, graph)
  return typeof details.path === 'string'
    ? [issueOfRefusal(refusal.code, `${refusal.message}. ${refusal.hint ?? ''}`, details.path, graph)]
    : []
}
