/** What a user of MongoDB is and may do. https://www.mongodb.com/docs/manual/reference/built-in-roles/ */
import type { Db } from 'mongodb'
import type { MongoAccount } from './mongodb-session.ts'

/** Users may be granted roles while clients live; asked again after this long. */
export const POWERS_TTL_MS = 300_000

/** Roles that govern: databases, users, the deployment, its backups. */
const GOVERNING = new Set([
  '__system',
  'root',
  'dbOwner',
  'dbAdmin',
  'dbAdminAnyDatabase',
  'userAdmin',
  'userAdminAnyDatabase',
  'clusterAdmin',
  'clusterManager',
  'hostManager',
  'backup',
  'restore',
  'atlasAdmin',
])
const EVERYWHERE = new Set(['readAnyDatabase', 'readWriteAnyDatabase'])
/** The same by what it allows, for roles that somebody made. */
const GOVERNING_ACTIONS = new Set([
  'anyAction',
  'internal',
  'applyOps',
  'createUser',
  'createRole',
  'grantRole',
  'changePassword',
  'dropUser',
  'dropDatabase',
  'enableProfiler',
  'shutdown',
  'setParameter',
  'replSetConfigure',
  'impersonate',
  'bypassWriteBlockingMode',
])
const GRANTS = ['find', 'insert', 'update', 'remove'] as const

interface Status {
  authInfo?: {
    authenticatedUsers?: { user: string; db: string }[]
    authenticatedUserRoles?: { role: string; db: string }[]
    authenticatedUserPrivileges?: { resource: { db?: string; collection?: string; anyResource?: boolean }; actions: string[] }[]
  }
}
export type Known = Omit<MongoAccount, 'database' | 'tls' | 'loopback'>

/** `ping` would answer before anybody signed in; this tells who did. */
export async function whoIs(db: Db, { maxTimeMS, signal }: { maxTimeMS: number; signal: AbortSignal }): Promise<Known> {
  const { authInfo = {} } = (await db.command({ connectionStatus: 1, showPrivileges: true, maxTimeMS }, { signal })) as Status
  const user = authInfo.authenticatedUsers?.[0]
  if (user === undefined)
    return { user: null, roles: [], grants: null, powers: ['not asked to sign in, so anybody governs the server'], everywhere: [] }
  const roles = authInfo.authenticatedUserRoles ?? []
  const privileges = authInfo.authenticatedUserPrivileges ?? []
  const actions = new Set(privileges.flatMap((one) => one.actions))
  const powers = new Set(roles.filter((one) => GOVERNING.has(one.role)).map((one) => `${one.role} on ${one.db}`))
  if (powers.size === 0) {
    for (const action of actions) if (GOVERNING_ACTIONS.has(action)) powers.add(`able to ${action}`)
    if (privileges.some((one) => one.resource.anyResource === true)) powers.add('given every resource of the server')
  }
  const here = privileges.filter(({ resource }) => resource.anyResource === true || resource.db === '' || resource.db === db.databaseName)
  const mine = new Set(here.filter(({ resource }) => !/^system\./.test(resource.collection ?? '')).flatMap((one) => one.actions))
  return {
    user: user.user,
    roles: roles.map((one) => `${one.role}@${one.db}`).sort(),
    grants: privileges.length === 0 ? null : GRANTS.filter((grant) => mine.has(grant)),
    powers: [...powers].sort(),
    everywhere: [...new Set(roles.filter((one) => EVERYWHERE.has(one.role)).map((one) => one.role))],
  }
}
