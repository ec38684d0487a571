/** What a request claims, read off its headers as its scheme says. Nothing is believed here and nothing is parsed. */
import type { ClaimedSignature } from '../../vault/index.ts'
import { agentruntime } from './agentruntime.ts'
import { github } from './github.ts'
import { meta } from './meta.ts'
import type { Part, Scheme } from './scheme.ts'
import { shopify } from './shopify.ts'
import { standardWebhooks } from './standard-webhooks.ts'
import { stripe } from './stripe.ts'

export const SCHEMES: readonly Scheme[] = [agentruntime, standardWebhooks, github, shopify, meta, stripe]
export const DEFAULT_SCHEME = agentruntime
export const schemeOf = (name: string | undefined): Scheme => SCHEMES.find((s) => s.name === name) ?? DEFAULT_SCHEME

export type HeaderOf = (name: string) => string | null

export interface Claim extends ClaimedSignature {
  /** Whether a signature was sent at all. */
  signed: boolean
  /** Seconds, as they were signed. Null: no time was. */
  at: number | null
}

/** While a secret is changed there are two. More are somebody trying. */
const MAX_CANDIDATES = 8
const SHAPE = { hex: /^[0-9a-f]{64}$/i, base64: /^[A-Za-z0-9+/]{43}=$/ }
/** Seconds since 1970 without sign, fraction or exponent: what is signed is this very text. */
const SECONDS = /^\d{1,12}$/

export function readClaim(scheme: Scheme, header: HeaderOf, body: Uint8Array): Claim {
  const sent = header(scheme.signature.header)
  const items = sent === null ? [] : scheme.signature.between === null ? [sent] : sent.split(scheme.signature.between)
  const claim: Claim = { key: scheme.secret.key, parts: [body], candidates: [], signed: sent !== null && sent !== '', at: null }

  const values: Partial<Record<Part, string | Uint8Array>> = { body }
  if (scheme.timestamp) {
    const { at, optional } = scheme.timestamp
    // Two times in one header would leave open which of them was meant.
    const times =
      'header' in at ? [header(at.header)] : items.filter((it) => it.startsWith(at.prefix)).map((it) => it.slice(at.prefix.length))
    const [time = null] = times
    if (time === null ? !optional : times.length > 1 || !SECONDS.test(time)) return claim
    if (time !== null) {
      values.timestamp = time
      claim.at = Number(time)
    }
  }
  if (scheme.signed.includes('id')) {
    const id = scheme.delivery && 'header' in scheme.delivery ? header(scheme.delivery.header) : null
    if (!id) return claim
    values.id = id
  }
  const present = scheme.signed.flatMap((part) => values[part] ?? [])
  const { prefix, encoding } = scheme.signature
  return {
    ...claim,
    parts: present.flatMap((part, i) => (i === 0 ? [part] : ['.', part])),
    candidates: items
      .filter((it) => it.startsWith(prefix) && SHAPE[encoding].test(it.slice(prefix.length)))
      .slice(0, MAX_CANDIDATES)
      .map((it) => Buffer.from(it.slice(prefix.length), encoding)),
  }
}

/** What the sender calls this delivery, where it has a name. */
export function deliveryId(scheme: Scheme, header: HeaderOf, body: Readonly<Record<string, unknown>>): string | null {
  const { delivery } = scheme
  if (delivery === null) return null
  const name = 'header' in delivery ? header(delivery.header) : body[delivery.field]
  return typeof name === 'string' && name !== '' ? name : null
}

/** What the headers say of what happened, for the run's input. Null where the scheme has none. */
export function contextOf(scheme: Scheme, header: HeaderOf): Record<string, string> | null {
  const found = Object.entries(scheme.context).flatMap(([name, from]) => {
    const value = header(from)
    return value === null ? [] : [[name, value] as const]
  })
  return found.length > 0 ? Object.fromEntries(found) : null
}
