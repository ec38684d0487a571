import { useInfiniteQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { versionListQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Sheet } from '../../ui/overlay.tsx'
import { Json, Time } from '../../ui/parts.tsx'
import { Pill } from '../../ui/pill.tsx'
import { Empty, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { CircleCheck } from 'lucide-react'
import { t } from '../../words/index.ts'
import { Changes } from './changes.tsx'
import { changes, type Graph, inOrder } from './graph.ts'
import type { Studio } from './studio.ts'

export function Versions({ studio, onClose }: { studio: Studio; onClose: () => void }) {
  const { workflow, draft } = studio
  const versions = useInfiniteQuery(versionListQuery(workflow.id))
  const items = versions.data?.pages.flatMap((page) => page.items) ?? []
  const [shown, setShown] = useState<number | null>(null)
  return (
    <Sheet open onClose={onClose} title={t('versions.title')} about={t('versions.about')}>
      <Region query={versions} rows={3}>
        {() =>
          items.length === 0 ? (
            <Empty title={t('versions.empty')} text={t('versions.empty.text')} />
          ) : (
            <ol className="flex flex-col">
              {items.map((it) => {
                const graph = it.graph_snapshot as Graph
                return (
                  <li key={it.version} className="flex flex-col gap-2 border-b border-line py-3 first:pt-0 last:border-0">
                    <div className="flex flex-wrap items-center gap-2">
                      <h3 className="text-base font-semibold">{t('workflows.version', { n: it.version })}</h3>
                      {it.version === workflow.latest_version ? (
                        <Pill tone="ok" icon={CircleCheck}>
                          {t('versions.live')}
                        </Pill>
                      ) : null}
                      <span className="ms-auto text-xs text-ink-3">
                        <Time at={it.published_at} />
                      </span>
                    </div>
                    {it.changelog ? <p className="break-words text-ink-2">{it.changelog}</p> : null}
                    <div className="flex flex-wrap gap-2">
                      <Button
                        size="sm"
                        aria-expanded={shown === it.version}
                        onClick={() => setShown(shown === it.version ? null : it.version)}
                      >
                        {t(shown === it.version ? 'versions.hide' : 'versions.view')}
                      </Button>
                      <Button
                        size="sm"
                        disabled={studio.readOnly}
                        onClick={() => {
                          draft.dispatch({ do: 'mendText' })
                          draft.edit(() => inOrder(graph))
                          onClose()
                          toast(t('versions.restored', { n: it.version }), t('versions.restored.hint'))
                        }}
                      >
                        {t('versions.restore')}
                      </Button>
                    </div>
                    {shown === it.version ? (
                      <div className="flex flex-col gap-2">
                        <p className="text-xs text-ink-3">{t('versions.diff')}</p>
                        <Changes list={changes(graph, draft.graph)} none={t('versions.same')} />
                        <Json value={inOrder(graph)} />
                      </div>
                    ) : null}
                  </li>
                )
              })}
            </ol>
          )
        }
      </Region>
      {versions.hasNextPage ? (
        <div className="pt-3 text-center">
          <Button onClick={() => void versions.fetchNextPage()} busy={versions.isFetchingNextPage}>
            {t('action.more')}
          </Button>
        </div>
      ) : null}
    </Sheet>
  )
}
