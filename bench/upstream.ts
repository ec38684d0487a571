/** The API that tools call, in a process of its own: as little work as an answer over HTTP can be. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the connection holds, and what the direct calls send. */
const KEY = process.argv[2] ?? ''
const ANSWER = JSON.stringify({
  ok: true,
  items: [1, 2, 3].map((n) => ({ id: n, name: `item ${n}`, note: 'a small answer, as most are' })),
})
const HEAD = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(ANSWER)) }

const server = createServer((request, response) => {
  if (request.headers.authorization !== `Bearer ${KEY}`) response.writeHead(401).end()
  else response.writeHead(200, HEAD).end(ANSWER)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
