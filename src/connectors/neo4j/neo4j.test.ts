import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type BoltServer, type Canned, startBolt } from '../../../test/fakes/bolt-server.ts'
import { databaseContext } from '../../../test/fakes/context.ts'
import { Structure } from '../../../test/fakes/packstream.ts'
import type { Fault } from '../../base/errors.ts'
import { createNeo4j, type Neo4jDriver } from '../../vault/drivers/neo4j.ts'
import type { ToolContext } from '../contract.ts'
import { faultsOf } from '../load.ts'
import neo4j from './index.ts'

const WHO = 'SHOW CURRENT USER YIELD user, roles'
const COMPONENTS = 'CALL dbms.components() YIELD versions, edition RETURN versions[0] AS version, edition LIMIT 1'
const NO_SUCH = { code: 'Neo.ClientError.Statement.SyntaxError', message: 'no such statement' }
const who = (user: string, roles: string[] | null): Canned => ({ kind: 'r', fields: ['user', 'roles'], records: [[user, roles]] })
const server = (edition: string): Canned => ({ kind: 'r', fields: ['version', 'edition'], records: [['5.26.0', edition]] })
const list = (names: string[]): Canned => ({ kind: 'r', fields: ['name'], records: names.map((name) => [name]) })

const FIND = 'MATCH (p:Person) WHERE p.name = $name RETURN p'
const MERGE = 'MERGE (p:Person {name: $name}) RETURN p.name AS name'
const STATEMENTS: Record<string, Canned> = {
  'RETURN 1 AS one': { kind: 'r', fields: ['one'], records: [[1]] },
  'CALL db.labels() YIELD label RETURN label AS name ORDER BY name': list(['Company', 'Person']),
  'CALL db.relationshipTypes() YIELD relationshipType RETURN relationshipType AS name ORDER BY name': list(['WORKS_AT']),
  'CALL db.propertyKeys() YIELD propertyKey RETURN propertyKey AS name ORDER BY name': list([]),
  [FIND]: { kind: 'r', fields: ['p'], needs: ['name'], records: [[new Structure(0x4e, [1, ['Person'], { name: 'Ada' }, '4:x:1'])]] },
  'UNWIND range(1, 500) AS i RETURN i': { kind: 'r', fields: ['i'], records: Array.from({ length: 500 }, (_, i) => [i + 1]) },
  'MATCH (n) RETURN slow': { kind: 'r', hangs: true },
  [MERGE]: { kind: 'rw', fields: ['name'], records: [['Ada']], stats: { 'nodes-created': 1, 'properties-set': 1 } },
}

let driver: Neo4jDriver
const servers: BoltServer[] = []
beforeAll(() => {
  driver = createNeo4j({ address: async (_, port) => ({ address: '127.0.0.1', port, family: 4 }), now: Date.now })
})
afterAll(async () => {
  await driver.close()
  for (const one of servers) await one.stop()
})

/** A server of one kind, and what a call at it has at hand. */
async function at(standing: Record<string, Canned>) {
  const one = await startBolt({ users: { reader: 'secret' }, statements: { ...STATEMENTS, ...standing } })
  servers.push(one)
  const context = (config: Record<string, unknown> = {}, over: { uri?: string; password?: string } = {}): ToolContext => {
    const parsed = neo4j.config.parse(config) as Record<string, unknown>
    const entered = { uri: over.uri ?? `bolt://127.0.0.1:${one.port}`, username: 'reader' }
    const credential = { secret: { password: over.password ?? 'secret' }, entered }
    return databaseContext(
      driver.session({ owner: String(one.port), version: 1, credential, config: parsed, signal: new AbortController().signal }),
      parsed,
    )
  }
  return { server: one, context }
}
const ENTERPRISE = { [WHO]: who('reader', ['PUBLIC', 'reader']), [COMPONENTS]: server('enterprise') }

/** As a caller does it: input checked before, output checked after. */
async function call(name: string, args: Record<string, unknown>, ctx: ToolContext): Promise<unknown> {
  const tool = neo4j.tools[name]!
  return JSON.parse(JSON.stringify(tool.output.parse(await tool.run(ctx, tool.input.parse(args) as never))))
}
const fault = (made: Promise<unknown>) =>
  made.then(
    (value) => expect.fail('was answered: ' + JSON.stringify(value)),
    (error: Fault) => error,
  )
const check = (ctx: ToolContext) => neo4j.auth.check(ctx)

describe('the connector', () => {
  it('has every tool of the catalogue, and nothing wrong with it', () => {
    expect(faultsOf('neo4j', neo4j)).toEqual([])
    const shapes = Object.entries(neo4j.tools).map(([name, { effect, repeatable }]) => [name, effect, repeatable])
    expect(shapes.sort()).toEqual([
      ['neo4j_execute_write', 'destroy', false],
      ['neo4j_ping', 'read', true],
      ['neo4j_query_read', 'read', true],
      ['neo4j_schema', 'read', true],
    ])
  })

  it.each([
    ['neo4j+s://abc.databases.neo4j.io', true],
    ['bolt://localhost:7687', true],
    ['bolt+ssc://h', false],
    ['https://h', false],
    ['bolt://user:pass@h', false],
    ['bolt://h/db', false],
    ['bolt://h?x=1', false],
  ])('takes the address %s: %s', (uri, fine) => {
    const fields = neo4j.auth.kind === 'dsn' ? neo4j.auth.fields : []
    const field = fields.find(({ name }) => name === 'uri')
    expect([field?.format?.pattern.test(uri), field?.where, field?.secret]).toEqual([fine, true, false])
    expect(fields.filter(({ secret }) => secret).map(({ name }) => name)).toEqual(['password'])
  })

  it('takes names of procedures only', () => {
    for (const fine of ['apoc.coll.sum', 'gds.*', 'x'])
      expect(neo4j.config.safeParse({ allow_procedures: [fine] }).success, fine).toBe(true)
    for (const bad of ['*', 'apoc.*.x', '', 'a b', '.x', 'apoc*'])
      expect(neo4j.config.safeParse({ allow_procedures: [bad] }).success, bad).toBe(false)
  })
})

