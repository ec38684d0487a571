/** Every database wire by its name: one entry each, and no other list. */
import { fail } from '../../base/errors.ts'
import { secretsInKeyFile } from '../assertion.ts'
import { conceal, reveal } from '../secret.ts'
import type { Wiring } from './driver.ts'
import { describeDsn, parseDsn, secretPartsOf } from './dsn.ts'
import { DATA_HOST, RULES_HOST, TOKEN_HOST, targetOf } from './firestore-key.ts'
import { describeMongoUri, parseMongoUri, secretPartsOf as secretPartsOfMongoUri } from './mongodb-uri.ts'
import { describeMysqlDsn, mysqlSecretParts, parseMysqlDsn } from './mysql-dsn.ts'
import { parseNeo4j } from './neo4j-uri.ts'
import { describeRedis, parseRedis, redisSecrets } from './redis-dsn.ts'
import type { Sessions } from './session.ts'

export type RemoteWire = Exclude<keyof Sessions, 'sqlite'>

const dsnOf = (secret: Readonly<Record<string, string>>): string => secret.dsn ?? fail('CREDENTIAL_MALFORMED', 'the connection has no dsn')

/** Of the config of a connector with a SQL wire. */
function sqlOptions(config: Readonly<Record<string, unknown>>) {
  const number = (key: string, otherwise: number) => (typeof config[key] === 'number' ? config[key] : otherwise)
  return {
    maxConnections: number('max_open_conns', 10),
    idleConnections: number('max_idle_conns', 5),
    timeoutMs: number('request_timeout_sec', 30) * 1000,
    acceptSuperuser: config.accept_superuser === true,
    ...(typeof config.ca_certificate === 'string' ? { caCertificate: config.ca_certificate } : {}),
  }
}

const postgres: Wiring<Sessions['postgres']> = {
  read: ({ secret }) => ({ facts: describeDsn(dsnOf(secret)), hosts: parseDsn(dsnOf(secret)).hosts }),
  parts: ({ dsn }): Record<string, string[]> => (dsn ? { dsn: secretPartsOf(dsn) } : {}),
  async open(deps) {
    const { createPostgres } = await import('./postgres.ts')
    const driver = createPostgres(deps)
    return {
      session: ({ owner, version, credential, config, signal }) =>
        driver.session({ owner, version }, dsnOf(credential.secret), sqlOptions(config), signal),
      drain: driver.drain,
      close: driver.close,
    }
  },
}

const firestore: Wiring<Sessions['firestore']> = {
  read(credential) {
    const { account, project, database } = targetOf(credential)
    const hosts = [DATA_HOST, RULES_HOST, TOKEN_HOST].map((host) => ({ host, port: 443 }))
    return { facts: { client_email: account, project_id: project, database }, hosts }
  },
  parts: ({ service_account_json: file }): Record<string, string[]> =>
    file ? { service_account_json: secretsInKeyFile(conceal(file)).map(reveal) } : {},
  async open(deps) {
    const { createFirestore } = await import('./firestore.ts')
    return createFirestore(deps)
  },
}

const uriOf = (secret: Readonly<Record<string, string>>): string => secret.uri ?? fail('CREDENTIAL_MALFORMED', 'the connection has no uri')

const mongodb: Wiring<Sessions['mongodb']> = {
  read({ secret }) {
    const { srv, hosts } = parseMongoUri(uriOf(secret))
    // The hosts of mongodb+srv are known when DNS is asked, at the first call.
    return { facts: describeMongoUri(uriOf(secret)), hosts: srv ? [] : hosts }
  },
  parts: ({ uri }): Record<string, string[]> => (uri ? { uri: secretPartsOfMongoUri(uri) } : {}),
  open: async (deps) => (await import('./mongodb.ts')).createMongodb(deps),
}

const mysql: Wiring<Sessions['mysql']> = {
  read: ({ secret }) => {
    const { host, port } = parseMysqlDsn(dsnOf(secret))
    return { facts: describeMysqlDsn(dsnOf(secret)), hosts: [{ host, port }] }
  },
  parts: ({ dsn }): Record<string, string[]> => (dsn ? { dsn: mysqlSecretParts(dsn) } : {}),
  async open(deps) {
    const { createMysql } = await import('./mysql.ts')
    const driver = createMysql(deps)
    return {
      session: ({ owner, version, credential, config, signal }) =>
        driver.session({ owner, version }, dsnOf(credential.secret), sqlOptions(config), signal),
      drain: driver.drain,
      close: driver.close,
    }
  },
}

const redis: Wiring<Sessions['redis']> = {
  read({ secret }) {
    const { host, port } = parseRedis(dsnOf(secret))
    return { facts: describeRedis(dsnOf(secret)), hosts: [{ host, port }] }
  },
  parts: ({ dsn }): Record<string, string[]> => (dsn ? { dsn: redisSecrets(dsn) } : {}),
  open: async (deps) => (await import('./redis.ts')).createRedis(deps),
}

const neo4j: Wiring<Sessions['neo4j']> = {
  read({ entered }) {
    const { host, port, tls } = parseNeo4j(typeof entered.uri === 'string' ? entered.uri : '')
    return { facts: { host, port, tls }, hosts: [{ host, port }] }
  },
  // The password is a field of its own, and a secret as a whole.
  parts: () => ({}),
  open: async (deps) => (await import('./neo4j.ts')).createNeo4j(deps),
}

export const wirings: { readonly [W in RemoteWire]: Wiring<Sessions[W]> } = { postgres, mysql, mongodb, redis, neo4j, firestore }
