/** A fault of one step, in the words that the run API promises. */
import { createHash } from 'node:crypto'
import { FAULTS, type Fault, type FaultCode } from '../base/errors.ts'
import type { Failure } from './rows.ts'

/** Codes that a failed step may carry as they are; anything else is a failed tool with a reason. */
const OWN_CODES: ReadonlySet<FaultCode> = new Set([
  'MCP_TOOL_FAILED',
  'TEMPLATE_UNRESOLVED',
  'STEP_TIMED_OUT',
  'RUN_STOPPED',
  'BINDING_MISSING',
  'SCOPE_MISSING',
  'CONNECTION_RECONNECT_REQUIRED',
  'CREDENTIAL_REJECTED',
  'EGRESS_BLOCKED',
  'UPSTREAM_ERROR',
  'DEPENDENCY_UNAVAILABLE',
])
const RENAMED: Partial<Record<FaultCode, FaultCode>> = {
  UPSTREAM_RATE_LIMITED: 'UPSTREAM_ERROR',
  RATE_LIMITED: 'UPSTREAM_ERROR',
  NOT_FOUND: 'BINDING_MISSING',
  VAULT_SEALED: 'DEPENDENCY_UNAVAILABLE',
  UNDECRYPTABLE: 'CONNECTION_RECONNECT_REQUIRED',
}

export function failureOf(fault: Fault, stepId: string): Failure {
  const code = OWN_CODES.has(fault.code) ? fault.code : (RENAMED[fault.code] ?? 'MCP_TOOL_FAILED')
  return {
    code,
    message: fault.message,
    step_id: stepId,
    ...(code === fault.code ? {} : { reason: fault.code }),
    ...(fault.hint ? { hint: fault.hint } : {}),
    ...(fault.details ? { details: fault.details } : {}),
  }
}

export const passes = (fault: Fault): boolean => FAULTS[fault.code].retry

/** First wait between tries; doubles each time. */
const BACKOFF_MS = 500
/** A run that waits longer between tries is better failed and looked at. */
const BACKOFF_CAP_MS = 30_000
/** A vendor that asks for more than this is not waited for within a step's tries. */
const RETRY_AFTER_CAP_MS = 300_000

/** When the next try may come. Half of the wait is jitter, so that runs that failed together do not come back together. */
export function backoff(attempt: number, retryAfterSeconds: number | undefined, random: number): number {
  const wait = Math.min(BACKOFF_CAP_MS, BACKOFF_MS * 2 ** (attempt - 1))
  const asked = Math.min(RETRY_AFTER_CAP_MS, (retryAfterSeconds ?? 0) * 1000)
  return Math.max(asked, Math.round(wait / 2 + (wait / 2) * random))
}

/** The same for every try of the same step of the same run, whoever makes it. 128 bits. */
export const callKey = (runId: string, stepId: string): string =>
  createHash('sha256').update(`${runId}/${stepId}`).digest('hex').slice(0, 32)