describe('tools', () => {
  it('ping and schema', async () => {
    const { context } = await at(ENTERPRISE)
    expect(await call('neo4j_ping', {}, context())).toEqual({ ok: true })
    expect(await call('neo4j_schema', {}, context())).toEqual({
      labels: ['Company', 'Person'],
      relationship_types: ['WORKS_AT'],
      property_keys: [],
      truncated: false,
    })
  })

  it('reading and writing', async () => {
    const { server, context } = await at(ENTERPRISE)
    expect(await call('neo4j_query_read', { cypher: FIND, parameters: { name: 'Ada' } }, context())).toEqual({
      columns: ['p'],
      records: [{ p: { element_id: '4:x:1', labels: ['Person'], properties: { name: 'Ada' } } }],
      truncated: false,
    })
    const many = (await call('neo4j_query_read', { cypher: 'UNWIND range(1, 500) AS i RETURN i' }, context())) as {
      records: unknown[]
      truncated: boolean
    }
    expect([many.records.length, many.truncated]).toEqual([100, true])
    expect((await fault(call('neo4j_query_read', { cypher: MERGE, parameters: { name: 'Ada' } }, context()))).code).toBe('TOOL_REFUSED')
    expect(server.committed).toEqual([])
    expect(await call('neo4j_execute_write', { cypher: MERGE, parameters: { name: 'Ada' } }, context())).toEqual({
      columns: ['name'],
      records: [{ name: 'Ada' }],
      truncated: false,
      counters: { nodes_created: 1, properties_set: 1 },
    })
    expect(server.committed).toEqual([MERGE])
  })

  it('a read may be given less time than the profile allows, never more', async () => {
    const { server, context } = await at(ENTERPRISE)
    const timeouts = () =>
      server.messages.filter(({ name }) => name === 'BEGIN').map(({ fields }) => (fields[0] as { tx_timeout: bigint }).tx_timeout)
    await call('neo4j_query_read', { cypher: FIND, parameters: { name: 'x' }, timeout_s: 2 }, context())
    await call('neo4j_query_read', { cypher: FIND, parameters: { name: 'x' }, timeout_s: 500 }, context({ request_timeout_sec: 7 }))
    expect([timeouts().includes(2000n), timeouts().at(-1)]).toEqual([true, 7000n])
  })

  it('procedures that an administrator listed are let through to the server', async () => {
    const cypher = 'RETURN apoc.text.clean($x) AS clean'
    const { context } = await at({ ...ENTERPRISE, [cypher]: { kind: 'r', fields: ['clean'], records: [['x']] } })
    expect((await fault(call('neo4j_query_read', { cypher, parameters: { x: 'X' } }, context()))).hint).toContain('allow_procedures')
    expect(
      await call('neo4j_query_read', { cypher, parameters: { x: 'X' } }, context({ allow_procedures: ['apoc.text.*'] })),
    ).toMatchObject({ records: [{ clean: 'x' }] })
  })
})

describe('the check', () => {
  it('tells who is connected, with which roles, and that a credential is dead', async () => {
    const { context } = await at(ENTERPRISE)
    expect(await check(context())).toEqual({
      account: { id: 'reader', label: 'reader (Neo4j 5.26.0)' },
      granted_scopes: ['PUBLIC', 'reader'],
      warnings: [],
    })
    expect((await fault(check(context({}, { password: 'wrong' })))).code).toBe('CREDENTIAL_REJECTED')
  })

  it('[db.superuser-refused] warns loudly of an administrator, and tools refuse one until that is accepted', async () => {
    const { server: bolt, context } = await at({ [WHO]: who('boss', ['PUBLIC', 'admin']), [COMPONENTS]: server('enterprise') })
    expect((await check(context())).warnings?.join()).toContain('ADMINISTRATOR')
    for (const name of ['neo4j_query_read', 'neo4j_execute_write'])
      expect((await fault(call(name, { cypher: FIND, parameters: { name: 'x' } }, context()))).code).toBe('TOOL_REFUSED')
    expect(bolt.messages.some(({ fields }) => fields[0] === FIND)).toBe(false)
    expect(await call('neo4j_query_read', { cypher: FIND, parameters: { name: 'x' } }, context({ accept_superuser: true }))).toMatchObject({
      columns: ['p'],
    })
  })

  it('warns of an edition in which every user may do everything, and of plain text', async () => {
    const { server: bolt, context } = await at({ [WHO]: who('neo4j', null), [COMPONENTS]: server('community') })
    const { warnings, granted_scopes } = await check(context())
    expect([warnings?.join(), granted_scopes]).toEqual([expect.stringContaining('EVERY USER'), null])
    expect(await call('neo4j_query_read', { cypher: FIND, parameters: { name: 'x' } }, context())).toMatchObject({ columns: ['p'] })
    const plain = context({ allow_plain: true }, { uri: `bolt://graph.test:${bolt.port}` })
    expect((await check(plain)).warnings?.join()).toContain('NOT ENCRYPTED')
  })

  it('goes on where the server does not tell', async () => {
    const { context } = await at({
      [WHO]: { kind: 'r', fails: NO_SUCH },
      [COMPONENTS]: { kind: 'r', fails: { code: 'Neo.ClientError.Security.Forbidden', message: 'no' } },
    })
    expect(await check(context())).toEqual({ account: { id: 'reader', label: 'reader' }, granted_scopes: null, warnings: [] })
  })
})
