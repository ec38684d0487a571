import { type Checked, connector, type ToolContext, z } from '../contract.ts'
import { reading } from './reading.ts'
import { limits } from './shapes.ts'
import { writing } from './writing.ts'

export default connector({
  slug: 'mongodb',
  title: 'MongoDB',
  about: 'Find, count, aggregate and change documents of one MongoDB database. Needs a connection string and the name of the database.',
  docs: 'https://www.mongodb.com/docs/manual/reference/connection-string/',
  auth: {
    kind: 'dsn',
    wire: 'mongodb',
    fields: [
      {
        name: 'uri',
        aliases: ['mongodb_uri', 'dsn'],
        label: 'Connection string',
        secret: true,
        required: true,
        hint: 'mongodb+srv://user:password@cluster.example.net (Atlas: Database → Connect → Drivers) or mongodb://user:password@host:27017. Percent-encode special characters of the password. Best: a user with the role read, or readWrite where tools shall change documents, on this one database.',
        format: { pattern: /^\s*mongodb(\+srv)?:\/\/\S+\s*$/, says: 'begins with mongodb:// or mongodb+srv://' },
      },
      {
        name: 'database',
        aliases: ['mongodb_database'],
        label: 'Database',
        secret: false,
        required: true,
        hint: 'The one database that tools work in, e.g. shop. It is not taken from the connection string.',
        format: {
          pattern: /^[^/\\. "$*<>:|?\x00]{1,63}$/,
          says: 'is a name of a database: at most 63 characters, without spaces and / \\ . " $ * < > : | ?',
        },
      },
    ],
    check,
  },
  config: z.strictObject({
    request_timeout_sec: z.int().min(1).max(600).default(30).describe('Seconds until a command is stopped at the server.'),
    max_open_conns: z
      .int()
      .min(1)
      .max(50)
      .default(10)
      .describe('Most connections to each server from this process, beside one that watches it.'),
    accept_superuser: z
      .boolean()
      .default(false)
      .describe('Let tools run although the user governs databases, users or the server. An administrator should know why.'),
    ca_certificate: z
      .string()
      .max(64_000)
      .regex(/^\s*-----BEGIN CERTIFICATE-----/)
      .optional()
      .describe("PEM of the authority that signed the servers' certificates, where it is a private one."),
  }),
  base: null,
  baseKey: '',
  hosts: [],
  tools: { ...reading, ...writing },
})

/** Who the credential is, what it may do with documents, and what it should not be able to do. */
async function check(ctx: ToolContext): Promise<Checked> {
  const who = await ctx.session('mongodb').whoami(limits(ctx))
  const warnings: string[] = []
  if (who.user === null) {
    warnings.push(
      'The server asks NOBODY TO SIGN IN: whoever reaches it governs it. Tools refuse it until accept_superuser is set. Turn access control on instead.',
    )
  } else if (who.powers.length > 0) {
    warnings.push(
      `This user is ${who.powers.join(' and ')}: it GOVERNS more than documents. Tools refuse it until accept_superuser is set. Connect a user with read or readWrite on ${who.database} instead.`,
    )
  }
  if (who.everywhere.length > 0)
    warnings.push(
      `This user has ${who.everywhere.join(' and ')}: it reaches every database of the deployment. A user of ${who.database} alone would do.`,
    )
  if (!who.tls && !who.loopback)
    warnings.push('The connection to this database is NOT ENCRYPTED. Remove tls=false from the connection string.')
  const name = who.user ?? 'anybody'
  return {
    account: {
      id: `${name}@${who.database}`,
      label: `${name} on ${who.database}${who.roles.length > 0 ? ` (${who.roles.join(', ')})` : ''}`,
    },
    granted_scopes: who.grants,
    warnings,
  }
}
