/** The rules of a database: an API beside the wire, spoken over HTTP. https://firebase.google.com/docs/reference/rules/rest */
import { Fault } from '../../base/errors.ts'
import type { DriverDeps } from './driver.ts'
import { type Circumstances, googleFault, stopped } from './firestore-errors.ts'
import type { Target } from './firestore-key.ts'

/** Rules are 256 KiB of source at most (https://firebase.google.com/docs/rules/manage-deploy), and a ruleset may have several files. */
const MAX_ANSWER_BYTES = 2 * 1024 * 1024
/** Characters of source that come back, of all files together. */
const MAX_SOURCE = 512 * 1024
export const MAX_RULES_SOURCE = 256 * 1024
/** A source with more things wrong than this is better begun anew. */
const MAX_ISSUES = 200

type Send = (path: string, body?: object) => Promise<Record<string, unknown>>

export async function getRules(send: Send, { project, database }: Target) {
  const own = database === '(default)' ? 'cloud.firestore' : `cloud.firestore/${database}`
  const release = await send(`/v1/projects/${project}/releases/${own}`)
  const ruleset = text(release.rulesetName)
  // What the server names is followed only inside of the project.
  if (!new RegExp(`^projects/${project}/rulesets/[\\w-]{1,128}$`).test(ruleset))
    throw new Fault('UPSTREAM_ERROR', 'the rules that are in force cannot be found: their name is not of this project')
  const { source, createTime } = await send(`/v1/${ruleset}`)
  let left = MAX_SOURCE
  let truncated = false
  const files = list((source as { files?: unknown } | undefined)?.files).map(({ name, content }) => {
    const whole = text(content)
    const shown = whole.slice(0, left)
    left -= shown.length
    truncated ||= shown.length < whole.length
    return { name: text(name), content: shown }
  })
  return { release: text(release.name), ruleset, create_time: text(createTime) || null, files, truncated }
}

export async function testRules(send: Send, { project }: Target, source: string) {
  if (source.length > MAX_RULES_SOURCE) throw new Fault('INVALID_INPUT', `rules are at most ${MAX_RULES_SOURCE} characters long`)
  const answer = await send(`/v1/projects/${project}:test`, { source: { files: [{ name: 'firestore.rules', content: source }] } })
  const issues = list(answer.issues)
    .slice(0, MAX_ISSUES)
    .map(({ severity, description, sourcePosition }) => {
      const { line, column } = (sourcePosition ?? {}) as { line?: unknown; column?: unknown }
      const number = (n: unknown) => (typeof n === 'number' ? n : null)
      return {
        severity: text(severity) || 'SEVERITY_UNSPECIFIED',
        description: text(description),
        line: number(line),
        column: number(column),
      }
    })
  return { valid: !list(answer.issues).some(({ severity }) => severity === 'ERROR'), issues }
}

/** One request. Faults as of the wire: the errors of Google's HTTP APIs carry the same names. */
export function createSender(
  deps: Pick<DriverDeps, 'fetch'>,
  to: { base: string; token: string; timeoutMs: number; signal: AbortSignal; at: Circumstances },
): Send {
  return async (path, body) => {
    if (to.signal.aborted) throw stopped(to.signal, false)
    const response = await deps.fetch(to.base + path, {
      method: body ? 'POST' : 'GET',
      headers: {
        authorization: `Bearer ${to.token}`,
        accept: 'application/json',
        'user-agent': 'AgentRuntime',
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
      redirect: 'manual',
      maxBytes: MAX_ANSWER_BYTES,
      timeoutMs: to.timeoutMs,
      firstByteMs: to.timeoutMs,
      signal: to.signal,
    })
    const answer = objectIn(await response.text())
    if (response.ok && answer) return answer
    const { status, message } = (answer?.error ?? {}) as { status?: unknown; message?: unknown }
    const fault = googleFault(text(status) || statusOf(response.status), text(message), to.at)
    const after = response.headers.get('retry-after')
    if (!after || !/^\d+$/.test(after)) throw fault
    throw new Fault(fault.code, fault.message, { ...(fault.details ? { details: fault.details } : {}), retryAfter: Number(after) })
  }
}

/** For an answer that is no error of Google's: a page of something between. It condemns no credential. */
const statusOf = (http: number): string => (http === 429 ? 'RESOURCE_EXHAUSTED' : 'UNKNOWN')

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const list = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value) ? value.filter((it) => it !== null && typeof it === 'object') : []

function objectIn(body: string): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(body)
    return parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed) ? (parsed as Record<string, unknown>) : null
  } catch {
    return null
  }
}
