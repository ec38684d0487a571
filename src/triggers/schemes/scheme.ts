/** What a way of signing says of itself, as data. `read.ts` is the only one that acts on it; no scheme ever sees a secret. */
import type { SigningKey } from '../../vault/index.ts'

export type Part = 'id' | 'timestamp' | 'body'

export interface Scheme {
  name: string
  /** For people. */
  title: string
  secret: {
    /** Who makes it: we do, the sender does, or whoever wants to. */
    from: 'us' | 'sender' | 'either'
    key: SigningKey
    /** What a sender's looks like, and how that is said. */
    pattern: RegExp
    says: string
  }
  signature: {
    header: string
    /** What stands between several in one header. Null: there is one. */
    between: string | null
    /** What stands before each; those without it are not ours to judge. */
    prefix: string
    encoding: 'hex' | 'base64'
  }
  /** Null: the sender signs no time. */
  timestamp: {
    /** A header of its own, or what stands before it inside the signature's header. */
    at: { header: string } | { prefix: string }
    /** Without it the rest is signed alone. */
    optional: boolean
    toleranceS: number
  } | null
  /** In this order, with dots between them. */
  signed: readonly Part[]
  /** What a sender repeats when it sends the same thing again. Null: nothing, so what was signed stands for itself. */
  delivery: { header: string } | { field: string } | null
  /** Headers that say what happened, where the body does not. They are not signed. */
  context: Readonly<Record<string, string>>
  /** How the sender asks whether the URL is really ours. */
  handshake: 'hub.challenge' | null
}

/** What vendors have agreed on without having agreed: five minutes either way. */
export const FIVE_MINUTES_S = 300
