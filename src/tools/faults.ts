/** What a failed call is called, and what it may say. */
import type { Refusal } from '../base/egress.ts'
import { Fault, reworded } from '../base/errors.ts'
import type { Lent } from '../connections/index.ts'

export const isRefused = (error: unknown) => error instanceof Fault && error.code === 'CREDENTIAL_REJECTED'

/** What a connector says of a failure may be made of answers that it has decoded. Where it cannot be searched, it is not said. */
export function withoutCredentials(fault: Fault, lent: Lent | null): Fault {
  if (lent === null) return fault
  try {
    return reworded(fault, lent.clean)
  } catch {
    return new Fault(fault.code, 'it failed, and what was said of it cannot be searched for credentials', { maybeDone: fault.maybeDone })
  }
}

/** A refused credential is mended at its connection, so the failure says which that is. */
export function naming(fault: Fault, connectionId: string | null | undefined): Fault {
  if (fault.code !== 'CREDENTIAL_REJECTED' || !connectionId || fault.details?.connection_id) return fault
  const { message, hint, retryAfter, maybeDone, cause } = fault
  return new Fault(fault.code, message, { hint, retryAfter, maybeDone, cause, details: { ...fault.details, connection_id: connectionId } })
}

/** The rule of the vault and of the connections: a credential goes to its own hosts and no others. */
export const CREDENTIAL_HOSTS = 'credential-hosts'
export function refusalOf({ details }: Fault): Refusal {
  const [, host = '', port = '443'] = /^(.*?)(?::(\d+))?$/.exec(String(details?.host ?? '')) ?? []
  return { host, port: Number(port), rule: CREDENTIAL_HOSTS }
}

/** What the provider itself has named as missing. */
export function requiredScopes({ details }: Fault): string[] | null {
  const said = details?.required_scopes
  return Array.isArray(said) && said.length > 0 && said.every((s) => typeof s === 'string') ? said : null
}

/** A call that says nothing else may take this long: vendors' own limits are at 30 s or below. */
export const CALL_TIMEOUT_MS = 60_000

export function asFault(error: unknown, timedOut: boolean, request: { tool: string; timeoutMs?: number; signal: AbortSignal }): Fault {
  if (timedOut && !request.signal.aborted)
    return new Fault(
      'STEP_TIMED_OUT',
      `${request.tool} did not answer within ${Math.round((request.timeoutMs ?? CALL_TIMEOUT_MS) / 1000)} s`,
      { cause: error, maybeDone: true },
    )
  if (request.signal.aborted) return new Fault('RUN_STOPPED', `${request.tool} was cancelled`, { cause: error, maybeDone: true })
  if (error instanceof Fault) return error
  return new Fault('MCP_TOOL_FAILED', `${request.tool} failed in an unexpected way`, { cause: error, maybeDone: true })
}
