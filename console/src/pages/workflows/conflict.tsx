import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { Time } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'
import { Changes } from './changes.tsx'
import { changes, type Graph, inOrder } from './graph.ts'
import type { Studio } from './studio.ts'

/** Somebody else saved meanwhile. Nothing is lost until a person has chosen, and the other draft is shown before. */
export function Conflict({ studio }: { studio: Studio }) {
  const { conflict: theirs, draft, save, closeConflict } = studio
  if (!theirs) return null
  const failed = save.error && save.variables === theirs.updated_at ? save.error : null
  return (
    <Dialog open onClose={closeConflict} title={t('conflict.title')} about={t('conflict.about')} wide>
      <div className="flex flex-col gap-4">
        {failed ? <Problem error={failed} /> : null}
        <p className="text-ink-2">
          {t('conflict.when')} <Time at={theirs.updated_at} />
        </p>
        <Changes list={changes(inOrder(theirs.graph as Graph), draft.graph)} none={t('conflict.same')} />
        <div className="flex flex-wrap justify-end gap-2">
          <Button onClick={closeConflict}>{t('conflict.later')}</Button>
          <Button
            onClick={() => {
              draft.dispatch({ do: 'take', workflow: theirs })
              closeConflict()
            }}
          >
            {t('conflict.reload')}
          </Button>
          <Button look="primary" busy={save.isPending} onClick={() => save.mutate(theirs.updated_at)}>
            {t('conflict.keep')}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
