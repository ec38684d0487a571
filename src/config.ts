/** The only reader of process.env and of the start command's flags. Returns one frozen object. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { bytesOf, canonicalHost } from './base/addresses.ts'
import { parseAllow } from './base/egress.ts'
import { fail } from './base/errors.ts'
import { parseProxy, type ProxySettings } from './base/egress-proxy.ts'
import { parseSmtp, type SmtpSettings } from './base/mail.ts'
import { type Clients, readClients } from './clients.ts'
import { conceal, type RootKeySource, type Secret } from './vault/index.ts'

export const VERSION = '0.1.0'

export interface Config {
  readonly host: string
  readonly port: number
  readonly dataDir: string
  /** null: bring our own PostgreSQL. */
  readonly databaseUrl: string | null
  readonly rootKey: RootKeySource
  readonly ownerPatFile: string | null
  readonly demo: boolean
  readonly json: boolean
  readonly logLevel: string
  readonly logFile: string | null
  /** Private addresses that connectors may reach, exact host and port. */
  readonly allowPrivate: readonly { host: string; port: number }[]
  readonly egressProxy: ProxySettings | null
  /** What our requests come from, as the operator knows it. */
  readonly egressAddresses: readonly string[]
  /** As people reach this server; null: as it listens. No slash at the end. */
  readonly publicUrl: string | null
  /** Addresses of proxies in front of this server: what they say of their clients is believed. */
  readonly trustedProxies: readonly string[]
  /** Without it no mail is sent. */
  readonly smtp: SmtpSettings | null
  /** By way of which OpenID providers people sign in. */
  readonly signInWith: Clients['signInWith']
  /** OAuth apps for every workspace of this deployment. */
  readonly oauthApps: Clients['oauthApps']
  readonly oauthSecrets: Clients['oauthSecrets']
  /** How long audit entries are kept; null: for ever. */
  readonly auditRetentionDays: number | null
  /** Where events about connections go. */
  readonly eventsTo: { url: string; secret: Secret } | null
}
const FLAGS = {
  host: { type: 'string', env: 'AGENTRUNTIME_HOST', about: 'address to listen on (127.0.0.1)' },
  port: { type: 'string', env: 'AGENTRUNTIME_PORT', about: 'port to listen on (8787; 0 picks a free one)' },
  'data-dir': { type: 'string', env: 'AGENTRUNTIME_DATA_DIR', about: 'where everything is kept (./data)' },
  'database-url': { type: 'string', env: 'DATABASE_URL', about: 'PostgreSQL 15 or newer to use instead of our own' },
  'root-key-file': { type: 'string', env: 'AGENTRUNTIME_ROOT_KEY_FILE', about: 'file with the root key (<data-dir>/root.key)' },
  'root-key-command': {
    type: 'string',
    env: 'AGENTRUNTIME_ROOT_KEY_COMMAND',
    about: 'program that prints the root key: words or a JSON array, run without a shell',
  },
  'owner-pat-file': {
    type: 'string',
    env: 'AGENTRUNTIME_OWNER_PAT_FILE',
    about: 'file that gets a token of the owner at the start, unless it holds one that works (mode 0600)',
  },
  'allow-private': {
    type: 'string',
    multiple: true,
    env: 'AGENTRUNTIME_ALLOW_PRIVATE',
    about: 'host:port in a private range that connectors may reach; repeatable',
  },
  'egress-proxy': {
    type: 'string',
    env: 'AGENTRUNTIME_EGRESS_PROXY',
    about: 'proxy that every connection to others goes through: http://proxy.internal:3128, https://… (CONNECT) or socks5://…',
  },
  'egress-proxy-credentials-file': {
    type: 'string',
    env: 'AGENTRUNTIME_EGRESS_PROXY_CREDENTIALS_FILE',
    about: 'file with user:password for that proxy',
  },
  'egress-proxy-resolves': {
    type: 'boolean',
    env: 'AGENTRUNTIME_EGRESS_PROXY_RESOLVES',
    about: 'that proxy resolves names; only names are judged then, and not where they lead',
  },
  'egress-address': {
    type: 'string',
    multiple: true,
    env: 'AGENTRUNTIME_EGRESS_ADDRESS',
    about: 'address or range that others see our requests come from, for GET /v1/egress; repeatable',
  },
  'public-url': {
    type: 'string',
    env: 'AGENTRUNTIME_PUBLIC_URL',
    about: 'as people reach this server, such as https://agents.example.com (http://<host>:<port>)',
  },
  'trusted-proxy': {
    type: 'string',
    multiple: true,
    env: 'AGENTRUNTIME_TRUSTED_PROXY',
    about: 'address of a proxy in front, whose X-Forwarded-For is believed; repeatable',
  },
  'smtp-url-file': {
    type: 'string',
    env: 'AGENTRUNTIME_SMTP_URL_FILE',
    about: 'file with the mail server: smtps://user:password@mail.example.com, or smtp:// with STARTTLS',
  },
  'mail-from': { type: 'string', env: 'AGENTRUNTIME_MAIL_FROM', about: 'sender of the mail: AgentRuntime <agents@example.com>' },
  'sign-in-file': {
    type: 'string',
    env: 'AGENTRUNTIME_SIGN_IN_FILE',
    about:
      'JSON file with OpenID providers to sign in by: {"google": {"title": "Google", "issuer": "https://accounts.google.com", "client_id": "…", "client_secret": "…"}}',
  },
  'oauth-apps-file': {
    type: 'string',
    env: 'AGENTRUNTIME_OAUTH_APPS_FILE',
    about: 'JSON file with OAuth apps for every workspace: {"google": {"client_id": "…", "client_secret": "…"}}',
  },
  'events-url': { type: 'string', env: 'AGENTRUNTIME_EVENTS_URL', about: 'gets a signed event for each change of a connection’s state' },
  'events-secret-file': {
    type: 'string',
    env: 'AGENTRUNTIME_EVENTS_SECRET_FILE',
    about: 'file with the signing secret of these events (whsec_…, Standard Webhooks)',
  },
  'audit-retention-days': {
    type: 'string',
    env: 'AGENTRUNTIME_AUDIT_RETENTION_DAYS',
    about: 'days that audit entries are kept (for ever)',
  },
  'no-demo': { type: 'boolean', env: 'AGENTRUNTIME_NO_DEMO', about: 'leave out the demo of the first start' },
  json: { type: 'boolean', env: 'AGENTRUNTIME_JSON', about: 'one JSON line when ready, and errors as JSON' },
  'log-level': { type: 'string', env: 'AGENTRUNTIME_LOG_LEVEL', about: 'trace, debug, info, warn, error (info)' },
  'log-file': {
    type: 'string',
    env: 'AGENTRUNTIME_LOG_FILE',
    about: 'write the log there (<data-dir>/agentruntime.log; - is standard error)',
  },
} as const
type Flag = keyof typeof FLAGS

