/**
 * What the options of a MySQL connection string may do here. Names are read as every client spells them (`ssl-mode`, `sslMode`,
 * `ssl_mode`). Files of this host and code to load are never theirs to name, and none of them weakens the session unsaid.
 * Sources: https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html,
 * https://dev.mysql.com/doc/connector-j/en/connector-j-reference-configuration-properties.html,
 * https://mariadb.com/docs/connectors/mariadb-connector-j/about-mariadb-connector-j, and mysql2's own options.
 */
import { Fault } from '../../base/errors.ts'

export const malformed = (what: string, hint?: string): Fault =>
  new Fault('CREDENTIAL_MALFORMED', `the connection string ${what}`, {
    hint: hint ?? 'It looks like mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY.',
  })

/**
 * `DISABLED`: plain text · `REQUIRED`: encrypted, whoever answers · `VERIFY_CA`: the certificate must come from a known authority ·
 * `VERIFY_IDENTITY`: and must be for this host name.
 */
export type SslMode = 'DISABLED' | 'REQUIRED' | 'VERIFY_CA' | 'VERIFY_IDENTITY'

export interface JudgedOptions {
  sslMode: SslMode
  connectTimeoutMs: number | null
  /** A collation of utf8mb4. null: the server's own. */
  collation: string | null
  /** As `SET time_zone` takes it. null: the server's own. */
  timeZone: string | null
  /** Over plain text, the server may hand out the key by which the password travels: whoever sits between could hand out their own. */
  publicKeyRetrieval: boolean
  /** What the server lists the session under. */
  programName: string
}

/** Options that read files of this host, load code, or lead elsewhere. */
const REFUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    (
      'sslca sslcapath sslcert sslkey sslcrl sslcrlpath sslkeypass sslkeypassword tlscafile tlscertificatekeyfile serversslcert ' +
      'serverpublickeypath serverrsapublickeyfile rsapublickey keystore truststore clientcertificatekeystoreurl ' +
      'trustcertificatekeystoreurl trustcertificatekeystorepassword ' +
      'defaultsfile defaultsextrafile optionfiles readdefaultfile loginpath passwordcharacterencodingfile ociconfigfile ' +
      'authenticationociclientconfigprofile'
    )
      .split(' ')
      .map((name) => [name, 'names a file of this host; put the PEM of a private authority into the config as ca_certificate']),
  ),
  ...Object.fromEntries(
    'localinfile allowlocalinfile allowloadlocalinfile allowloadlocalinfileinpath allowurlinlocalinfile loadlocaldir infilestreamfactory'
      .split(' ')
      .map((name) => [name, 'would let the server ask for files of this host']),
  ),
  ...Object.fromEntries(
    'allowmultiqueries allowmultistatements multistatements multiplestatements'
      .split(' ')
      .map((name) => [name, 'would let one call hold several statements']),
  ),
  ...Object.fromEntries(
    (
      'plugindir mysqlplugindir defaultauth authmethod authplugins authswitchhandler authenticationplugins enablecleartextplugin ' +
      'allowcleartextpasswords insecureauth pluginauthenticationkerberosclientmode autodeserialize queryinterceptors ' +
      'statementinterceptors connectionlifecycleinterceptors exceptioninterceptors socketfactory propertiestransform typecast ' +
      'queryformat debug trace flags allowoldpasswords allownativepasswords allowfallbacktoplaintext'
    )
      .split(' ')
      .map((name) => [name, 'loads code or changes how sign-in works']),
  ),
  ...Object.fromEntries(
    'socket unixsocket socketpath localsocket pipe namedpipepath ssh sshpassword sshconfigfile sshidentityfile sshidentitypass dnssrv uri stream localaddress'
      .split(' ')
      .map((name) => [name, 'leads to another place than the host that is named']),
  ),
  ...Object.fromEntries(
    'sessionvariables initsql initcommand connectioninitsql sqlmode rowsasarray nesttables'
      .split(' ')
      .map((name) => [name, 'changes how statements are read or answered']),
  ),
  ...Object.fromEntries(
    'compression compressionalgorithms compressionlevel compress usecompression'.split(' ').map((name) => [name, 'is not spoken here']),
  ),
  ...Object.fromEntries(
    'password2 password3 passkey webauthn openididtokenfile'.split(' ').map((name) => [name, 'is a sign-in of more than one step']),
  ),
}

/** Settings of other clients that people paste along. They change nothing for us. */
const IGNORED = new Set(
  (
    'parsetime loc timeout readtimeout writetimeout maxallowedpacket interpolateparams clientfoundrows columnswithalias ' +
    'useunicode usejdbccomplianttimezoneshift uselegacydatetimecode zerodatetimebehavior tinyint1isbit rewritebatchedstatements ' +
    'useserverprepstmts cacheprepstmts prepstmtcachesize prepstmtcachesqllimit autoreconnect failoverreadonly sockettimeout ' +
    'tcpkeepalive connectionlimit poollimit pooltimeout pool poolsize maxidle idletimeout queuelimit waitforconnections ' +
    'supportbignumbers bignumberstrings datestrings decimalnumbers namedplaceholders jsonstrings enablekeepalive ' +
    'keepaliveinitialdelay netbufferlength charactersetresults nullcatalogmeanscurrent schema connectionattributes'
  ).split(' '),
)

const MODES: Readonly<Record<string, SslMode>> = {
  disabled: 'DISABLED',
  disable: 'DISABLED',
  // A client would fall back to plain text for this. A password is not sent in the clear because somebody stripped the TLS offer.
  preferred: 'REQUIRED',
  required: 'REQUIRED',
  // MariaDB's words.
  trust: 'REQUIRED',
  'verify-ca': 'VERIFY_CA',
  'verify-identity': 'VERIFY_IDENTITY',
  'verify-full': 'VERIFY_IDENTITY',
}

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1)$/i

