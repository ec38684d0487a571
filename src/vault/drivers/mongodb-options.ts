/**
 * What the options of a MongoDB connection string may do here. Files on this host, proxies and a weaker TLS are never theirs to name.
 * The list: https://www.mongodb.com/docs/manual/reference/connection-string-options/ and what the driver reads beside it.
 */
import { Fault } from '../../base/errors.ts'

export const malformed = (what: string, hint?: string): Fault =>
  new Fault('CREDENTIAL_MALFORMED', `the connection string ${what}`, {
    hint: hint ?? 'It looks like mongodb+srv://user:password@cluster.example.net or mongodb://user:password@host:27017.',
  })

export interface MongoOptions {
  replicaSet?: string
  directConnection?: true
  tls: boolean
  authSource?: string
  authMechanism?: 'SCRAM-SHA-1' | 'SCRAM-SHA-256'
  appName: string
  connectTimeoutMS?: number
  serverSelectionTimeoutMS?: number
  socketTimeoutMS?: number
  timeoutMS?: number
  maxIdleTimeMS?: number
  waitQueueTimeoutMS?: number
  heartbeatFrequencyMS?: number
  localThresholdMS?: number
  maxPoolSize?: number
  retryWrites?: boolean
  retryReads?: boolean
  w?: 'majority' | number | string
  journal?: boolean
  wtimeoutMS?: number
  readConcernLevel?: ReadConcern
  readPreference?: ReadPreference
  readPreferenceTags?: Record<string, string>[]
  maxStalenessSeconds?: number
  srvServiceName?: string
}
type ReadConcern = (typeof READ_CONCERNS)[number]
type ReadPreference = (typeof READ_PREFERENCES)[number]

const READ_CONCERNS = ['local', 'available', 'majority', 'linearizable', 'snapshot'] as const
const READ_PREFERENCES = ['primary', 'primaryPreferred', 'secondary', 'secondaryPreferred', 'nearest'] as const
/**
 * X.509, Kerberos, AWS and OIDC take keys from files, tickets or metadata services of this host; PLAIN (LDAP) hands the password itself
 * to whoever answers.
 */
const MECHANISMS = ['SCRAM-SHA-1', 'SCRAM-SHA-256'] as const

/** Refused whatever their value, each with its reason; by name in lower case, because the driver reads them so. */
const REFUSED: Record<string, string> = {
  tlscafile: FILE(),
  tlscrlfile: FILE(),
  tlscertificatekeyfile: FILE(),
  tlscertificatekeyfilepassword: FILE(),
  tlscertificatefile: FILE(),
  sslca: FILE(),
  sslcert: FILE(),
  sslkey: FILE(),
  sslpass: FILE(),
  sslcrl: FILE(),
  mongodblogpath: FILE(),
  authmechanismproperties: 'they belong to ways to sign in that are not allowed here',
  gssapiservicename: 'it belongs to a way to sign in that is not allowed here',
  proxyhost: 'connections go through no proxy of somebody else',
  proxyport: 'connections go through no proxy of somebody else',
  proxyusername: 'connections go through no proxy of somebody else',
  proxypassword: 'connections go through no proxy of somebody else',
  autoencryption: 'it would load a library and ask key services',
  srvallowedhostssuffix: 'hosts that DNS names must lie in the domain of the connection string',
  srvhostvalidator: 'hosts that DNS names must lie in the domain of the connection string',
  servername: 'a certificate is held against the name of its host',
  lookup: 'addresses are looked up and judged here',
  localaddress: 'addresses are looked up and judged here',
}
function FILE(): string {
  return 'options that name files of this host are refused'
}

/** Refused when switched on. */
const REFUSED_WHEN_TRUE: Record<string, string> = {
  tlsinsecure: 'certificates are verified',
  tlsallowinvalidcertificates: 'certificates are verified',
  tlsallowinvalidhostnames: 'certificates are verified',
  tlsdisableocspendpointcheck: 'certificates are verified',
  tlsdisablecertificaterevocationcheck: 'certificates are verified',
  loadbalanced: 'deployments behind a load balancer are not supported',
  forceserverobjectid: 'the result of an insert names its document',
  // Unacknowledged by another name.
  fsync: 'it is no longer an option of MongoDB',
}