/** The table of flags, for --help and the README. */
export const flagTable = (): { flag: string; env: string; about: string }[] =>
  Object.entries(FLAGS).map(([flag, f]) => ({ flag: `--${flag}`, env: f.env, about: f.about }))

export function readConfig(argv: readonly string[], env: NodeJS.ProcessEnv = process.env): Config {
  let values: Partial<Record<Flag, string | boolean | string[]>>
  try {
    const options = Object.fromEntries(Object.entries(FLAGS).map(([k, f]) => [k, { type: f.type, multiple: 'multiple' in f }]))
    values = parseArgs({ args: [...argv], options: options as never, allowPositionals: false, strict: true }).values as never
  } catch (error) {
    fail('INVALID_INPUT', (error as Error).message.split('. To specify')[0] ?? 'unknown flag', {
      hint: 'agentruntime start --help lists the flags.',
    })
  }
  const text = (flag: Flag): string | undefined => {
    const value = values[flag] ?? env[FLAGS[flag].env]
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const yes = (flag: Flag): boolean => values[flag] === true || /^(1|true|yes)$/i.test(env[FLAGS[flag].env] ?? '')
  const port = Number(text('port') ?? 8787)
  if (!Number.isInteger(port) || port < 0 || port > 65_535) fail('INVALID_INPUT', '--port must be a number from 0 to 65535')
  const databaseUrl = text('database-url') ?? null
  if (databaseUrl && !/^postgres(ql)?:\/\//.test(databaseUrl))
    fail('INVALID_INPUT', '--database-url must begin with postgres:// or postgresql://')
  const dataDir = resolve(text('data-dir') ?? 'data')
  const list = (flag: Flag): string[] =>
    ((values[flag] as string[] | undefined) ?? env[FLAGS[flag].env]?.split(',').filter(Boolean) ?? []).map((entry) => entry.trim())
  return Object.freeze({
    host: text('host') ?? '127.0.0.1',
    port,
    dataDir,
    databaseUrl,
    rootKey: rootKeySource(text('root-key-file'), text('root-key-command'), env.AGENTRUNTIME_ROOT_KEY, dataDir),
    ownerPatFile: text('owner-pat-file') ?? null,
    demo: !yes('no-demo'),
    json: yes('json'),
    logLevel: text('log-level') ?? 'info',
    logFile: text('log-file') ?? null,
    allowPrivate: list('allow-private').map(parseAllow),
    egressProxy: egressProxy(text('egress-proxy'), text('egress-proxy-credentials-file'), yes('egress-proxy-resolves')),
    egressAddresses: list('egress-address').map(rangeOf),
    publicUrl: publicUrl(text('public-url')),
    trustedProxies: list('trusted-proxy').map(addressOf),
    smtp: smtp(text('smtp-url-file'), text('mail-from')),
    ...readClients(text('oauth-apps-file'), text('sign-in-file')),
    auditRetentionDays: days(text('audit-retention-days')),
    eventsTo: eventsTo(text('events-url'), text('events-secret-file')),
  })
}

function rootKeySource(file: string | undefined, command: string | undefined, value: string | undefined, dataDir: string): RootKeySource {
  if (file && command) fail('INVALID_INPUT', 'give either --root-key-file or --root-key-command, not both')
  if (file) return { kind: 'file', path: resolve(file) }
  if (command) return { kind: 'command', argv: commandLine(command) }
  if (value) return { kind: 'value', name: 'AGENTRUNTIME_ROOT_KEY', value: conceal(value) }
  return { kind: 'file', path: resolve(dataDir, 'root.key') }
}

function days(text: string | undefined): number | null {
  if (text === undefined) return null
  return /^[1-9]\d{0,4}$/.test(text) ? Number(text) : fail('INVALID_INPUT', '--audit-retention-days must be a number of days from 1')
}

function addressOf(text: string): string {
  const address = canonicalHost(text)
  if (address !== undefined && bytesOf(address)) return address
  return fail('INVALID_INPUT', '--trusted-proxy must be an IP address', { hint: 'Such as 127.0.0.1, for a proxy on this machine.' })
}

function rangeOf(text: string): string {
  const [, written = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const address = canonicalHost(written)
  const bytes = address === undefined ? undefined : bytesOf(address)
  if (bytes && Number(bits ?? 0) <= bytes.length * 8) return bits === undefined ? (address as string) : `${address}/${bits}`
  return fail('INVALID_INPUT', '--egress-address must be an IP address or a range', { hint: 'Such as 203.0.113.7 or 203.0.113.0/29.' })
}

function egressProxy(url: string | undefined, credentialsFile: string | undefined, resolves: boolean): ProxySettings | null {
  if (url === undefined) {
    if (credentialsFile !== undefined || resolves) fail('INVALID_INPUT', 'settings of the egress proxy need --egress-proxy')
    return null
  }
  return parseProxy(url, credentialsFile === undefined ? undefined : fileText('--egress-proxy-credentials-file', credentialsFile), resolves)
}

/** A file of one line. */
function fileText(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (error) {
    return fail('INVALID_INPUT', `${flag} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function publicUrl(text: string | undefined): string | null {
  if (text === undefined) return null
  const url = URL.parse(text)
  if (!url || !/^https?:$/.test(url.protocol) || url.pathname !== '/' || url.search !== '' || url.username !== '')
    fail('INVALID_INPUT', '--public-url must be like https://agents.example.com, without a path')
  return url.origin
}

function eventsTo(url: string | undefined, secretFile: string | undefined): Config['eventsTo'] {
  if (url === undefined) return null
  if (!URL.canParse(url)) fail('INVALID_INPUT', '--events-url is not a URL')
  if (secretFile === undefined) fail('INVALID_INPUT', '--events-url needs --events-secret-file: events are always signed')
  const secret = fileText('--events-secret-file', secretFile)
  // Standard Webhooks: 24 to 64 bytes in base64, after the prefix.
  if (!/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/.test(secret))
    fail('INVALID_INPUT', '--events-secret-file must hold whsec_ and 24 to 64 bytes in base64', {
      hint: 'echo "whsec_$(openssl rand -base64 32)"',
    })
  return { url, secret: conceal(secret) }
}

function smtp(file: string | undefined, from: string | undefined): SmtpSettings | null {
  return file === undefined ? null : parseSmtp(fileText('--smtp-url-file', file), from)
}

function commandLine(text: string): string[] {
  if (!text.trimStart().startsWith('[')) return text.trim().split(/\s+/)
  try {
    const argv: unknown = JSON.parse(text)
    if (Array.isArray(argv) && argv.length > 0 && argv.every((a) => typeof a === 'string')) return argv
  } catch {
    // falls through to the one sentence below
  }
  return fail('INVALID_INPUT', '--root-key-command must be a program with arguments, or a JSON array of strings')
}

export interface CliConfig {
  readonly url: string | null
  readonly token: string | null
  readonly tokenFile: string | null
  readonly color: boolean
  readonly configDir: string
}

/** What the command line takes from the environment. Its own flags are read where they are used. */
export function readCliConfig(env: NodeJS.ProcessEnv = process.env): CliConfig {
  const text = (name: string): string | null => env[name]?.trim() || null
  const base = text('XDG_CONFIG_HOME') ?? (process.platform === 'win32' ? text('APPDATA') : null) ?? join(homedir(), '.config')
  return Object.freeze({
    url: text('AGENTRUNTIME_URL'),
    token: text('AGENTRUNTIME_TOKEN'),
    tokenFile: text('AGENTRUNTIME_TOKEN_FILE'),
    // https://no-color.org: set and not empty.
    color: !env.NO_COLOR && env.TERM !== 'dumb',
    configDir: join(base, 'agentruntime'),
  })
}
