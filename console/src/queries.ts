/** What the pages read, by one key each, so that a change anywhere refreshes it everywhere. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query'
import { type Answer, call, type Input } from './api.ts'

const none = null as string | null
/** Rows of one page of a list, and of one that is scrolled through. */
const PAGE = 50
const LONG_PAGE = 200

/** As much as a window shows. */
const FIRST_PAGE = 25

export const connectionsQuery = (filter: Pick<Input<'connections.list'>, 'q' | 'status' | 'provider' | 'environment'>) =>
  infiniteQueryOptions({
    // Not a list that waits to be asked for what is new: a status that changes is seen at once, and no row moves for it.
    queryKey: ['connections', 'all', filter],
    initialPageParam: none,
    queryFn: ({ pageParam, signal }) =>
      // What is seen first comes soon, the rest in few turns.
      call(
        'connections.list',
        { ...filter, limit: pageParam ? LONG_PAGE : FIRST_PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
        { signal },
      ),
    getNextPageParam: (page) => page.next_cursor,
  })
/** The first of those that need a person: whoever has more looks at the list. */
export const deadQuery = queryOptions({
  queryKey: ['connections', 'dead'],
  queryFn: ({ signal }) => call('connections.list', { status: 'reconnect', limit: 20 }, { signal }),
})
/** The latest of those with a new credential that waits for somebody. */
export const rotatingQuery = queryOptions({
  queryKey: ['connections', 'rotating'],
  queryFn: ({ signal }) => call('connections.list', { rotating: 'true', limit: 20 }, { signal }),
})
export const connectionQuery = (id: string) =>
  queryOptions({ queryKey: ['connections', id, 'one'], queryFn: ({ signal }) => call('connections.get', { id }, { signal }) })
export const usageQuery = (id: string) =>
  queryOptions({ queryKey: ['connections', id, 'usage'], queryFn: ({ signal }) => call('connections.usage', { id }, { signal }) })
export const whatIfQuery = (id: string, suppose: 'revoked' | 'deleted') =>
  queryOptions({
    queryKey: ['connections', id, 'usage', suppose],
    queryFn: ({ signal }) => call('connections.usage', { id, if: suppose }, { signal }),
  })
export const rotationQuery = (id: string) =>
  queryOptions({ queryKey: ['connections', id, 'rotation'], queryFn: ({ signal }) => call('rotations.get', { id }, { signal }) })
export const factsQuery = (id: string) =>
  queryOptions({ queryKey: ['connections', id, 'facts'], queryFn: ({ signal }) => call('connections.credentials', { id }, { signal }) })
export const activityQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['connections', id, 'events'],
    initialPageParam: none,
    queryFn: ({ pageParam, signal }) =>
      call('connections.events', { id, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) }, { signal }),
    getNextPageParam: (page) => page.next_cursor,
  })
export const templatesQuery = queryOptions({
  queryKey: ['templates'],
  queryFn: ({ signal }) => call('connections.templates', {}, { signal }),
  staleTime: Number.POSITIVE_INFINITY,
})
export const googleConfigQuery = queryOptions({
  queryKey: ['google-config'],
  queryFn: ({ signal }) => call('google.config', {}, { signal }),
  staleTime: 60_000,
})
export const oauthAppsQuery = queryOptions({ queryKey: ['oauth-apps'], queryFn: ({ signal }) => call('oauth_apps.list', {}, { signal }) })
export const instancesQuery = queryOptions({
  queryKey: ['instances'],
  queryFn: ({ signal }) => call('instances.list', { limit: 200 }, { signal }),
})
export const instanceQuery = (id: string) =>
  queryOptions({ queryKey: ['instances', id], queryFn: ({ signal }) => call('instances.get', { id }, { signal }) })
export const instanceUsageQuery = (id: string) =>
  queryOptions({ queryKey: ['instances', id, 'usage'], queryFn: ({ signal }) => call('instances.usage', { id }, { signal }) })
export const instanceToolsQuery = (id: string, profile_id: string) =>
  queryOptions({
    queryKey: ['instances', id, 'tools', profile_id],
    queryFn: ({ signal }) => call('tools.list', { id, profile_id }, { signal }),
  })
export const toolsQuery = (id: string) =>
  queryOptions({ queryKey: ['instances', id, 'tools'], queryFn: ({ signal }) => call('tools.list', { id }, { signal }) })
