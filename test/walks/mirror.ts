/** An upstream that gives back all that it was sent, in every way that upstreams do. It takes any credential. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, gzipSync } from 'node:zlib'

export interface Seen {
  url: string
  /** The request line and all header lines. */
  head: string
  body: string
}
export interface Mirror {
  url: string
  seen: Seen[]
  /** Where `/away` points. */
  elsewhere: string
  close(): Promise<void>
}

/** The last part of the path says how the echo comes: `/echo/base64`. */
export const MANNERS = [
  'json',
  'escaped',
  'slashes',
  'nested',
  'text',
  'html',
  'entities',
  'utf-16le',
  'utf-16be',
  'units',
  'base64',
  'base64url',
  'hex',
  'HEX',
  'percent',
  'headers',
  'split',
  'gzip',
  'gzip-split',
  'br',
  'drip',
  'status-text',
  'bytes',
  'loop',
  'away',
  'cut',
  '403',
  '404',
  '422',
  '500',
] as const

export async function startMirror(): Promise<Mirror> {
  const mirror: Mirror = { url: '', seen: [], elsewhere: '', close: async () => undefined }
  const server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const lines = request.rawHeaders.flatMap((it, i, all) => (i % 2 === 0 ? [`${it}: ${all[i + 1]}`] : []))
      const seen = {
        url: request.url ?? '',
        head: [`${request.method} ${request.url}`, ...lines].join('\n'),
        body: Buffer.concat(parts).toString(),
      }
      mirror.seen.push(seen)
      answer(mirror, request, seen, response)
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  mirror.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  mirror.close = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return mirror
}

/** What a credential looks like in a request: as sent, decoded from Basic, and decoded from the query. */
function credentialsOf(request: IncomingMessage): string[] {
  const sent = [request.headers.authorization, request.headers['x-canary-key']].filter((it) => typeof it === 'string')
  const pair = sent.flatMap((it) => (/^Basic (.+)$/.test(it) ? [Buffer.from(it.slice(6), 'base64').toString()] : []))
  const bare = [...sent, ...pair].map((it) => it.replace(/^(Bearer |ada:)/, ''))
  const query = [...new URL(request.url ?? '', 'http://mirror').searchParams.values()]
  return [...sent, ...pair, ...bare, ...query]
}

