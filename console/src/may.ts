/** Who may not is told so beside the control, which stays in its place. */
import { useSuspenseQuery } from '@tanstack/react-query'
import { atLeast, meQuery } from './session.ts'
import { type Key, t } from './words/index.ts'

/** null: may. Otherwise why not. */
export function useDenied(role: 'project_contributor' | 'project_admin' | 'workspace_admin'): string | null {
  const { data: me } = useSuspenseQuery(meQuery)
  return atLeast(me, role) ? null : t('denied', { role: t(`role.${role}` as Key) })
}
