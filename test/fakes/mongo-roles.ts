/** Roles of MongoDB, as far as our tests have users for them. https://www.mongodb.com/docs/manual/reference/built-in-roles/ */
export interface Role {
  role: string
  db: string
  /** Of a role that somebody made: what it allows on the whole of its database, or on one collection. */
  actions?: string[]
  collection?: string
}
export interface Privilege {
  resource: { db: string; collection: string } | { anyResource: true }
  actions: string[]
  covers(db: string, collection: string): boolean
}

const READ = ['changeStream', 'collStats', 'dbStats', 'find', 'killCursors', 'listCollections', 'listIndexes']
const WRITE = ['convertToCapped', 'createCollection', 'createIndex', 'dropCollection', 'dropIndex', 'insert', 'remove', 'update']
const ADMIN = ['collMod', 'dropDatabase', 'enableProfiler', 'validate', 'bypassDocumentValidation']

const ACTIONS: Record<string, string[]> = {
  read: READ,
  readWrite: [...READ, ...WRITE],
  dbAdmin: ADMIN,
  dbOwner: [...READ, ...WRITE, ...ADMIN, 'createUser', 'grantRole'],
  userAdmin: ['createUser', 'createRole', 'grantRole', 'changePassword', 'viewUser'],
  clusterMonitor: ['serverStatus', 'getLog'],
}

export function actionsOf(role: Role): Privilege[] {
  const anywhere = /^(read|readWrite)AnyDatabase$/.exec(role.role)?.[1]
  if (role.role === 'root' || role.role === '__system') {
    return [{ resource: { anyResource: true }, actions: [...READ, ...WRITE, ...ADMIN, 'shutdown'], covers: () => true }]
  }
  const actions = role.actions ?? ACTIONS[anywhere ?? role.role] ?? []
  const db = anywhere === undefined ? role.db : ''
  const collection = role.collection ?? ''
  return [
    {
      resource: { db, collection },
      actions,
      covers: (d, c) => (db === '' || d === db) && (collection === '' || c === collection) && !/^system\./.test(c),
    },
  ]
}
