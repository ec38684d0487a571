/**
 * On whose behalf something happens: for telling about it where nobody hands that down, such as at the egress guard. Nothing is
 * ever decided by it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Scope } from './db.ts'

export interface Behalf {
  readonly scope: Scope
  readonly actor: string
  readonly requestId?: string | undefined
  readonly instanceId?: string | undefined
  readonly tool?: string | undefined
  readonly runId?: string | undefined
  readonly stepId?: string | undefined
}

const store = new AsyncLocalStorage<Behalf | undefined>()

/** Everything that begins inside of `work` is on this behalf, until something in it says otherwise. Undefined: the runtime's own. */
export const onBehalf = <T>(of: Behalf | undefined, work: () => T): T => store.run(of, work)
export const behalf = (): Behalf | undefined => store.getStore()
