/** What the options of a PostgreSQL connection string may do here. Files on this host and code to load are never theirs to name. */
import { isIP } from 'node:net'
import { Fault } from '../../base/errors.ts'

export const malformed = (what: string, hint?: string): Fault =>
  new Fault('CREDENTIAL_MALFORMED', `the connection string ${what}`, {
    hint: hint ?? 'It looks like postgres://user:password@host:5432/database?sslmode=verify-full.',
  })

/**
 * `disable`: plain text · `require`: encrypted, whoever answers · `verify-ca`: the certificate must come from a known authority ·
 * `verify-full`: and must be for this host name.
 */
export type SslMode = 'disable' | 'require' | 'verify-ca' | 'verify-full'

/** libpq options that read files, load code or reach past the network: refused by name. */
const READS_FILES = new Set([
  'sslkey',
  'sslcert',
  'sslrootcert',
  'sslcrl',
  'sslcrldir',
  'sslpassword',
  'sslkeylogfile',
  'service',
  'servicefile',
  'passfile',
  'requirepeer',
  'krbsrvname',
  'gsslib',
  'gssdelegation',
  'hostaddr',
  'replication',
  'oauth_issuer',
  'oauth_client_id',
  'oauth_client_secret',
])

/** Settings of other clients that people paste along. They change nothing for us. */
const IGNORED = new Set([
  'uselibpqcompat',
  'pgbouncer',
  'connection_limit',
  'pool_timeout',
  'supa',
  'keepalives',
  'keepalives_idle',
  'keepalives_interval',
  'keepalives_count',
  'tcp_user_timeout',
  'fallback_application_name',
  'gssencmode',
  'sslcompression',
  'sslsni',
  'load_balance_hosts',
])

/** What `options=-c name=value` may set: where names are looked up, how long things may take, the zone of the clock. */
const SETTABLE = new Set(['search_path', 'timezone', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'])

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/i

const MODES: Record<string, SslMode> = {
  disable: 'disable',
  // libpq would fall back to plain text for these two. A password is not sent in the clear because somebody stripped the TLS
  // offer: they encrypt like `require`, and plain text must be asked for by `disable`.
  allow: 'require',
  prefer: 'require',
  require: 'require',
  // node-postgres' own word.
  'no-verify': 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
}

export interface JudgedOptions {
  sslmode: SslMode
  channelBinding: boolean
  primary: boolean
  connectTimeoutMs: number | null
  settings: Record<string, string>
}

/** Faults: CREDENTIAL_MALFORMED for every option that is refused, unknown or ill-formed, by its name. */
export function judgeOptions(params: Map<string, string>, hosts: readonly { host: string }[]): JudgedOptions {
  const local = hosts.every(({ host }) => LOOPBACK.test(host))
  const judged: JudgedOptions = {
    sslmode: local ? 'disable' : 'verify-full',
    channelBinding: false,
    primary: false,
    connectTimeoutMs: null,
    settings: { application_name: 'agentruntime' },
  }
  for (const [name, value] of params) {
    if (name === 'sslrootcert' && value === 'system') judged.sslmode = 'verify-full'
    else if (READS_FILES.has(name)) {
      throw malformed(`uses the option ${name}, which is not allowed here`, 'Options that name files or services of this host are refused.')
    } else if (IGNORED.has(name)) continue
    else judgeOne(name, value, judged, local)
  }
  if (judged.channelBinding && judged.sslmode === 'disable') throw malformed('asks for channel_binding without TLS')
  return judged
}

function judgeOne(name: string, value: string, judged: JudgedOptions, local: boolean): void {
  switch (name) {
    case 'sslmode': {
      const mode = MODES[value]
      if (!mode) throw malformed('has an unknown sslmode', 'Use disable, require, verify-ca or verify-full.')
      // Nobody listens between us and ourselves.
      judged.sslmode = local && (value === 'prefer' || value === 'allow') ? 'disable' : mode
      return
    }
    case 'ssl':
      if (!/^(true|1|false|0|no-verify)$/.test(value)) throw malformed('has an unknown value for ssl', 'Use sslmode instead.')
      judged.sslmode = value === 'no-verify' ? 'require' : /^(true|1)$/.test(value) ? 'verify-full' : 'disable'
      return
    case 'channel_binding':
      if (!/^(disable|prefer|require)$/.test(value)) throw malformed('has an unknown channel_binding')
      judged.channelBinding = value === 'require'
      return
    case 'target_session_attrs':
      if (!/^(any|read-write|primary)$/.test(value)) throw malformed('has a target_session_attrs other than any, read-write or primary')
      judged.primary = value !== 'any'
      return
    case 'connect_timeout':
      if (!/^\d{1,4}$/.test(value)) throw malformed('has a connect_timeout that is not a number of seconds')
      judged.connectTimeoutMs = Number(value) === 0 ? null : Number(value) * 1000
      return
    case 'application_name':
      judged.settings.application_name = value.slice(0, 63)
      return
    case 'client_encoding':
      if (!/^(utf-?8|unicode|auto)$/i.test(value)) throw malformed('asks for a client_encoding other than UTF8')
      return
    case 'options':
      sessionOptions(value, judged)
      return
    default:
      throw malformed(
        /^[a-z][a-z0-9_]{0,40}$/.test(name) ? `has an option ${name} that is not known here` : 'has an option that is not known here',
        'Remove the option.',
      )
  }
}

/** `-c name=value`, `--name=value`, or what hosted poolers route by: `endpoint=…`, `project=…`, `reference=…`. */
function sessionOptions(text: string, judged: JudgedOptions): void {
  const route = /^(endpoint|project|reference)=[a-z0-9-]{1,80}$/.exec(text.trim())
  if (route) {
    judged.settings.options = text.trim()
    return
  }
  let rest = text.trim()
  while (rest !== '') {
    const found = /^(?:-c\s*|--)([a-z_]+)=((?:[^\s\\]|\\.)*)(?:\s+|$)/i.exec(rest)
    if (!found) throw malformed('has an options value that is not a list of -c name=value')
    const name = found[1]!.toLowerCase()
    if (!SETTABLE.has(name)) throw malformed(`sets ${name.slice(0, 40)} through options, which is not allowed here`)
    judged.settings[name] = found[2]!.replace(/\\(.)/g, '$1')
    rest = rest.slice(found[0].length)
  }
}

/** TLS names are host names only (RFC 6066 §3). */
export const tlsName = (host: string): string | undefined => (isIP(host) === 0 ? host : undefined)
