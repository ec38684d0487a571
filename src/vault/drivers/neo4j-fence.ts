/**
 * What a Cypher statement may be. The server is asked besides (EXPLAIN, and read access mode); this keeps out what both let pass:
 * LOAD CSV, CALL … IN TRANSACTIONS, and procedures and functions that reach files, networks, other databases or the server itself.
 */
import { Fault } from '../../base/errors.ts'
import { fold, type Token, tokensOf } from './neo4j-lexer.ts'

export type Mode = 'read' | 'write'

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/))

/** Procedures that only read the database itself. */
const READING = words(`
  db.labels db.relationshipTypes db.propertyKeys db.info db.ping db.schema.visualization db.schema.nodeTypeProperties
  db.schema.relTypeProperties db.index.fulltext.queryNodes db.index.fulltext.queryRelationships db.index.vector.queryNodes
  db.index.vector.queryRelationships db.index.fulltext.listAvailableAnalyzers`)
/** And those that change its data. */
const WRITING = words(`
  db.createLabel db.createProperty db.createRelationshipType db.create.setNodeVectorProperty db.create.setRelationshipVectorProperty
  db.awaitIndex db.awaitIndexes`)
/** Functions of the language itself that have a dot in their name. Others come from plug-ins, or call other services (genai, ai). */
const FUNCTIONS =
  /^(date|datetime|localdatetime|localtime|time|duration)\.(truncate|transaction|statement|realtime|fromEpoch|fromEpochMillis|between|inMonths|inDays|inSeconds)$|^point\.(distance|withinBBox)$|^vector\.similarity\.(cosine|euclidean)$/i

const READ_STARTS = words('MATCH OPTIONAL UNWIND WITH RETURN CALL SHOW LET FOR FILTER WHEN')
const WRITE_STARTS = words('MATCH OPTIONAL UNWIND WITH RETURN CALL LET FOR FILTER WHEN CREATE MERGE INSERT FOREACH DROP')
/** What SHOW may be about: the others tell of users, settings and what other people do. */
const SHOWN = words('INDEX INDEXES CONSTRAINT CONSTRAINTS FUNCTION FUNCTIONS PROCEDURE PROCEDURES')
/** What CREATE and DROP may be about besides patterns. */
const SCHEMA = words('INDEX CONSTRAINT')
const ADMINISTERED = words('USER ROLE DATABASE ALIAS SERVER COMPOSITE IMMUTABLE AUTH PRIVILEGE')
/** Clauses that write. The server says so, too; this says it without asking, and better. */
const CHANGING = words('CREATE MERGE DELETE DETACH SET REMOVE DROP FOREACH INSERT')

const refused = (message: string, hint: string): Fault => new Fault('TOOL_REFUSED', message, { hint })

/** `allowed`: further procedures and functions that an administrator listed, `gds.*` for a whole namespace. Faults: TOOL_REFUSED, … */
export function judgeCypher(mode: Mode, cypher: string, allowed: readonly string[]): void {
  const tokens = tokensOf(cypher)
  while (isSign(tokens.at(-1), ';')) tokens.pop()
  if (tokens.length === 0) throw new Fault('UPSTREAM_INVALID', 'the statement is empty')
  if (tokens.some((token) => isSign(token, ';'))) throw refused('only one statement at a time', 'Make one call for each statement.')
  judgeStart(mode, tokens)
  for (const [i, token] of tokens.entries()) {
    if (token.kind === 'word') judgeWord(mode, tokens, i, fold(token.text), allowed)
    if (isName(token) && !isProperty(tokens, i)) judgeCalled(tokens, i, allowed)
  }
}

const isSign = (token: Token | undefined, text: string) => token?.kind === 'sign' && token.text === text
const isName = (token: Token | undefined): token is Token => token?.kind === 'word' || token?.kind === 'quoted'
const keyword = (token: Token | undefined) => (token?.kind === 'word' ? fold(token.text) : '')

/** `n.name`, `(…).name`: what stands before the dot is a value. After a number it is none: `[1..apoc.x()]` holds a call. */
const isProperty = (tokens: readonly Token[], i: number) =>
  isSign(tokens[i - 1], '.') && (isName(tokens[i - 2]) || /^[)\]}]$/.test(tokens[i - 2]?.text ?? ''))

