import { type InfiniteData, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { type Answer, call, type Input } from '../../api.ts'
import { onChange } from '../../live.ts'
import { runsQuery } from '../../queries.ts'

type Page = Answer<'runs.list'>

/**
 * Keeps the rows of the list true without moving them: what has changed is put in its place, and what is new is only counted.
 * The number is shown to the person, who asks for it.
 */
export function useFresh(filter: Pick<Input<'runs.list'>, 'status'>): { count: number; show: () => void } {
  const queries = useQueryClient()
  const [count, setCount] = useState(0)
  const { queryKey } = runsQuery(filter)
  const status = filter.status ?? ''
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key is made of the status
  useEffect(() => {
    setCount(0)
    return onChange((topic) => {
      if (topic !== 'runs') return
      void call('runs.list', { ...filter, limit: 50 }).then(
        ({ items }) => {
          const shown = queries.getQueryData<InfiniteData<Page>>(queryKey)
          if (!shown) return
          const now = new Map(items.map((run) => [run.run_id, run]))
          const known = new Set(shown.pages.flatMap((page) => page.items.map((run) => run.run_id)))
          setCount(items.filter((run) => !known.has(run.run_id)).length)
          queries.setQueryData<InfiniteData<Page>>(queryKey, {
            ...shown,
            pages: shown.pages.map((page) => ({ ...page, items: page.items.map((run) => now.get(run.run_id) ?? run) })),
          })
        },
        () => undefined,
      )
    })
  }, [queries, status])
  return {
    count,
    show: () => {
      setCount(0)
      void queries.resetQueries({ queryKey })
    },
  }
}