/** Settings of other clients, of speed alone, or about values that never come from the string here. They change nothing for us. */
const IGNORED = new Set([
  'compressors',
  'zlibcompressionlevel',
  'uuidrepresentation',
  'minpoolsize',
  'maxconnecting',
  'servermonitoringmode',
  'waitqueuemultiple',
  'maxidlesessions',
  'nodelay',
  'family',
  'autoselectfamily',
  'autoselectfamilyattempttimeout',
  'keepalive',
  'keepalivems',
  'maxadaptiveretries',
  'enableoverloadretargeting',
  'minheartbeatfrequencyms',
])

const number = (name: string, value: string, most = 3_600_000): number => {
  if (!/^\d{1,9}$/.test(value) || Number(value) > most) throw malformed(`has a ${name} that is not a whole number up to ${most}`)
  return Number(value)
}
const flag = (name: string, value: string): boolean => {
  if (value !== 'true' && value !== 'false') throw malformed(`has a ${name} that is neither true nor false`)
  return value === 'true'
}
const oneOf = <T extends string>(name: string, value: string, of: readonly T[]): T => {
  const found = of.find((one) => one === value)
  if (found === undefined) throw malformed(`has a ${name} that is not allowed here`, `One of: ${of.join(', ')}.`)
  return found
}
const word = (name: string, value: string): string => {
  if (!/^[^\s\x00-\x1f]{1,128}$/.test(value)) throw malformed(`has a ${name} that is not one word`)
  return value
}

type Take = (to: MongoOptions, name: string, value: string) => void
const millis =
  (
    key:
      | 'connectTimeoutMS'
      | 'serverSelectionTimeoutMS'
      | 'socketTimeoutMS'
      | 'timeoutMS'
      | 'maxIdleTimeMS'
      | 'waitQueueTimeoutMS'
      | 'heartbeatFrequencyMS'
      | 'localThresholdMS'
      | 'wtimeoutMS',
  ): Take =>
  (to, name, value) => {
    to[key] = number(name, value)
  }
const tls: Take = (to, name, value) => {
  to.tls = flag(name, value)
}
const journal: Take = (to, name, value) => {
  to.journal = flag(name, value)
}

const TAKEN: Record<string, Take> = {
  replicaset: (to, name, value) => {
    to.replicaSet = word(name, value)
  },
  directconnection: (to, name, value) => {
    if (flag(name, value)) to.directConnection = true
  },
  tls,
  ssl: tls,
  authsource: (to, name, value) => {
    to.authSource = oneDatabase(name, value)
  },
  authmechanism: (to, name, value) => {
    if (value !== 'DEFAULT') to.authMechanism = oneOf(name, value, MECHANISMS)
  },
  appname: (to, _name, value) => {
    to.appName = value.replace(/[^\x20-\x7e]/g, '').slice(0, 100) || to.appName
  },
  connecttimeoutms: millis('connectTimeoutMS'),
  serverselectiontimeoutms: millis('serverSelectionTimeoutMS'),
  sockettimeoutms: millis('socketTimeoutMS'),
  timeoutms: millis('timeoutMS'),
  maxidletimems: millis('maxIdleTimeMS'),
  waitqueuetimeoutms: millis('waitQueueTimeoutMS'),
  heartbeatfrequencyms: (to, name, value) => {
    to.heartbeatFrequencyMS = Math.max(500, number(name, value))
  },
  localthresholdms: millis('localThresholdMS'),
  maxpoolsize: (to, name, value) => {
    to.maxPoolSize = number(name, value)
  },
  retrywrites: (to, name, value) => {
    to.retryWrites = flag(name, value)
  },
  retryreads: (to, name, value) => {
    to.retryReads = flag(name, value)
  },
  w: (to, name, value) => {
    if (value === '0') throw malformed('asks for writes that nobody acknowledges (w=0)', 'Leave w out, or say w=majority.')
    to.w = /^\d+$/.test(value) ? number(name, value, 50) : word(name, value)
  },
  journal,
  j: journal,
  wtimeoutms: millis('wtimeoutMS'),
  wtimeout: millis('wtimeoutMS'),
  readconcernlevel: (to, name, value) => {
    to.readConcernLevel = oneOf(name, value, READ_CONCERNS)
  },
  readpreference: (to, name, value) => {
    to.readPreference = oneOf(name, value, READ_PREFERENCES)
  },
  readpreferencetags: (to, name, value) => {
    const pairs = value === '' ? [] : value.split(',').map((pair) => pair.split(':'))
    if (pairs.some((pair) => pair.length !== 2 || pair[0] === '')) throw malformed(`has ${name} that are not name:value pairs`)
    const tags = Object.fromEntries(pairs as [string, string][])
    to.readPreferenceTags = [...(to.readPreferenceTags ?? []), tags]
  },
  maxstalenessseconds: (to, name, value) => {
    if (value === '-1') return
    const seconds = number(name, value, 86_400)
    if (seconds < 90) throw malformed(`has a ${name} below 90`)
    to.maxStalenessSeconds = seconds
  },
  srvservicename: (to, name, value) => {
    if (!/^[a-z0-9-]{1,15}$/i.test(value)) throw malformed(`has a ${name} that is no name of a service`)
    to.srvServiceName = value
  },
  srvmaxhosts: (_to, name, value) => {
    if (number(name, value) !== 0) throw malformed(`limits the hosts of DNS by ${name}, which is not supported`, 'Remove the option.')
  },
}

