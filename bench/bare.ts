/** The floor of a call through HTTP: one Hono route on the same server that makes the same upstream call with `fetch`, and nothing else. */
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const [upstream = '', key = ''] = process.argv.slice(2)
const app = new Hono()
app.post('/call', async (c) => {
  await c.req.json()
  const answer = await fetch(upstream, { headers: { authorization: `Bearer ${key}` } })
  return c.json({ result: await answer.json() })
})
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, (address: AddressInfo) => process.send?.({ port: address.port }))
process.on('disconnect', () => process.exit(0))
