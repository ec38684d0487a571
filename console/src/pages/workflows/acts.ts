/** What can be done with a step as a whole. */
import { toastWithUndo } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { broughtBack, duplicated, freeId, moved, nameOf, without, withStep } from './graph.ts'
import type { Picked } from './picker.tsx'
import type { Studio } from './studio.ts'

export function actsOn(studio: Studio, onPick: (id: string | undefined) => void) {
  const { draft, readOnly } = studio
  return {
    add({ instance, tool }: Picked, after: string | undefined): string {
      const id = freeId(draft.graph, tool.name.replace(new RegExp(`^${instance.server}_`), ''))
      const step = {
        id,
        type: 'mcp_call',
        instance_id: instance.id,
        tool_name: tool.name,
        tool_args: {},
        ...(after === undefined ? {} : { depends_on: [after] }),
      }
      draft.edit((now) => withStep(now, step, after))
      onPick(id)
      return id
    },
    move(id: string, by: -1 | 1): void {
      if (!readOnly) draft.edit((now) => moved(now, id, by))
    },
    duplicate(id: string): string | null {
      const made = readOnly ? null : duplicated(draft.graph, id)
      if (!made) return null
      draft.edit(() => made.graph)
      onPick(made.id)
      return made.id
    },
    remove(id: string): void {
      if (readOnly) return
      const at = draft.graph.steps.findIndex((it) => it.id === id)
      const step = draft.graph.steps[at]
      if (!step) return
      const before = draft.graph
      const after = without(before, id)
      draft.edit(() => after)
      onPick((after.steps[at] ?? after.steps[at - 1])?.id)
      toastWithUndo(t('outline.deleted', { name: nameOf(step) }), () => {
        draft.edit((now) => broughtBack(now, before, id))
        onPick(id)
      })
    },
  }
}
export type Acts = ReturnType<typeof actsOn>
