/** What a connector's folder brings so that it can be tried: `proof.stub.ts` beside its index.ts, which is no part of what is built. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Recorded, Reply, Stub } from './fakes/stub.ts'

/** In the order of trust. `reading`: our own server for a protocol, which proves the use of the driver and not a server's behaviour. */
export type Against = 'real server' | 'kin server' | 'emulator' | "vendor's description" | 'stub from documentation' | 'reading'

export interface Proof {
  against: readonly { what: string; by: Against }[]
  /** One for each way to enter a credential. Empty for connectors that speak no HTTP. */
  contracts: readonly Contract[]
}
/** By slug: a folder may hold several connectors. */
export type Proofs = Readonly<Record<string, Proof>>

export interface Contract {
  service: string
  start: () => Promise<Stub>
  /** What is entered, secret and not. */
  credentials: Record<string, string>
  secret: string
  /** A credential of the right form that the vendor does not take. */
  dead: Record<string, string>
  config: (url: string) => Record<string, unknown>
  /** The place of the credential in a request, as it was sent. */
  place: (req: Recorded) => string | null | undefined
  reads: { tool: string; input: unknown }
  writes: { tool: string; input: unknown }
  /** Statuses other than 401 are results of this connector, not failures. */
  answersAll?: boolean
  /** The body that the vendor's errors have, for the statuses that every vendor has. */
  errorBody?: (status: number) => unknown
  /** Statuses that mean something else here than to most: 403 for a dead key, say. */
  statuses?: Readonly<Record<number, string>>
  /** The vendor's own refusals, word for word, and what each must become. */
  refusals?: readonly { name: string; reply: Reply; code: string; retryAfter?: number }[]
  /** Lists, each with an input for its first page, and how the next page is asked for. At least three pages lie at the stub. */
  pages?: readonly {
    tool: string
    input: Record<string, unknown>
    next: (answer: Record<string, unknown>) => Record<string, unknown> | null
  }[]
  /** Writes for which the vendor takes an idempotency key: where it is in the request. */
  keyed?: readonly { tool: string; input: unknown; key: (req: Recorded) => string | null | undefined }[]
}

const SHELF = join(import.meta.dirname, '..', 'src', 'connectors')

/** The proofs of every folder of the shelf, by slug. */
export async function loadProofs(): Promise<Map<string, Proof>> {
  const found = new Map<string, Proof>()
  for (const folder of readdirSync(SHELF, { withFileTypes: true }).filter((it) => it.isDirectory())) {
    if (!readdirSync(join(SHELF, folder.name)).includes('proof.stub.ts')) continue
    const { default: proofs } = (await import(join(SHELF, folder.name, 'proof.stub.ts'))) as { default: Proofs }
    for (const [slug, proof] of Object.entries(proofs)) found.set(slug, proof)
  }
  return found
}

/** A connector whose account is signed in to. Its stub has a token that is `valid`, and one that was `revoked`. */
export const signedIn = (
  start: () => Promise<Stub>,
  { valid, revoked }: { valid: string; revoked: string },
  more: Pick<Contract, 'reads' | 'writes' | 'service'> & Partial<Contract>,
): Contract => ({
  start,
  credentials: { access_token: valid },
  secret: valid,
  dead: { access_token: revoked },
  config: (api_base) => ({ api_base }),
  place: (req) => req.headers.authorization,
  ...more,
})
