/** What is known of one use of a stored secret: who, for what, where to, which version. Never a value. */

/** In whose name a secret is opened. */
export interface User {
  actor: string
  runId?: string | undefined
  stepId?: string | undefined
  attempt?: number | undefined
  instanceId?: string | undefined
  tool?: string | undefined
  /** To see whether it works, and for nothing else. */
  check?: boolean | undefined
}

/** The runtime itself, for what nobody in particular has asked for. */
export const RUNTIME: User = { actor: 'system' }

/**
 * `request` and `session`: with a service and with a database. `check`: either, to see whether it works. `renewal`, `exchange` and
 * `revocation`: with an authorization server. `signature`: an inbound webhook was verified, or an event of ours signed. `answer` and `carry` do
 * not leave the building: an answer that was kept is read, and unchanged fields go over into a new version.
 */
export const PURPOSES = ['request', 'session', 'check', 'renewal', 'exchange', 'revocation', 'signature', 'answer', 'carry'] as const
export type Purpose = (typeof PURPOSES)[number]

export interface SecretUse {
  workspace: string
  /** null: of the whole workspace. */
  project: string | null
  /** A connection, an OAuth app, a subscription; `deployment:` and a name for what the configuration brings. */
  owner: string
  version: number
  purpose: Purpose
  /** With its port, where that is not the usual one. null: nowhere. */
  host: string | null
  user: User
}

/** Whoever keeps the books. */
export interface Uses {
  /** The use is on record when this returns. Throws a Fault where it cannot be, and then nothing may be used. */
  note(use: SecretUse): void
  /** Costs what `note` costs and records nothing: what is not there must not answer faster than what is. */
  blank(): void
}
