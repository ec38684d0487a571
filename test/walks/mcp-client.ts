/** Clients of both eras of MCP, and requests by hand; every byte that comes back is kept. */
import { request as httpRequest } from 'node:http'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import type { TestRuntime } from '../harness.ts'

export const ERAS = ['2025-11-25', '2026-07-28'] as const
export type Era = (typeof ERAS)[number]

/** Headers and body of every answer that MCP gave in this file. */
export const heard: Buffer[] = []

const listening: typeof fetch = async (input, init) => {
  const response = await fetch(input, init)
  heard.push(Buffer.from(JSON.stringify([...response.headers])))
  if (!response.body) return response
  const [mine, theirs] = response.body.tee()
  void (async () => {
    try {
      for await (const part of mine) heard.push(Buffer.from(part as Uint8Array))
    } catch {
      // cut off, as some tests do
    }
  })()
  return new Response(theirs, response)
}

/** The library's own client, connected. */
export async function connect(rt: TestRuntime, path: string, era: Era, token = rt.pat): Promise<Client & AsyncDisposable> {
  const client = new Client(
    { name: 'walk', version: '1' },
    { versionNegotiation: { mode: era === '2026-07-28' ? { pin: era } : 'legacy' } },
  )
  const headers = { authorization: `Bearer ${token}` }
  await client.connect(new StreamableHTTPClientTransport(new URL(rt.url + path), { requestInit: { headers }, fetch: listening }))
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

export interface Raw {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: answers are asserted on, field by field
  body: any
}

/** A message of an era with the headers that belong to it; `more` replaces or, with undefined, leaves out. */
export function message(era: Era, method: string, params: Record<string, unknown> = {}, more: Record<string, string | undefined> = {}) {
  const modern = era === '2026-07-28'
  const name = typeof params.name === 'string' ? { 'mcp-name': params.name } : {}
  const meta = {
    'io.modelcontextprotocol/protocolVersion': era,
    'io.modelcontextprotocol/clientInfo': { name: 'by hand', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': era,
    ...(modern ? { 'mcp-method': method, ...name } : {}),
    ...more,
  }
  return {
    headers: Object.fromEntries(Object.entries(headers).filter((it): it is [string, string] => it[1] !== undefined)),
    body: JSON.stringify({ jsonrpc: '2.0', id: 7, method, params: modern ? { ...params, _meta: meta } : params }),
  }
}

/** A request with any header at all, Host included. With `hold` the body is never sent: only what needs none can answer. */
export function send(
  rt: TestRuntime,
  path: string,
  given: { method?: string; headers?: Record<string, string>; body?: string; token?: string | null; hold?: boolean },
): Promise<Raw> {
  const { token = rt.pat } = given
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      rt.url + path,
      { method: given.method ?? 'POST', headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...given.headers } },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(parts).toString()
          heard.push(Buffer.from(JSON.stringify(response.rawHeaders)), Buffer.from(text))
          // Of a stream: what its last event says.
          const json = text.startsWith('{') ? text : /^data: (\{.*\})$/m.exec(text)?.[1]
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: json ? JSON.parse(json) : null })
          if (given.hold) request.destroy()
        })
      },
    )
    request.on('error', reject)
    if (given.hold) {
      request.setHeader('content-length', '20')
      request.flushHeaders()
    } else request.end(given.body)
  })
}

/** The code of a refusal that a model reads, or `ok`. */
export function verdict(result: { isError?: boolean; content?: unknown }): string {
  if (!result.isError) return 'ok'
  const [said, facts] = result.content as { text: string }[]
  const { code, error } = JSON.parse(facts?.text ?? '{}') as { code: string; error: string }
  if (!said?.text.startsWith(`${code}: ${error}`)) throw new Error(`the two texts of a failure differ: ${said?.text} / ${facts?.text}`)
  return code
}
