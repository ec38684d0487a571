import { type Checked, connector, type ToolContext, z } from '../contract.ts'
import { counters } from './counters.ts'
import { keys } from './keys.ts'

export default connector({
  slug: 'redis',
  title: 'Redis',
  about: 'Read and store values in a Redis (or Valkey) database: strings, counters, expiry, and any command that works on data.',
  docs: 'https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/',
  auth: {
    kind: 'dsn',
    wire: 'redis',
    fields: [
      {
        name: 'dsn',
        aliases: ['url', 'redis_url'],
        label: 'Connection string',
        secret: true,
        required: true,
        hint: 'rediss://user:password@host:6379/0 (rediss is with TLS). Percent-encode special characters of the password. Best: an ACL user with the commands and key patterns that the work needs, such as ~app:* +@read +@write -@dangerous.',
        format: { pattern: /^\s*rediss?:\/\/\S+\s*$/, says: 'begins with rediss:// or redis:// and has no spaces' },
      },
    ],
    check,
  },
  config: z.strictObject({
    request_timeout_sec: z.int().min(1).max(600).default(30).describe('Seconds until a command is given up and its connection cut.'),
    max_open_conns: z.int().min(1).max(50).default(10).describe('Most connections to the server from this process.'),
    max_idle_conns: z.int().min(0).max(50).default(5).describe('Connections kept open between calls, for up to a minute.'),
    accept_superuser: z
      .boolean()
      .default(false)
      .describe('Let tools run although the user could change or stop the server (@dangerous). An administrator should know why.'),
    allow_plain: z
      .boolean()
      .default(false)
      .describe('Let redis:// (no TLS) go to another host: the password and all data cross the network in plain text.'),
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
  tools: { ...keys, ...counters },
})

/** Who the credential is, and what it should not be able to do. */
async function check(ctx: ToolContext): Promise<Checked> {
  const who = await ctx.session('redis').standing({ timeoutMs: Number(ctx.config.request_timeout_sec) * 1000 })
  const warnings: string[] = []
  if (who.powers.length > 0) {
    warnings.push(
      `This user can CHANGE OR STOP THE SERVER: it may run ${who.powers.join(', ')}. Tools refuse it until accept_superuser is set. Connect an ACL user without @dangerous and @admin instead.`,
    )
  }
  if (who.open === true)
    warnings.push(
      'The user "default" of this server has NO PASSWORD: anybody who reaches the server is let in. Set one, or turn that user off.',
    )
  if (!who.encrypted)
    warnings.push('The connection to this server is NOT ENCRYPTED: password and data cross the network in plain text. Use rediss://.')
  if (who.mode === 'cluster')
    warnings.push('This server is part of a cluster. Keys of its other servers cannot be reached by this connection.')
  return {
    account: { id: who.user, label: `${who.user} (Redis${who.version === null ? '' : ` ${who.version}`})` },
    granted_scopes: who.rules,
    warnings,
  }
}
