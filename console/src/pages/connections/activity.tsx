import { useInfiniteQuery } from '@tanstack/react-query'
import { activityQuery } from '../../queries.ts'
import { Button } from '../../ui/button.tsx'
import { Time } from '../../ui/parts.tsx'
import { Region } from '../../ui/region.tsx'
import { isKey, type Key, t } from '../../words/index.ts'

/** An event that a later server knows and this page does not is shown by its own name. */
const eventText = (type: string): string => (isKey(`event.${type}`) ? t(`event.${type}` as Key) : type.replaceAll('_', ' '))
/** Facts about it; never a value. */
const factsOf = (data: Record<string, unknown>): string =>
  Object.entries(data)
    .filter(([, value]) => value !== null && value !== '' && !(Array.isArray(value) && value.length === 0))
    .map(([name, value]) => `${name.replaceAll('_', ' ')}: ${Array.isArray(value) ? value.join(', ') : String(value)}`)
    .join(' · ')

export function Activity({ id }: { id: string }) {
  const list = useInfiniteQuery(activityQuery(id))
  return (
    <Region query={list} rows={4}>
      {({ pages }) => (
        <>
          <ol className="flex flex-col gap-2.5">
            {pages
              .flatMap((p) => p.items)
              .map((e) => (
                <li key={e.id} className="flex justify-between gap-4">
                  <span className="min-w-0">
                    <span className="block">{eventText(e.event_type)}</span>
                    <span className="block text-xs break-words text-ink-3">{factsOf(e.data)}</span>
                  </span>
                  <span className="shrink-0 text-ink-3">
                    <Time at={e.at} />
                  </span>
                </li>
              ))}
          </ol>
          {list.hasNextPage ? (
            <Button size="sm" className="mt-3" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              {t('action.more')}
            </Button>
          ) : null}
        </>
      )}
    </Region>
  )
}
