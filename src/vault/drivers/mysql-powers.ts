/** What a user can do besides working with data. Such a user turns a slip of the fence into the server's own account. */

/** A user may be granted powers while its sessions live; asked again after this long. */
export const POWERS_TTL_MS = 300_000

/** Privileges on everything (`ON *.*`) that reach files, programs, settings or accounts of the server. */
const DANGEROUS = new Set([
  'ALL PRIVILEGES',
  'SUPER',
  'FILE',
  'SHUTDOWN',
  'CREATE USER',
  'CREATE TABLESPACE',
  'GRANT OPTION',
  'SYSTEM_USER',
  'SYSTEM_VARIABLES_ADMIN',
  'PERSIST_RO_VARIABLES_ADMIN',
  'SET_USER_ID',
  'SET_ANY_DEFINER',
  'ROLE_ADMIN',
  'CONNECTION_ADMIN',
  'CLONE_ADMIN',
  'BACKUP_ADMIN',
  'ENCRYPTION_KEY_ADMIN',
  'SET USER',
  'CONNECTION ADMIN',
  'READ_ONLY ADMIN',
  'FEDERATED ADMIN',
])

export interface Granted {
  privileges: string[]
  /** `*.*`, `shop.*`, `shop.orders` */
  on: string
}

/** Lines of SHOW GRANTS. A line that grants a role or a proxy is left out. */
export function parseGrants(lines: readonly string[]): Granted[] {
  return lines.flatMap((line) => {
    const found = /^GRANT (.+?) ON (?:(?:TABLE|FUNCTION|PROCEDURE|PACKAGE(?: BODY)?) )?((?:`(?:[^`]|``)*`|[^\s`]+)+) TO /s.exec(line)
    if (!found || /^PROXY$/i.test(found[1]!)) return []
    // Columns stand in parentheses: `SELECT (a, b)`.
    const privileges = found[1]!
      .replace(/\([^)]*\)/g, '')
      .split(',')
      .map((one) => one.trim().toUpperCase())
    if (/ WITH (.*\s)?GRANT OPTION/.test(line.slice(found[0].length))) privileges.push('GRANT OPTION')
    return [{ privileges, on: found[2]!.replaceAll('`', '') }]
  })
}

/** E.g. `['FILE', 'SUPER']`; empty for an ordinary user. Whoever may change the tables of accounts may become anybody. */
export function dangerousPowers(lines: readonly string[]): string[] {
  const found = new Set<string>()
  for (const { privileges, on } of parseGrants(lines)) {
    for (const privilege of privileges) {
      if (on === '*.*' && DANGEROUS.has(privilege)) found.add(privilege)
      if (/^mysql\./.test(on) && /^(ALL PRIVILEGES|INSERT|UPDATE|DELETE|ALTER|CREATE|DROP)$/.test(privilege))
        found.add(`${privilege} on ${on}`)
    }
  }
  return [...found].sort()
}
