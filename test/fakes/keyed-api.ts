/** An API that takes exactly the keys that it is told to take, and counts what each of them asked for. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface KeyedApi extends AsyncDisposable {
  url: string
  /** The account that each key belongs to. */
  accepts: Map<string, string>
  /** How it answers `POST /credentials/revoke`, as GitHub documents it: 202, and 403 to whoever brings an authorization. */
  revokes: boolean
  /** What it says to any other key. */
  refusal: number
  requests: { key: string; method: string; path: string; status: number }[]
  /** Answers to this path wait until `release`. */
  holds: string | null
  release(): void
  arrived(): Promise<void>
  served(key: string): number
}

export async function startKeyedApi(): Promise<KeyedApi> {
  let held: (() => void)[] = []
  let waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    const key = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const path = request.url ?? ''
    const account = it.accepts.get(key)
    const status = account === undefined ? it.refusal : path.startsWith('/fails') ? 500 : 200
    it.requests.push({ key, method: request.method ?? '', path, status })
    for (const go of waiting.splice(0)) go()
    const revoke = (text: string) => {
      const code = !it.revokes ? 503 : request.headers.authorization ? 403 : 202
      if (code === 202) for (const one of (JSON.parse(text) as { credentials: string[] }).credentials) it.accepts.delete(one)
      response.writeHead(code, { 'content-type': 'application/json' }).end('{}')
    }
    const answer = () => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(status === 200 ? { id: path === '/user' ? 7 : account, login: account, path } : { error: 'no' }))
    }
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => (body += text))
    request.on('end', () => {
      if (path === '/credentials/revoke') return revoke(body)
      if (it.holds === path) held.push(answer)
      else answer()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const it: KeyedApi = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accepts: new Map(),
    refusal: 401,
    revokes: true,
    requests: [],
    holds: null,
    release() {
      const now = held
      held = []
      for (const go of now) go()
    },
    arrived: () => new Promise((go) => waiting.push(go)),
    served: (key) => it.requests.filter((r) => r.key === key && r.status === 200).length,
    async [Symbol.asyncDispose]() {
      waiting = []
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
  return it
}
