/** What stands before an MCP endpoint: who may speak to it at all, and how a refusal tells the way in. */
import { getOAuthProtectedResourceMetadataUrl } from '@modelcontextprotocol/server'
import { FAULTS, Fault } from '../base/errors.ts'

/** Where a request came in: our address as people know it, and the socket that it arrived at. */
export interface Doorstep {
  publicUrl: string
  localAddress: string | undefined
  localPort: number | undefined
}

/** As a URL would write it: lower case, without the scheme's own port. Null for what is no host. */
function hostIn(scheme: string, text: string): string | null {
  if (!/^[\w.:[\]-]+$/.test(text)) return null
  try {
    return new URL(`${scheme}//${text}`).host
  } catch {
    return null
  }
}

/** The names under which this socket is reached without a proxy. An address of ours in Host is no rebinding: that takes a name. */
function ownNames({ localAddress, localPort }: Doorstep): string[] {
  if (localPort === undefined) return []
  const address = localAddress?.replace(/^::ffff:/, '')
  const names = ['localhost', '127.0.0.1', '[::1]', ...(address ? [address.includes(':') ? `[${address}]` : address] : [])]
  return names.map((name) => hostIn('http:', `${name}:${localPort}`) as string)
}

/**
 * Browsers say where a page is from, and pages of others have no business here; a name that is not ours in Host is a page of
 * others whose name was pointed at us. Asked before anything of the request is read.
 */
export function refuseStrangers(headers: Headers, at: Doorstep): void {
  const ours = new URL(at.publicUrl)
  const own = ownNames(at)
  const host = headers.get('host') ?? ''
  if (hostIn(ours.protocol, host) !== ours.host && !own.includes(hostIn('http:', host) ?? ''))
    throw new Fault('FORBIDDEN', 'the Host header names a host that is not this runtime', {
      hint: 'Use the URL that it says at its start; behind a proxy or in a network, start it with --public-url.',
    })
  const origin = headers.get('origin')
  if (origin !== null && origin !== ours.origin && !own.some((name) => origin === `http://${name}`))
    throw new Fault('FORBIDDEN', 'pages of other origins may not call this endpoint', {
      hint: 'Programs send no Origin header; browsers always do.',
    })
}

/** RFC 9728 §3.1: the well-known name comes before the path of the endpoint. */
export const metadataUrl = (endpoint: string): string => getOAuthProtectedResourceMetadataUrl(new URL(endpoint))

/**
 * RFC 9728 §2. `authorization_servers` is left out, as the RFC allows: tokens are made in this runtime and pasted, and naming a
 * server that does not exist would send clients to it.
 */
export const metadata = (endpoint: string, name: string, scopes: readonly string[]) => ({
  resource: endpoint,
  resource_name: name,
  bearer_methods_supported: ['header'],
  scopes_supported: scopes,
})

/** RFC 6750 §3: what may stand between the quotes. */
const quoted = (text: string): string => `"${text.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'")}"`

/** The WWW-Authenticate header for a refusal, or null where another token would not help. */
export function challenge(fault: Fault, endpoint: string, scopes: readonly string[], sentToken: boolean): string | null {
  const parts: string[] = []
  const missing = fault.details?.missing_scope
  if (FAULTS[fault.code].http === 401) {
    // Who sent nothing is told no error, only the way (RFC 6750 §3.1).
    if (sentToken) parts.push('error="invalid_token"', `error_description=${quoted(fault.message)}`)
    parts.push(`scope=${quoted(scopes.join(' '))}`)
  } else if (typeof missing === 'string') {
    parts.push('error="insufficient_scope"', `scope=${quoted(missing)}`, `error_description=${quoted(fault.message)}`)
  } else return null
  return `Bearer ${[...parts, `resource_metadata=${quoted(metadataUrl(endpoint))}`].join(', ')}`
}
