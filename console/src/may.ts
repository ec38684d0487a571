/** Who may not is told so beside the control, which stays in its place. */
import { atLeast, useMe } from './session.ts'
import { t } from './words/index.ts'

const WORDS = { project_contributor: 'may.contributor', workspace_admin: 'may.admin' } as const

/** null: may. Otherwise why not. */
export function useDenied(role: keyof typeof WORDS): string | null {
  return atLeast(useMe(), role) ? null : t(WORDS[role])
}