export function oneDatabase(name: string, value: string): string {
  if (value === '$external')
    throw malformed(
      `has the ${name} $external, which is not allowed here`,
      'Users of X.509, Kerberos, LDAP, AWS and OIDC are not supported.',
    )
  if (!/^[^/\\. "$*<>:|?\x00]{1,63}$/.test(value)) throw malformed(`has a ${name} that is no name of a database`)
  return value
}

/** Options that may stand several times: the order of the lists of tags means something. */
const REPEATED = new Set(['readpreferencetags'])

/** Faults: CREDENTIAL_MALFORMED for every option that is refused, unknown, ill-formed or said twice, by its name. */
export function judgeOptions(given: readonly (readonly [string, string])[], usual: { tls: boolean }): MongoOptions {
  const judged: MongoOptions = { tls: usual.tls, appName: 'agentruntime' }
  const seen = new Set<string>()
  for (const [name, value] of given) {
    const key = name.toLowerCase()
    if (!/^[a-z]{1,40}$/.test(key)) throw malformed('has an option that is not known here', 'Remove the option.')
    // Two spellings of one thing, of which another reader may take the other.
    const meant = ({ ssl: 'tls', j: 'journal', wtimeout: 'wtimeoutms' } as Record<string, string>)[key] ?? key
    if (seen.has(meant) && !REPEATED.has(meant)) throw malformed(`has the option ${name} twice`)
    seen.add(meant)
    const why = Object.hasOwn(REFUSED, key) ? REFUSED[key] : undefined
    if (why !== undefined) throw malformed(`uses the option ${name}, which is not allowed here`, sentence(why))
    if (Object.hasOwn(REFUSED_WHEN_TRUE, key)) {
      if (flag(name, value)) throw malformed(`switches ${name} on, which is not allowed here`, sentence(REFUSED_WHEN_TRUE[key]!))
    } else if (Object.hasOwn(TAKEN, key)) TAKEN[key]!(judged, name, value)
    else if (!IGNORED.has(key)) throw malformed(`has an option ${name} that is not known here`, 'Remove the option.')
  }
  if (judged.maxStalenessSeconds !== undefined && (judged.readPreference ?? 'primary') === 'primary')
    throw malformed('has maxStalenessSeconds for reads from the primary', 'Name another readPreference beside it.')
  if (judged.readPreferenceTags !== undefined && (judged.readPreference ?? 'primary') === 'primary')
    throw malformed('has readPreferenceTags for reads from the primary', 'Name another readPreference beside it.')
  return judged
}

const sentence = (why: string) => `${why[0]!.toUpperCase()}${why.slice(1)}.`
