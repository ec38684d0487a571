import { type Checked, connector, type ToolContext, z } from '../contract.ts'
import { tools } from './tools.ts'

export default connector({
  slug: 'neo4j',
  title: 'Neo4j',
  about: 'Query a Neo4j graph read-only with Cypher, look at its labels and relationship types, and change data where the user may.',
  docs: 'https://neo4j.com/docs/operations-manual/current/authentication-authorization/manage-users/',
  auth: {
    kind: 'dsn',
    wire: 'neo4j',
    fields: [
      {
        name: 'uri',
        aliases: ['neo4j_uri', 'url'],
        label: 'Address',
        secret: false,
        required: true,
        where: true,
        hint: 'The Bolt address: neo4j+s://xxxxxxxx.databases.neo4j.io for Aura, bolt+s://graph.example.com:7687 for one server. +s is with TLS.',
        format: {
          pattern: /^\s*(bolt|neo4j)(\+s)?:\/\/[^\s@/?#]+\/?\s*$/,
          says: 'begins with neo4j+s:// or bolt+s:// and ends after host and port',
        },
      },
      {
        name: 'username',
        aliases: ['neo4j_username', 'user'],
        label: 'User name',
        secret: false,
        required: true,
        hint: 'Best: a user of your own making with the role reader, or editor where tools are to change data.',
      },
      {
        name: 'password',
        aliases: ['neo4j_password'],
        label: 'Password',
        secret: true,
        required: true,
        hint: "The user's password; for Aura it was shown once, when the instance was made.",
      },
      {
        name: 'database',
        aliases: ['neo4j_database'],
        label: 'Database',
        secret: false,
        required: false,
        hint: 'Which database of the server. Left empty, it is neo4j.',
        format: { pattern: /^[A-Za-z][A-Za-z0-9.-]{0,62}$/, says: 'is a name of letters, digits, dots and dashes' },
      },
    ],
    check,
  },
  config: z.strictObject({
    request_timeout_sec: z.int().min(1).max(600).default(30).describe('Seconds until a statement is given up, here and at the server.'),
    max_open_conns: z.int().min(1).max(50).default(10).describe('Most statements at the same time from this process.'),
    max_idle_conns: z.int().min(0).max(50).default(5).describe('Connections kept open between calls, for up to a minute.'),
    accept_superuser: z
      .boolean()
      .default(false)
      .describe('Let tools run although the user has the role admin. An administrator should know why.'),
    allow_plain: z
      .boolean()
      .default(false)
      .describe('Let an address without +s be at another host: the password and all data cross the network in plain text.'),
    allow_procedures: z
      .array(z.string().regex(/^[A-Za-z_][\w]*(\.[A-Za-z_]\w*)*(\.\*)?$/))
      .max(200)
      .default([])
      .describe(
        'Procedures and functions besides the usual ones: apoc.coll.sum, or gds.* for all of a namespace. Some read files and call other servers.',
      ),
    ca_certificate: z
      .string()
      .max(64_000)
      .regex(/^\s*-----BEGIN CERTIFICATE-----/)
      .optional()
      .describe("PEM of the authority that signed the server's certificate, where it is a private one."),
  }),
  base: null,
  baseKey: '',
  hosts: [],
  tools,
})

/** Who the credential is, and what it should not be able to do. */
async function check(ctx: ToolContext): Promise<Checked> {
  const who = await ctx.session('neo4j').standing({ timeoutMs: Number(ctx.config.request_timeout_sec) * 1000 })
  const warnings: string[] = []
  if (who.powers.length > 0) {
    warnings.push(
      `This user is an ADMINISTRATOR (role ${who.powers.join(', ')}): it can manage users and databases. Tools refuse it until accept_superuser is set. Connect a user with the role reader or editor instead.`,
    )
  }
  if (who.edition === 'community') {
    warnings.push(
      'Community Edition has no roles: EVERY USER OF THIS SERVER MAY DO EVERYTHING. Only the tools themselves keep reads from writing.',
    )
  }
  if (!who.encrypted)
    warnings.push('The connection to this server is NOT ENCRYPTED: password and data cross the network in plain text. Use +s.')
  return {
    account: { id: who.user, label: who.version === null ? who.user : `${who.user} (Neo4j ${who.version})` },
    granted_scopes: who.roles,
    warnings,
  }
}
