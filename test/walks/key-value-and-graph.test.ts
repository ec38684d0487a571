/** Redis and Neo4j through the whole product: connected, used, refused, and nothing of a password left anywhere. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BoltServer, startBolt } from '../fakes/bolt-server.ts'
import { there } from '../fakes/part.ts'
import { APP_PASSWORD, REDIS_SERVER, startTestRedis, type TestRedis } from '../fakes/redis-server.ts'
import { runtime, type TestRuntime } from '../harness.ts'
import { filesBelow, hits } from './canary.ts'

const GRAPH_PASSWORD = 'graph-secret-of-nobody'
const FIND = 'MATCH (p:Person) RETURN p.name AS name'

describe.skipIf(!there(REDIS_SERVER, 'redis-server', 'Redis and Neo4j through the whole product'))('databases that are not SQL', () => {
  let rt: TestRuntime
  let redis: TestRedis
  let graph: BoltServer
  beforeAll(async () => {
    redis = await startTestRedis()
    // The password comes back in an answer, which must not reach anybody.
    graph = await startBolt({
      users: { reader: GRAPH_PASSWORD },
      statements: {
        'RETURN 1 AS one': { kind: 'r', fields: ['one'], records: [[1]] },
        [FIND]: { kind: 'r', fields: ['name'], records: [['Ada'], [`my ${GRAPH_PASSWORD}`]] },
      },
    })
    rt = await runtime({ allowPrivate: [`127.0.0.1:${redis.port}`, `127.0.0.1:${graph.port}`] })
  }, 60_000)
  afterAll(async () => {
    await redis?.stop()
    await graph?.stop()
  })

  async function connect(slug: string, credentials: Record<string, string>): Promise<{ connection: string; instance: string }> {
    expect(await rt.ok('POST', '/v1/connections/try', { provider: slug, credentials })).toMatchObject({ ok: true, problem: null })
    const { id: connection } = await rt.ok('POST', '/v1/connections', { display_name: slug, provider: slug, credentials })
    const { id: instance } = await rt.ok('POST', '/v1/mcp/instances', { slug, name: slug, connection_id: connection, config: {} })
    const { checks } = await rt.ok('POST', `/v1/mcp/instances/${instance}/validate`)
    expect(checks.filter((it: { ok: boolean }) => !it.ok)).toEqual([])
    return { connection, instance }
  }
  const call = (instance: string, tool: string, args: object) =>
    rt.api('POST', `/v1/mcp/instances/${instance}/tools/${tool}/call`, { args })

  it('[connectors.walk] Redis', async () => {
    const { connection, instance } = await connect('redis', { dsn: redis.dsn() })
    const written = await call(instance, 'redis_set', { key: 'a', value: `x ${APP_PASSWORD}` })
    expect(written).toMatchObject({ status: 422, body: { code: 'SECRET_IN_GRAPH', details: { path: 'args.value' } } })
    expect((await call(instance, 'redis_set', { key: 'a', value: 'x' })).status).toBe(200)
    await redis.admin('SET', 'a', `x ${APP_PASSWORD}`) // somebody else wrote it there
    expect((await call(instance, 'redis_incr', { key: 'n' })).body).toMatchObject({ result: { value: 1 } })
    const read = await call(instance, 'redis_get', { key: 'a' })
    expect(read.body).toMatchObject({ result: { found: true } })
    expect((await call(instance, 'redis_run_command', { command: 'CONFIG', args: ['GET', '*'] })).body).toMatchObject({
      code: 'TOOL_REFUSED',
    })
    const dead = redis.dsn('app', 'wrong-password-of-nobody')
    expect(await rt.ok('POST', '/v1/connections/try', { provider: 'redis', credentials: { dsn: dead } })).toMatchObject({
      ok: false,
      problem: { code: 'CREDENTIAL_REJECTED' },
    })
    expect(
      (
        await rt.api('POST', '/v1/connections', {
          display_name: 'm',
          provider: 'redis',
          credentials: { dsn: 'redis://169.254.169.254:6379' },
        })
      ).body,
    ).toMatchObject({ code: 'EGRESS_BLOCKED' })
    await redis.admin('ACL', 'SETUSER', 'app', 'resetpass')
    await redis.admin('CLIENT', 'KILL', 'USER', 'app')
    expect((await call(instance, 'redis_get', { key: 'a' })).body).toMatchObject({ code: 'CREDENTIAL_REJECTED' })
    expect(await rt.ok('GET', `/v1/connections/${connection}`)).toMatchObject({ status: 'reconnect' })
  })

  it('[connectors.walk] Neo4j', async () => {
    const uri = `bolt://127.0.0.1:${graph.port}`
    const { connection, instance } = await connect('neo4j', { uri, username: 'reader', password: GRAPH_PASSWORD })
    const read = await call(instance, 'neo4j_query_read', { cypher: FIND })
    expect(read.body).toMatchObject({ result: { records: [{ name: 'Ada' }, {}] } })
    expect((await call(instance, 'neo4j_query_read', { cypher: 'MATCH (n) DETACH DELETE n' })).body).toMatchObject({ code: 'TOOL_REFUSED' })
    // Where the password goes is not changed by somebody who does not know it.
    const moved = await rt.api('PATCH', `/v1/connections/${connection}`, { credentials: { uri: 'bolt+s://graph.example.com' } })
    expect(moved.status).toBeGreaterThanOrEqual(400)
    expect((await call(instance, 'neo4j_query_read', { cypher: FIND })).status).toBe(200)
    const dead = { uri, username: 'reader', password: 'wrong-password-of-nobody' }
    expect(await rt.ok('POST', '/v1/connections/try', { provider: 'neo4j', credentials: dead })).toMatchObject({
      ok: false,
      problem: { code: 'CREDENTIAL_REJECTED' },
    })
  })

  it('[connectors.walk] leave no byte of a password in answers, logs or files', () => {
    const canaries = {
      redis: APP_PASSWORD,
      'in the string': encodeURIComponent(APP_PASSWORD),
      neo4j: GRAPH_PASSWORD,
      wrong: 'wrong-password-of-nobody',
    }
    const answers = rt.answers.map((it) => [`${it.method} ${it.path}`, Buffer.from(it.text)] as const)
    expect(answers.length).toBeGreaterThan(10)
    expect(
      hits(canaries, [
        ...answers,
        ['stdout', Buffer.from(rt.said.stdout)],
        ['stderr', Buffer.from(rt.said.stderr)],
        ...filesBelow(rt.home, ['postgres']),
      ]),
    ).toEqual([])
  })
})
