import { type Checked, connector, type ToolContext, z } from '../contract.ts'
import { reading } from './reading.ts'
import { rules } from './rules.ts'
import { writing } from './writing.ts'

export default connector({
  slug: 'firestore',
  title: 'Firestore',
  about:
    'Read, query and change the documents of one Cloud Firestore database, and look at its security rules. Needs the key of a service account.',
  docs: 'https://cloud.google.com/iam/docs/keys-create-delete',
  auth: {
    kind: 'dsn',
    wire: 'firestore',
    fields: [
      {
        name: 'service_account_json',
        aliases: ['firestore_credentials_json'],
        label: 'Service account key',
        secret: true,
        required: true,
        hint: 'The whole JSON file of a key: Google Cloud console, IAM & Admin, Service accounts, Keys, Add key. Least roles: Cloud Datastore Viewer to read, Cloud Datastore User to write, Firebase Rules Viewer for the rules.',
        format: {
          pattern: /^\s*\{[\s\S]*"type"\s*:\s*"service_account"[\s\S]*\}\s*$/,
          says: 'is the JSON of a service account key (not the path of the file)',
        },
      },
      {
        name: 'project_id',
        aliases: ['firestore_project_id'],
        label: 'Project ID',
        secret: false,
        required: false,
        hint: 'Only where the database is in another project than the one that the key names.',
        format: { pattern: /^[a-z][a-z0-9-]{4,28}[a-z0-9]$/, says: 'is 6 to 30 small letters, digits and hyphens' },
      },
      {
        name: 'database',
        aliases: ['firestore_database'],
        label: 'Database ID',
        secret: false,
        required: false,
        hint: 'Left out: (default). Named databases are listed in the console under Firestore.',
        format: {
          pattern: /^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$/,
          says: 'is (default), or 4 to 63 small letters, digits and hyphens',
        },
      },
    ],
    check,
  },
  config: z.strictObject({
    request_timeout_sec: z.int().min(1).max(600).default(30).describe('Seconds until a call is cancelled at the server.'),
    api_base: z
      .url({ protocol: /^https?$/ })
      .refine((text) => URL.parse(text)?.origin === text.replace(/\/$/, ''), 'is an address without user, path or query')
      .optional()
      .describe('A test endpoint that answers as Firestore, as the rules API and (at /token) as the token endpoint. Left out: Google.'),
  }),
  base: null,
  baseKey: 'api_base',
  hosts: [],
  tools: { ...reading, ...writing, ...rules },
})

/** The token proves the key, and one list of collections proves the role. What the role may do besides, Google does not tell here. */
async function check(ctx: ToolContext): Promise<Checked> {
  const { account, project, database } = await ctx.session('firestore').check()
  const plain = typeof ctx.config.api_base === 'string' && ctx.config.api_base.startsWith('http:')
  return {
    account: {
      id: `${account}@${project}/${database}`,
      label: `${account} on ${project}${database === '(default)' ? '' : `/${database}`}`,
    },
    granted_scopes: null,
    warnings: plain ? ['The connection to this endpoint is NOT ENCRYPTED. Use it for tests only.'] : [],
  }
}
