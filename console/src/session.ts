/** Who is signed in, and where that person works. */
import { queryOptions, type QueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { useSyncExternalStore } from 'react'
import { type Answer, call, post, Refusal, workIn } from './api.ts'

export type Me = Answer<'me.get'>

/** Where the person worked last, in this browser. */
const PLACE = 'place'
function lastPlace(): { workspace: string; project: string } | null {
  try {
    const it = JSON.parse(localStorage.getItem(PLACE) ?? 'null') as { workspace?: unknown; project?: unknown } | null
    return typeof it?.workspace === 'string' && typeof it.project === 'string' ? { workspace: it.workspace, project: it.project } : null
  } catch {
    return null
  }
}
export function goTo(place: { workspace: string; project: string }, queries: QueryClient): void {
  localStorage.setItem(PLACE, JSON.stringify(place))
  workIn(place)
  queries.clear()
}

export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }): Promise<Me> => {
    const place = lastPlace()
    if (place) workIn(place)
    const me = await call('me.get', {}, { signal }).catch((error: unknown) => {
      // The place may be gone, or this may be somebody else.
      if (place === null || !(error instanceof Refusal) || error.status === 401) throw error
      localStorage.removeItem(PLACE)
      workIn(null)
      return call('me.get', {}, { signal })
    })
    workIn({ workspace: me.workspace.slug, project: me.project_id })
    return me
  },
  staleTime: 60_000,
})

/** Below the shell somebody is signed in. */
export const useMe = (): Me => useSuspenseQuery(meQuery).data

export const isSignedOut = (error: unknown): boolean => error instanceof Refusal && error.status === 401

let signedOut = false
const watchers = new Set<() => void>()
/** Set by whoever is refused for want of a session, below the shell; and back once somebody has signed in again. */
export function setSignedOut(is: boolean): void {
  signedOut = is
  for (const tell of watchers) tell()
}
export const useSignedOut = (): boolean =>
  useSyncExternalStore(
    (tell) => {
      watchers.add(tell)
      return () => watchers.delete(tell)
    },
    () => signedOut,
  )

const ORDER = ['project_viewer', 'project_contributor', 'project_admin', 'workspace_admin', 'workspace_owner']
export const atLeast = (me: Me, role: string): boolean => ORDER.indexOf(me.role) >= ORDER.indexOf(role)

export async function signOut(queries: QueryClient): Promise<void> {
  await post('/v1/auth/sign-out', {})
  workIn(null)
  localStorage.removeItem(PLACE)
  queries.clear()
}

/** Only back to a page of ours: `//other.example` is one that is not. */
export const safeReturn = (path: unknown): string =>
  typeof path === 'string' && /^\/(?![/\\])/.test(path) && new URL(path, location.origin).origin === location.origin ? path : '/'