function judgeStart(mode: Mode, tokens: readonly Token[]): void {
  const first = keyword(tokens[0])
  if (/^(EXPLAIN|PROFILE|CYPHER|USE)$/.test(first)) {
    throw refused(
      `${first} is not allowed before a statement here`,
      'Begin with the statement itself; the database is the one of the connection.',
    )
  }
  const startsFine = (mode === 'read' ? READ_STARTS : WRITE_STARTS).has(first) || isSign(tokens[0], '{')
  if (!startsFine) {
    throw refused(
      mode === 'read'
        ? 'a read begins with MATCH, UNWIND, WITH, RETURN, CALL or SHOW'
        : 'only statements about data, indexes and constraints are allowed',
      'Users, roles, databases and transactions of the server are not managed here.',
    )
  }
  if (first === 'SHOW') {
    const about = tokens.slice(1, 5).map(keyword)
    if (!about.some((word) => SHOWN.has(word)) || tokens.some((token) => /^(TERMINATE|TRANSACTIONS?|SETTINGS?)$/.test(keyword(token))))
      throw refused('SHOW is for indexes, constraints, functions and procedures here', 'Labels and property keys come by CALL db.labels().')
  }
  if (first === 'DROP' && !SCHEMA.has(keyword(tokens[1]))) throw refused('DROP is for indexes and constraints here', 'Use DELETE for data.')
}

function judgeWord(mode: Mode, tokens: readonly Token[], i: number, word: string, allowed: readonly string[]): void {
  const next = tokens[i + 1]
  if (word === 'LOAD' && keyword(next) === 'CSV') {
    throw refused('LOAD CSV reads files and other servers, which is not allowed here', 'Pass rows as a parameter: UNWIND $rows AS row …')
  }
  if (word === 'PERIODIC' && keyword(next) === 'COMMIT') throw refused('PERIODIC COMMIT is not allowed here', IN_PARTS)
  if (word === 'IN' && isSign(tokens[i - 1], '}')) {
    const behind = tokens.slice(i + 1, i + 8).map(keyword)
    if (behind.some((w) => /^TRANSACTIONS?$/.test(w))) throw refused('CALL { … } IN TRANSACTIONS is not allowed here', IN_PARTS)
  }
  if (word === 'CALL' && isName(next)) {
    const name = dotted(tokens, i + 1)
    if (!READING.has(name) && !(mode === 'write' && WRITING.has(name)) && !listed(name, allowed))
      throw refused(`the procedure ${shown(name)} is not allowed here`, LISTING)
  }
  // A name of something (`n.set`, `:Create`, `{delete: 1}`) is none of these clauses.
  const isClause = !isProperty(tokens, i) && !isSign(tokens[i - 1], ':') && !/^[:,)\].]$/.test(next?.text ?? '')
  if (mode === 'read' && isClause && CHANGING.has(word)) {
    throw refused(
      `${word} changes data, and this is a read`,
      'Use neo4j_execute_write. A property or label of that name stands in backticks.',
    )
  }
  if (word === 'CREATE' && mode === 'write') {
    const behind = tokens.slice(i + 1, i + 4).map(keyword)
    if (keyword(next) !== '' && behind.some((w) => ADMINISTERED.has(w)))
      throw refused('users, roles and databases are not made here', 'Ask an administrator of the server.')
  }
  // A part of a statement may be led to another database.
  if (/^(USE|TERMINATE|GRANT|REVOKE|DENY)$/.test(word) && isName(next) && isClause)
    throw refused(`${word} is not allowed here`, 'A property or variable of that name stands in backticks.')
}

/** A name with a dot before `(` is a function or procedure of somebody's. */
function judgeCalled(tokens: readonly Token[], i: number, allowed: readonly string[]): void {
  const { name, end } = chain(tokens, i)
  if (!name.includes('.') || !isSign(tokens[end], '(') || keyword(tokens[i - 1]) === 'CALL') return
  if (!FUNCTIONS.test(name) && !listed(name, allowed)) throw refused(`the function ${shown(name)} is not allowed here`, LISTING)
}

function chain(tokens: readonly Token[], from: number): { name: string; end: number } {
  let end = from + 1
  let name = tokens[from]!.text
  while (isSign(tokens[end], '.') && isName(tokens[end + 1])) {
    name += `.${tokens[end + 1]!.text}`
    end += 2
  }
  return { name, end }
}
const dotted = (tokens: readonly Token[], from: number): string => chain(tokens, from).name

/** Case-sensitive, as names of procedures are. `gds.*`: all of a namespace. */
const listed = (name: string, allowed: readonly string[]): boolean =>
  allowed.some((entry) => (entry.endsWith('.*') ? name.startsWith(entry.slice(0, -1)) : entry === name))

/** A name in a message: only where it is one. */
const shown = (name: string) => (/^[\w.]{1,100}$/.test(name) ? name : 'of that name')
const LISTING = 'An administrator can list it in the config as allow_procedures.'
const IN_PARTS = 'Change less at once: each call is one transaction.'
