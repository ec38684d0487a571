/** What hangs on what: dependencies that exist, no circle, and who comes before whom. */
import type { Issue, Step } from './graph.ts'
import { didYouMean, jsonPath } from './path.ts'

/** `null` stands for a step that could not be read; its id is then unknown here, so pass `known` for all ids of the draft. */
export function structureIssues(steps: readonly (Step | null)[], known?: ReadonlySet<string>): Issue[] {
  const ids = known ?? new Set(steps.flatMap((step) => (step ? [step.id] : [])))
  const issues: Issue[] = []
  for (const [i, step] of steps.entries()) {
    for (const [n, dependency] of (step?.depends_on ?? []).entries()) {
      const path = jsonPath(['steps', i, 'depends_on', n])
      const issue = { step_id: step!.id, path, severity: 'error' as const }
      if (dependency === step!.id) issues.push({ ...issue, code: 'self_dependency', message: `\`${dependency}\` depends on itself.` })
      else if (!ids.has(dependency)) {
        const message = `There is no step \`${dependency}\`.${didYouMean(dependency, ids)}`
        issues.push({ ...issue, code: 'unknown_dependency', message })
      }
    }
  }
  const circle = findCycle(steps.filter((step) => step !== null))
  if (circle) {
    const index = steps.findIndex((step) => step?.id === circle[0])
    const message = `These steps wait for each other: ${[...circle, circle[0]].join(' → ')}.`
    issues.push({ step_id: circle[0]!, code: 'cycle', path: jsonPath(['steps', index, 'depends_on']), message, severity: 'error' })
  }
  return issues
}

/** The ids of one circle of two or more steps, each depending on the next, or null. */
function findCycle(steps: readonly Step[]): string[] | null {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const done = new Set<string>()
  for (const start of steps) {
    // An explicit stack: a chain may be as long as the graph.
    const trail: { id: string; next: number }[] = done.has(start.id) ? [] : [{ id: start.id, next: 0 }]
    const onTrail = new Set(trail.map((t) => t.id))
    while (trail.length > 0) {
      const top = trail.at(-1)!
      const dependency = byId.get(top.id)?.depends_on[top.next++]
      if (dependency === undefined) {
        done.add(top.id)
        onTrail.delete(top.id)
        trail.pop()
      } else if (onTrail.has(dependency)) {
        const circle = trail.slice(trail.findIndex((t) => t.id === dependency)).map((t) => t.id)
        if (circle.length > 1) return circle
      } else if (!done.has(dependency)) {
        trail.push({ id: dependency, next: 0 })
        onTrail.add(dependency)
      }
    }
  }
  return null
}

/** For each step all steps that are certain to be settled before it starts. Safe on circles and unknown names. */
export function upstream(steps: readonly Step[]): Map<string, ReadonlySet<string>> {
  const byId = new Map(steps.map((step) => [step.id, step]))
  return new Map(
    steps.map((step) => {
      const before = new Set<string>()
      const open = [...step.depends_on]
      for (let id = open.pop(); id !== undefined; id = open.pop()) {
        if (before.has(id)) continue
        before.add(id)
        open.push(...(byId.get(id)?.depends_on ?? []))
      }
      return [step.id, before]
    }),
  )
}