const everyUnit = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0').toUpperCase()}`
const unicodeEscapes = (text: string) => text.replaceAll(/[^a-z0-9 ]/gi, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

function answer(mirror: Mirror, request: IncomingMessage, { head }: Seen, response: ServerResponse) {
  const manner = /\/echo\/([\w-]+)/.exec(request.url ?? '')?.[1] ?? 'json'
  const echo = [...credentialsOf(request), head]
  const text = echo.join(' | ')
  const send = (status: number, type: string, body: string | Buffer, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': type, ...headers }).end(body)
  }
  const wrapped = (as: (bytes: Buffer) => string) =>
    send(200, 'application/json', JSON.stringify(echo.flatMap((it) => ['', 'x', 'xy'].map((lead) => as(Buffer.from(`${lead}${it}!`))))))
  switch (manner) {
    case 'escaped': // as .NET and Python write JSON
      return send(200, 'application/json', `{"you":[${echo.map((it) => `"${unicodeEscapes(it)}"`).join(',')}]}`)
    case 'slashes': // as PHP writes JSON
      return send(200, 'application/json', JSON.stringify({ you: echo }).replaceAll('/', '\\/'))
    case 'nested':
      return send(200, 'application/json', JSON.stringify({ log: JSON.stringify({ you: echo }), [text]: 1 }))
    case 'text':
      return send(200, 'text/plain', text)
    case 'html':
      return send(
        200,
        'text/html',
        `<!doctype html><p>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')}</p>`,
      )
    case 'entities': {
      // As Go, Python and XML write them; as attribute values, which are quoted.
      const always = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
      const quotes = ['&#34;,&#39;', '&quot;,&#x27;', '&quot;,&apos;', '&quot;,&#039;'].map((it) => it.split(',') as [string, string])
      const values = quotes.map(([double, single]) => always.replaceAll('"', double).replaceAll("'", single))
      return send(200, 'application/xhtml+xml', values.map((it) => `<input value="${it}"/>`).join(''))
    }
    case 'utf-16le':
      return send(200, 'text/plain; charset=utf-16le', Buffer.from(text, 'utf16le'))
    case 'utf-16be':
      return send(200, 'application/octet-stream', Buffer.from(text, 'utf16le').swap16())
    case 'units': // every character escaped, in a script
      return send(
        200,
        'text/html',
        `<script>var you = "${[...text]
          .flatMap((c) => c.split(''))
          .map(everyUnit)
          .join('')}"</script>`,
      )
    case 'quiet': // what does not repeat what it was sent
      return send(500, 'application/json', '{"message":"it did not work"}')
    case 'base64':
      return wrapped((it) => it.toString('base64'))
    case 'base64url':
      return wrapped((it) => it.toString('base64url'))
    case 'hex':
      return wrapped((it) => it.toString('hex'))
    case 'HEX':
      return wrapped((it) => it.toString('hex').toUpperCase())
    case 'percent':
      return wrapped(
        (it) => encodeURIComponent(it.toString()) + lower(encodeURIComponent(it.toString())) + new URLSearchParams({ it: it.toString() }),
      )
    case 'headers': {
      const ascii = echo.slice(0, -1).map((it) => Buffer.from(it).toString('latin1'))
      const more = Object.fromEntries(ascii.map((it, i) => [`x-echo-${i}`, it]))
      return send(200, 'application/json', '{}', {
        ...more,
        'www-authenticate': `Bearer realm="${ascii[0]}"`,
        etag: `"${Buffer.from(ascii[0] ?? '').toString('base64')}"`,
      })
    }
    case 'split':
    case 'drip':
    case 'gzip-split': {
      const zipped = manner === 'gzip-split'
      response.writeHead(200, { 'content-type': 'text/plain', ...(zipped ? { 'content-encoding': 'gzip' } : {}) })
      const bytes = zipped ? gzipSync(text) : Buffer.from(text)
      const step = manner === 'split' ? 7 : 1
      for (let at = 0; at < bytes.length; at += step) response.write(bytes.subarray(at, at + step))
      response.end()
      return
    }
    case 'br':
      return send(200, 'application/json', brotliCompressSync(JSON.stringify({ you: echo })), { 'content-encoding': 'br' })
    case 'gzip':
      return send(200, 'application/json', gzipSync(JSON.stringify({ you: echo })), { 'content-encoding': 'gzip' })
    case 'status-text':
      response.writeHead(418, (credentialsOf(request)[0] ?? 'none').replaceAll(/[^\x20-\x7e]/g, ''), { 'content-type': 'text/plain' })
      response.end(text)
      return
    case 'bytes':
      return send(200, 'application/octet-stream', Buffer.concat([Buffer.from([0xff, 0xfe, 0x00]), Buffer.from(text)]))
    case 'loop':
      return send(302, 'text/plain', text, { location: `${mirror.url}/echo/loop` })
    case 'away':
      return send(302, 'text/plain', text, {
        location: `${mirror.elsewhere}/echo/json?${new URLSearchParams({ stolen: credentialsOf(request).join(' ') })}`,
      })
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' })
      response.write(text, () => response.socket?.destroy())
      return
    case 'file': {
      const content = Buffer.from(`the token is ${credentialsOf(request).at(-1)}.`)
        .toString('base64')
        .replaceAll(/(.{10})/g, '$1\n')
      return send(
        200,
        'application/json',
        JSON.stringify({ type: 'file', name: 'notes.txt', path: 'notes.txt', sha: 'b6fc4c6', size: 60, encoding: 'base64', content }),
      )
    }
    case '401':
    case '403':
    case '404':
    case '422':
    case '500':
      return send(
        Number(manner),
        'application/json',
        JSON.stringify({ message: text, errors: [{ message: text }], documentation_url: text }),
      )
    default:
      return send(200, 'application/json', JSON.stringify({ you: echo, login: text, id: 1, html_url: text }))
  }
}

const lower = (text: string) => text.replaceAll(/%[0-9A-F]{2}/g, (it) => it.toLowerCase())