export const catalogQuery = queryOptions({
  queryKey: ['catalog'],
  queryFn: ({ signal }) => call('mcp.catalog', {}, { signal }),
  staleTime: Number.POSITIVE_INFINITY,
})
export const workflowsQuery = queryOptions({
  queryKey: ['workflows'],
  queryFn: ({ signal }) => call('workflows.list', { limit: 200 }, { signal }),
})
export const workflowListQuery = (filter: Pick<Input<'workflows.list'>, 'q' | 'archived'>) =>
  infiniteQueryOptions({
    queryKey: ['workflows', filter],
    initialPageParam: none,
    queryFn: ({ pageParam, signal }) =>
      call(
        'workflows.list',
        { ...filter, problems_in: 'production', limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) },
        { signal },
      ),
    getNextPageParam: (page) => page.next_cursor,
  })
export const workflowQuery = (id: string) =>
  queryOptions({ queryKey: ['workflows', id, 'one'], queryFn: ({ signal }) => call('workflows.get', { id }, { signal }) })
export const versionListQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['workflows', id, 'versions'],
    initialPageParam: none,
    queryFn: ({ pageParam, signal }) => call('versions.list', { id, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) }, { signal }),
    getNextPageParam: (page) => page.next_cursor,
  })
/** The version that runs execute, or null where none is published. */
export const liveVersionQuery = (id: string) =>
  queryOptions({
    queryKey: ['workflows', id, 'live'],
    queryFn: async ({ signal }) => (await call('versions.list', { id, limit: 1 }, { signal })).items[0] ?? null,
  })
/** Of one workflow the last run, which tells what its steps gave and what it was started with. */
export const lastRunQuery = (id: string) =>
  queryOptions({
    queryKey: ['runs', 'last', id],
    queryFn: async ({ signal }) => {
      const [run] = (await call('runs.list_of_workflow', { id, limit: 1 }, { signal })).items
      return run ? await call('runs.context', { id, run_id: run.run_id }, { signal }) : null
    },
  })
export const runsQuery = (filter: Pick<Input<'runs.list'>, 'status'>) =>
  infiniteQueryOptions({
    queryKey: ['runs', 'list', filter],
    initialPageParam: none,
    queryFn: ({ pageParam, signal }) =>
      call('runs.list', { ...filter, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) }, { signal }),
    getNextPageParam: (page) => page.next_cursor,
  })

/** A run that has ended changes no more. */
export const ENDED = new Set(['completed', 'failed', 'stopped'])
/** Without the stream, and for clocks that tick: whoever watches a run wants to see it move. */
const LOOK_MS = 2_000
export const runQuery = (id: string, run_id: string) =>
  queryOptions({
    queryKey: ['runs', run_id, 'summary'],
    queryFn: ({ signal }) => call('runs.summary', { id, run_id }, { signal }),
    refetchInterval: (query) => (query.state.data && ENDED.has(query.state.data.status) ? false : LOOK_MS),
  })
/** All events of a run. What is known already is not asked for again: events are never changed. */
export const runEventsQuery = (id: string, run_id: string) =>
  queryOptions({
    queryKey: ['runs', run_id, 'events'],
    queryFn: async ({ client, queryKey, signal }): Promise<Answer<'runs.events'>['items']> => {
      const known = [...(client.getQueryData<Answer<'runs.events'>['items']>(queryKey) ?? [])]
      for (;;) {
        const { items, next_cursor } = await call('runs.events', { id, run_id, limit: 200, after: known.at(-1)?.seq ?? 0 }, { signal })
        known.push(...items)
        if (next_cursor === null) return known
      }
    },
    structuralSharing: false,
  })
export const runContextQuery = (id: string, run_id: string) =>
  queryOptions({ queryKey: ['runs', run_id, 'context'], queryFn: ({ signal }) => call('runs.context', { id, run_id }, { signal }) })
/** The use of a token is written down a little later than it happens, and by no event. */
const TOKEN_LOOK_MS = 5_000
export const homeQuery = queryOptions({
  queryKey: ['home'],
  queryFn: ({ signal }) => call('home.get', {}, { signal }),
  refetchInterval: (query) => (query.state.data?.token_used ? false : TOKEN_LOOK_MS),
})
export const webhooksQuery = queryOptions({
  queryKey: ['webhooks', 'all'],
  queryFn: ({ signal }) => call('webhooks.list', { limit: 200 }, { signal }),
})
export const deliveriesQuery = (id: string) =>
  queryOptions({
    queryKey: ['webhooks', id, 'deliveries'],
    queryFn: ({ signal }) => call('webhooks.deliveries', { id, limit: 50 }, { signal }),
  })
