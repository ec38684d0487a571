/** The client: one operation's input to a request, the answer back, refusals as Faults with the code that the server gave. */
import { FAULTS, Fault, type FaultCode, fail } from '../base/errors.ts'
import { type Command, placeholder } from './cli-commands.ts'
import type { Terminal } from './cli-terminal.ts'

/** Fewest requests for `--all`: the largest page that every list gives. */
export const PAGE = 200

export interface Answer {
  value: unknown
  /** As it came. */
  text: string
}

export interface Client {
  readonly url: string
  call(
    command: Command,
    input: Record<string, unknown>,
    options?: { idempotencyKey?: string | undefined; signal?: AbortSignal },
  ): Promise<Answer>
  /** Every item of a list, page after page. */
  all(command: Command, input: Record<string, unknown>): Promise<unknown[]>
  /** An answer that comes line by line, and may be longer than memory. */
  lines(command: Command, input: Record<string, unknown>): AsyncGenerator<string>
}

/** Reads a server's address. Faults: INVALID_INPUT; the text is not repeated, because it may hold a password. */
export function serverUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    fail('INVALID_INPUT', 'the address of the server is not a URL', { hint: 'Like http://127.0.0.1:8787 or https://agents.example.com.' })
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    fail('INVALID_INPUT', 'the address of the server must begin with http:// or https://')
  if (url.username || url.password || url.search || url.hash)
    fail('INVALID_INPUT', 'the address of the server is a plain one: no user, password, query or fragment')
  return url.origin + url.pathname.replace(/\/+$/, '')
}

export const isLoopback = (url: string): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(new URL(url).hostname)

export function createClient(deps: {
  url: string
  token: string
  fetch: typeof globalThis.fetch
  terminal: Pick<Terminal, 'hide'>
}): Client {
  const { url, token } = deps
  // Checked here because an HTTP library that refuses a header repeats its value.
  if (!/^[\x21-\x7e]+$/.test(token))
    fail('UNAUTHENTICATED', 'the token has characters in it that no token has', { hint: 'Was it copied whole, and nothing more?' })
  deps.terminal.hide(token)

  async function asked(command: Command, input: Record<string, unknown>, options: Parameters<Client['call']>[2] = {}): Promise<Response> {
    const { target, body } = requestOf(command, input)
    try {
      return await deps.fetch(url + target, {
        method: command.method,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(body === null ? {} : { 'content-type': 'application/json' }),
          ...(options.idempotencyKey === undefined ? {} : { 'idempotency-key': options.idempotencyKey }),
        },
        body,
        // A redirect would carry token and body to somebody whom nobody has named.
        redirect: 'manual',
        ...(options.signal ? { signal: options.signal } : {}),
      })
    } catch (error) {
      throw unreachable(url, error)
    }
  }
  const textOf = (response: Response): Promise<string> => response.text().catch((error: unknown) => Promise.reject(unreachable(url, error)))
  async function call(command: Command, input: Record<string, unknown>, options: Parameters<Client['call']>[2] = {}): Promise<Answer> {
    const response = await asked(command, input, options)
    return readAnswer(url, response, await textOf(response))
  }

  return {
    url,
    call,
    async all(command, input) {
      const items: unknown[] = []
      let cursor: unknown = input.cursor
      for (;;) {
        const { value } = await call(command, { limit: PAGE, ...input, ...(cursor === undefined ? {} : { cursor }) })
        const page = value as { items: unknown[]; next_cursor: string | null }
        items.push(...page.items)
        if (page.next_cursor === null) return items
        if (page.next_cursor === cursor) fail('UPSTREAM_ERROR', 'the server gave the same page twice')
        cursor = page.next_cursor
      }
    },
    async *lines(command, input) {
      const response = await asked(command, input)
      if (!response.ok || response.body === null) {
        readAnswer(url, response, await textOf(response))
        return
      }
      let rest = ''
      try {
        for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
          const whole = (rest + part).split('\n')
          rest = whole.pop() ?? ''
          yield* whole
        }
      } catch (error) {
        throw unreachable(url, error)
      }
      if (rest !== '') yield rest
    },
  }
}

/** Path fields into the path; the rest into the query, or into a JSON body. */
export function requestOf(command: Command, input: Record<string, unknown>): { target: string; body: string | null } {
  const rest = { ...input }
  let target = command.path
  for (const field of command.fields.filter((f) => f.inPath)) {
    const { name } = field
    const value = String(rest[name])
    if (value === '' || value === '.' || value === '..') fail('INVALID_INPUT', `${placeholder(field)} must be an id`)
    target = target.replace(`{${name}}`, encodeURIComponent(value.toWellFormed()))
    delete rest[name]
  }
  if (command.method !== 'GET' && command.method !== 'DELETE') return { target, body: JSON.stringify(rest) }
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(rest))
    for (const one of [value].flat()) query.append(key, typeof one === 'object' && one !== null ? JSON.stringify(one) : String(one))
  return { target: query.size > 0 ? `${target}?${query}` : target, body: null }
}

function readAnswer(url: string, response: Response, text: string): Answer {
  if (response.status >= 300 && response.status < 400)
    fail('UPSTREAM_ERROR', `${url} sends us on to another address`, { hint: 'Name the address of the server itself with --url.' })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    fail('UPSTREAM_ERROR', `${url} answered ${response.status} with something that is not JSON`, {
      hint: 'Is this the address of AgentRuntime?',
    })
  }
  if (response.ok) return { value, text }
  const { error, code, hint, details, request_id } = (value ?? {}) as Record<string, unknown>
  if (typeof error !== 'string') fail('UPSTREAM_ERROR', `${url} answered ${response.status} without saying why`)
  const after = Number(response.headers.get('retry-after') ?? Number.NaN)
  throw new Fault(knownCode(code, response.status), error, {
    ...(typeof hint === 'string' ? { hint } : {}),
    details: { ...(details as object | undefined), ...(response.status >= 500 ? { request_id } : {}) },
    ...(Number.isFinite(after) ? { retryAfter: after } : {}),
    cause: value,
  })
}

/** A server newer than us may have codes that we have not: then the first one with that status stands for it. */
function knownCode(code: unknown, status: number): FaultCode {
  if (typeof code === 'string' && Object.hasOwn(FAULTS, code)) return code as FaultCode
  const rows = Object.entries(FAULTS) as [FaultCode, { http: number }][]
  return rows.find(([, f]) => f.http === status)?.[0] ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL')
}

function unreachable(url: string, error: unknown): Fault {
  const cause = (error as { cause?: { code?: string; errors?: { code?: string }[] } }).cause
  const code = cause?.code ?? cause?.errors?.[0]?.code ?? (error as Error).name
  if (/TIMEOUT/i.test(code))
    return new Fault('STEP_TIMED_OUT', `${url} gave no answer in time`, {
      hint: 'What was asked for may have been done all the same: look before you ask again.',
    })
  if (/CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_VERIFY/.test(code))
    return new Fault('DEPENDENCY_UNAVAILABLE', `the certificate of ${url} is not trusted (${code})`, {
      hint: 'NODE_EXTRA_CA_CERTS names a file with further authorities.',
    })
  const why = code === 'ECONNREFUSED' ? 'nobody listens there' : code === 'ENOTFOUND' ? 'no such host' : code
  return new Fault('DEPENDENCY_UNAVAILABLE', `no server answers at ${url} (${why})`, {
    hint: 'agentruntime start starts one; --url says where it is.',
  })
}
