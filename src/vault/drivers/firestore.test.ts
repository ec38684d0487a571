import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { keyFile } from '../../../test/fakes/firestore-google.ts'
import { startFirestore, type TestFirestore } from '../../../test/fakes/firestore-server.ts'
import type { Fault } from '../../base/errors.ts'
import { createFirestore } from './firestore.ts'
import type { FirestoreSession } from './session.ts'

let server: TestFirestore
let driver: ReturnType<typeof createFirestore>
const addresses: string[] = []

beforeAll(async () => {
  server = await startFirestore()
  driver = createFirestore({
    address: async (host, port) => {
      addresses.push(`${host}:${port}`)
      return { address: '127.0.0.1', family: 4 }
    },
    fetch: (url, init) => fetch(url, init as RequestInit),
    now: Date.now,
  })
}, 60_000)
afterEach(() => server.reset())
afterAll(async () => {
  await driver.close()
  await server.close()
})
function session(entered: Record<string, unknown> = {}, account: Parameters<typeof keyFile>[0] = 'writer'): FirestoreSession {
  return driver.session({
    owner: `${account} ${JSON.stringify(entered)}`,
    version: 1,
    credential: { secret: { service_account_json: keyFile(account) }, entered },
    config: { api_base: server.url, request_timeout_sec: 10 },
    signal: new AbortController().signal,
  })
}
describe('first', () => {
  it('works', async () => {
    const s = session()
    console.log(await s.check())
    console.log(await s.update('c/d', { a: 1, b: { c: 2.5, d: [1, 'x', { $timestamp: '2026-01-01T00:00:00.5Z' }] } }, { way: 'merge' }))
    console.dir(await s.get(['c/d', 'c/x']), { depth: 9 })
    console.dir(await s.add('c', [{ a: 2 }, { a: 3 }, { a: 4 }], 'k'), { depth: 9 })
    console.dir(await s.add('c', [{ a: 2 }, { a: 3 }, { a: 4 }], 'k'), { depth: 9 })
    const q = { collection: 'c', filters: [{ field: 'a', op: 'GREATER_THAN', value: 1 }], order_by: [], limit: 2 }
    const one = await s.query(q)
    console.dir(one, { depth: 9 })
    console.dir(await s.query({ ...q, cursor: one.next_cursor! }), { depth: 9 })
    console.dir(await s.collections(null, { limit: 10 }))
    console.log(await s.rules(), await s.validateRules('service {'))
    console.log(server.documents(), addresses)
    console.log(
      await session({}, 'gone')
        .check()
        .catch((e: Fault) => e),
    )
    console.log(
      await session({}, 'stranger')
        .check()
        .catch((e: Fault) => e),
    )
  })
})
