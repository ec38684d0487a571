/** Who is signed in, and where that person works. */
import { queryOptions, type QueryClient, useSuspenseQuery } from '@tanstack/react-query'
import { type Answer, call, post, Refusal, workIn } from './api.ts'

export type Me = Answer<'me.get'>
export const meQuery = queryOptions({
  queryKey: ['me'],
  queryFn: async ({ signal }): Promise<Me> => {
    const me = await call('me.get', {}, { signal })
    workIn({ workspace: me.workspace.slug, project: me.project_id })
    return me
  },
  staleTime: 60_000,
})

/** Below the shell somebody is signed in. */
export const useMe = (): Me => useSuspenseQuery(meQuery).data

export const isSignedOut = (error: unknown): boolean => error instanceof Refusal && error.status === 401

const ORDER = ['project_viewer', 'project_contributor', 'project_admin', 'workspace_admin', 'workspace_owner']
export const atLeast = (me: Me, role: string): boolean => ORDER.indexOf(me.role) >= ORDER.indexOf(role)

export async function signOut(queries: QueryClient): Promise<void> {
  await post('/v1/auth/sign-out', {})
  workIn(null)
  queries.clear()
}

/** Only back to a page of ours: `//other.example` is one that is not. */
export const safeReturn = (path: unknown): string =>
  typeof path === 'string' && /^\/(?![/\\])/.test(path) && new URL(path, location.origin).origin === location.origin ? path : '/'
