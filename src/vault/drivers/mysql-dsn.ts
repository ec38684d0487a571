/**
 * MySQL connection strings to one shape. What each option may do here is decided in mysql-options.ts.
 * Syntax: https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html
 */
import { isIP } from 'node:net'
import { type JudgedOptions, judgeOptions, malformed } from './mysql-options.ts'

/** Longer than any real one; keeps the parser's work small. */
const MAX_DSN_LENGTH = 8192
const DEFAULT_PORT = 3306

export interface MysqlDsn extends JudgedOptions {
  host: string
  port: number
  user: string
  password: string
  /** null: the session begins in no database. */
  database: string | null
}

interface Written {
  user: string
  /** The password before percent-decoding. */
  raw: string | null
  place: string
  path: string
  query: string
}

/** Faults: CREDENTIAL_MALFORMED, naming what is wrong and never the value. */
export function parseMysqlDsn(dsn: string): MysqlDsn {
  const { user, raw, place, path, query } = written(dsn)
  const { host, port } = placeOf(place)
  const name = decoded(user, 'user name')
  if (name === '') throw malformed('names no user name')
  const database = decoded(path.slice(1), 'database name')
  if (database.length > 64 || /[/\\]/.test(database)) throw malformed('has a database name that cannot be one')
  const params = new Map<string, string>()
  for (const pair of query.split('&').filter((p) => p !== '')) {
    const [key, ...value] = pair.split('=')
    if (value.length === 0) throw malformed('has an option without a value')
    const option = decoded(key!, 'option name')
    if (/^(user|username|password|password1|host|port|database)$/i.test(option)) {
      throw malformed(
        `says ${option.toLowerCase()} among its options`,
        'User, password, host, port and database stand before the question mark.',
      )
    }
    if (params.has(option)) throw malformed('says an option twice')
    params.set(option, decoded(value.join('='), 'option'))
  }
  return { host, port, user: name, password: decoded(raw ?? '', 'password'), database: database || null, ...judgeOptions(params, host) }
}

/** What may be shown to anybody who may see the connection. */
export function describeMysqlDsn(dsn: string): { host: string; port: number; database: string; user: string; ssl_mode: string } {
  const { host, port, database, user, sslMode } = parseMysqlDsn(dsn)
  return { host, port, database: database ?? '', user, ssl_mode: sslMode }
}

/** The password as it is written and as it is meant, for fingerprints and scrubbing. A string that cannot be parsed is secret as a whole. */
export function mysqlSecretParts(dsn: string): string[] {
  let parts: (string | null)[]
  try {
    const { raw } = written(dsn)
    parts = [raw, decoded(raw ?? '', 'password')]
  } catch {
    parts = [dsn.trim()]
  }
  return [...new Set(parts.filter((part): part is string => !!part))]
}

/** The user part ends at the first `@` before a `/`: a password with an unencoded one is refused, not guessed at. */
function written(text: string): Written {
  const dsn = text.trim()
  if (dsn === '') throw malformed('is empty')
  if (dsn.length > MAX_DSN_LENGTH) throw malformed(`is longer than ${MAX_DSN_LENGTH} characters`)
  if (/[\0-\x1f\x7f]/.test(dsn)) throw malformed('contains a control character or a line break')
  const url = /^(?:jdbc:)?(?:mysql|mariadb):\/\/(.*)$/is.exec(dsn)
  if (!url) {
    const other = /^mysqlx:/i.test(dsn)
    throw other
      ? malformed('is for the X Protocol, which is not spoken here', 'Use mysql:// and the port of the classic protocol (3306).')
      : malformed('does not begin with mysql:// or mariadb://')
  }
  const found = /^(?:([^@/?:]*)(?::([^@/?]*))?@)?([^/?@]*)(\/[^?]*)?(?:\?(.*))?$/s.exec(url[1]!)
  const [, user = '', raw, place = '', path = '', query = ''] = found ?? []
  if (!found || /[@#]/.test(place + path) || /[@#]/.test(query)) {
    throw malformed(
      'has a stray @, # or / in it: the password holds a character that must be percent-encoded',
      'Encode the password: @ is %40, / is %2F, # is %23, ? is %3F, : is %3A, % is %25.',
    )
  }
  return { user, raw: raw ?? null, place, path, query }
}

function placeOf(place: string): { host: string; port: number } {
  if (place === '') throw malformed('names no host')
  if (place.includes(',')) throw malformed('names several hosts', 'Name one host: that of the proxy or of the primary.')
  if (/^(\/|\.|\(|%2f)/i.test(place)) {
    throw malformed('names a socket file as its host, which is not allowed here', 'Give the host name and port of the server.')
  }
  const [, v6, name, text] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*))(?::(\d*))?$/i.exec(place) ?? []
  const host = v6 ?? decoded(name ?? '', 'host')
  const named = v6 !== undefined ? isIP(v6) === 6 : isIP(host) !== 0 || /^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9.])?$/i.test(host)
  if (!named)
    throw malformed('has a host that is not a host name or address', 'A special character in the password must be percent-encoded.')
  const port = text ? Number(text) : DEFAULT_PORT
  if (port < 1 || port > 65535) throw malformed('has a port that is not a number from 1 to 65535')
  return { host: host.toLowerCase(), port }
}

function decoded(text: string, what: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(text)
  } catch {
    throw malformed(`has a ${what} with a % that is not percent-encoding`, 'Write %25 for a percent sign.')
  }
  if (plain.includes('\0')) throw malformed('contains a NUL character')
  return plain
}
