/** The API that tools call, in a process of its own: as little work as an answer over HTTP can be. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the connection holds, and what the direct calls send. */
const KEY = process.argv[2] ?? ''
const ANSWER = JSON.stringify({
  ok: true,
  items: [1, 2, 3].map((n) => ({ id: n, name: `item ${n}`, note: 'a small answer, as most are' })),
})
/** Some 100 kB. */
const LARGE = JSON.stringify({
  items: Array.from({ length: 420 }, (_, n) => ({
    id: `ord_${(n * 2_654_435_761).toString(36)}`,
    name: `order number ${n} of the shop`,
    status: 'delivered',
    created_at: new Date(1_700_000_000_000 + n * 86_400_000).toISOString(),
    note: 'Left at the door of the neighbours, who were not at home either: they sent a picture of it.',
    amount: n * 100,
  })),
})
const headOf = (answer: string) => ({ 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(answer)) })
const HEAD = headOf(ANSWER)
const LARGE_HEAD = headOf(LARGE)

const server = createServer((request, response) => {
  if (request.headers.authorization !== `Bearer ${KEY}`) response.writeHead(401).end()
  else if (request.url === '/large') response.writeHead(200, LARGE_HEAD).end(LARGE)
  else response.writeHead(200, HEAD).end(ANSWER)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