/** `ssl-mode`, `sslMode` and `ssl_mode` are one name. */
const plainName = (name: string) => name.toLowerCase().replace(/[-_.]/g, '')

/** Faults: CREDENTIAL_MALFORMED for every option that is refused, unknown or ill-formed, by its name. */
export function judgeOptions(params: ReadonlyMap<string, string>, host: string): JudgedOptions {
  const local = LOOPBACK.test(host)
  const judged: JudgedOptions = {
    sslMode: local ? 'DISABLED' : 'VERIFY_IDENTITY',
    connectTimeoutMs: null,
    collation: null,
    timeZone: null,
    publicKeyRetrieval: false,
    programName: 'agentruntime',
  }
  const said = new Set<string>()
  for (const [written, value] of params) {
    const name = plainName(written)
    const shown = /^[a-z][a-z0-9_.-]{0,40}$/i.test(written) ? `the option ${written}` : 'an option'
    if (said.has(name)) throw malformed(`says ${shown} twice`)
    said.add(name)
    const why = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined
    if (why !== undefined) throw malformed(`uses ${shown}, which is not allowed here`, `Remove it: it ${why}.`)
    if (IGNORED.has(name)) continue
    judgeOne(name, shown, value, judged, local)
  }
  return judged
}

function judgeOne(name: string, shown: string, value: string, judged: JudgedOptions, local: boolean): void {
  switch (name) {
    case 'sslmode': {
      const word = value.toLowerCase().replaceAll('_', '-')
      const mode = MODES[word]
      if (!mode) throw malformed('has an unknown ssl-mode', 'Use DISABLED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY.')
      // Nobody listens between us and ourselves.
      judged.sslMode = local && word === 'preferred' ? 'DISABLED' : mode
      return
    }
    case 'ssl':
    case 'tls':
    case 'usessl':
    case 'requiressl':
      if (!/^(true|false|1|0|skip-verify|preferred)$/i.test(value)) {
        throw malformed(`has an unknown value for ${shown}`, 'Say ssl-mode=DISABLED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY instead.')
      }
      judged.sslMode = /^(false|0)$/i.test(value) ? 'DISABLED' : /^(true|1)$/i.test(value) ? 'VERIFY_IDENTITY' : 'REQUIRED'
      return
    case 'tlsversion':
    case 'tlsversions':
    case 'tlsciphersuites':
    case 'sslcipher':
    case 'enabledtlsprotocols':
    case 'enabledsslprotocolsuites':
      // TLS 1.2 and 1.3 are spoken whatever the string says: a narrower wish must not be passed over in silence.
      if (/^\[?\s*tlsv1\.2\s*,\s*tlsv1\.3\s*\]?$/i.test(value)) return
      throw malformed(`uses ${shown}, which is not supported here`, 'Remove it: TLS 1.2 and 1.3 are used with safe ciphers.')
    case 'getserverpublickey':
    case 'allowpublickeyretrieval':
      judged.publicKeyRetrieval = flag(shown, value)
      return
    case 'connecttimeout':
      // MySQL says milliseconds in a URI (seconds for some clients): what cannot be milliseconds is seconds.
      if (!/^\d{1,7}$/.test(value)) throw malformed('has a connect-timeout that is not a number of milliseconds')
      judged.connectTimeoutMs = Number(value) === 0 ? null : Number(value) < 100 ? Number(value) * 1000 : Number(value)
      return
    case 'charset':
    case 'characterset':
    case 'characterencoding':
    case 'defaultcharacterset':
      if (/^utf-?8(mb[34])?$/i.test(value)) return
      // mysql2 names a collation here.
      if (/^utf8mb4_[a-z0-9_]{1,40}$/i.test(value)) judged.collation = value.toLowerCase()
      else throw malformed(`asks for ${shown} other than utf8mb4`, 'Statements are sent as UTF-8; the server converts. Remove the option.')
      return
    case 'collation':
    case 'connectioncollation':
      if (!/^utf8mb4_[a-z0-9_]{1,40}$/i.test(value)) throw malformed(`asks for ${shown} that is not one of utf8mb4`)
      judged.collation = value.toLowerCase()
      return
    case 'timezone':
    case 'servertimezone':
    case 'connectiontimezone':
      judged.timeZone = zone(value)
      return
    case 'applicationname':
    case 'programname':
      judged.programName = value.replace(/[^ -~]/g, '').slice(0, 63) || judged.programName
      return
    default:
      throw malformed(`has ${shown} that is not known here`, 'Remove the option.')
  }
}

function flag(shown: string, value: string): boolean {
  if (!/^(true|false|1|0)$/i.test(value)) throw malformed(`has a value for ${shown} that is neither true nor false`)
  return /^(true|1)$/i.test(value)
}

function zone(value: string): string | null {
  if (/^(z|utc|gmt)$/i.test(value)) return '+00:00'
  if (/^(server|local|system)$/i.test(value)) return null
  // A + that was not percent-encoded.
  const offset = /^[ +]?(-?)(\d{1,2}:\d\d)$/.exec(value)
  if (offset) return `${offset[1] || '+'}${offset[2]!.padStart(5, '0')}`
  if (/^[a-z]+(?:[_/+-][a-z0-9_+-]+)*$/i.test(value) && value.length <= 64) return value
  throw malformed('has a timezone that is neither an offset (+02:00) nor a name (Europe/Amsterdam)')
}
