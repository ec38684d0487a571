/**
 * What a statement may be, judged on its words (mysql-lexer.ts). This fence matters more than PostgreSQL's: `START TRANSACTION READ ONLY`
 * does not stop DROP, ALTER, TRUNCATE or GRANT in MariaDB, which commit and run, nor SELECT INTO OUTFILE, nor functions that read files
 * or take locks. The walls behind it are one statement by the protocol, that transaction, and the privileges of the user.
 */
import { Fault } from '../../base/errors.ts'
import { MAX_SQL_LENGTH } from './caps.ts'
import { functionRefused } from './mysql-functions.ts'
import { lex, type Token } from './mysql-lexer.ts'

export type Mode = 'read' | 'write'

/** Words that begin a query. */
export const QUERIES: ReadonlySet<string> = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE'])

/** What SHOW may show. Not GRANTS and CREATE USER: they print the hash of a password. */
const SHOWN = new Set(
  (
    'DATABASES SCHEMAS TABLES COLUMNS FIELDS INDEX INDEXES KEYS TABLE TRIGGERS EVENTS STATUS VARIABLES PROCESSLIST ENGINES STORAGE ENGINE ' +
    'PLUGINS PRIVILEGES WARNINGS ERRORS COUNT COLLATION CHARACTER CHARSET OPEN FUNCTION PROCEDURE PACKAGE LOCALES'
  ).split(' '),
)
const SHOW_CREATE = new Set('TABLE VIEW DATABASE SCHEMA TRIGGER EVENT FUNCTION PROCEDURE PACKAGE SEQUENCE'.split(' '))

/** Never part of a query without quotes, wherever they stand: reserved in both servers, or refused to be safe. */
const NOT_IN_QUERY = new Set(
  (
    'INTO OUTFILE DUMPFILE UPDATE DELETE CREATE ALTER DROP GRANT REVOKE LOAD INFILE CALL EXPLAIN DESCRIBE SHOW LOCK UNLOCK ' +
    'RENAME KILL PROCEDURE'
  ).split(' '),
)

/** Writes begin with these, and those of the second list say what they are about. What is not here is refused. */
const WRITES = new Set('INSERT UPDATE DELETE REPLACE CALL TRUNCATE OPTIMIZE ANALYZE CHECK REPAIR RENAME'.split(' '))
const DEFINES = new Set('CREATE ALTER DROP'.split(' '))
const DEFINED = new Set('TABLE TABLES INDEX VIEW DATABASE SCHEMA SEQUENCE'.split(' '))
/** Between CREATE and what is created. */
const BETWEEN = new Set(
  'OR REPLACE TEMPORARY UNIQUE FULLTEXT SPATIAL ONLINE OFFLINE IGNORE ALGORITHM MERGE TEMPTABLE UNDEFINED SQL SECURITY INVOKER VECTOR'.split(
    ' ',
  ),
)

/** Never part of a write: files of the server. */
const NOT_IN_WRITE = new Set('OUTFILE DUMPFILE INFILE'.split(' '))
/** Never part of a definition: files of the server, code, the rights of somebody else. */
const NOT_DEFINED = new Set('SONAME DIRECTORY TABLESPACE DEFINER CONNECTION'.split(' '))

/** Engines that keep data in the server itself: not FEDERATED, CONNECT, SPIDER, CSV or S3, which reach files and other servers. */
const ENGINES = new Set('INNODB MYISAM ARIA MEMORY HEAP ARCHIVE ROCKSDB NDB NDBCLUSTER COLUMNSTORE SEQUENCE BLACKHOLE'.split(' '))

const EXPLAINS = new Set(['EXPLAIN', 'DESCRIBE', 'DESC'])
const FORMATS = new Set(['JSON', 'TREE', 'TRADITIONAL'])

/**
 * Faults: TOOL_REFUSED; UPSTREAM_INVALID where it is no SQL at all; INVALID_INPUT where it is too long or the values do not match its
 * placeholders. Returns what the statement does: `INSERT`, `CREATE TABLE`.
 */
export function judge(sql: string, args: readonly unknown[], mode: Mode): string {
  if (sql.length > MAX_SQL_LENGTH) throw new Fault('INVALID_INPUT', `a statement is at most ${MAX_SQL_LENGTH} characters long`)
  const lexed = lex(sql)
  if (!lexed.ok) throw lexed.broken ? new Fault('UPSTREAM_INVALID', `this is not well-formed SQL: ${lexed.why}`) : refused(lexed.why, mode)
  const why = refusal(lexed.tokens, mode)
  if (why !== undefined) throw refused(why, mode)
  if (lexed.placeholders !== args.length) {
    throw new Fault('INVALID_INPUT', `the statement has ${lexed.placeholders} placeholders and ${args.length} values were given`, {
      hint: 'Write one ? for each value in args.',
    })
  }
  return commandOf(lexed.tokens)
}

function commandOf(tokens: readonly Token[]): string {
  const words = tokens.filter((token) => token.kind === 'word').map((token) => token.text)
  if (words[0] === 'WITH') return words.find((word) => /^(UPDATE|DELETE)$/.test(word)) ?? 'SELECT'
  const what = DEFINES.has(words[0] ?? '') ? words.slice(1).find((word) => DEFINED.has(word)) : undefined
  return what === undefined ? (words[0] ?? '') : `${words[0]} ${what}`
}

const refused = (why: string, mode: Mode) =>
  new Fault('TOOL_REFUSED', `this statement does not run here: ${why}`, {
    hint:
      mode === 'read'
        ? 'A read tool runs one SELECT, WITH … SELECT, VALUES, TABLE, SHOW, DESCRIBE or EXPLAIN.'
        : 'Send one statement of data or schema work.',
  })

function refusal(all: readonly Token[], mode: Mode): string | undefined {
  const tokens = [...all]
  while (is(tokens.at(-1), ';')) tokens.pop()
  if (tokens.length === 0) return 'there is no statement in it'
  if (tokens.some((token) => is(token, ';'))) return 'it holds more than one statement; send them one by one'
  const called = calls(tokens, mode)
  if (called !== undefined) return called
  const first = tokens.find((token) => !is(token, '('))!
  if (first.kind === 'word' && (QUERIES.has(first.text) || first.text === 'SHOW' || EXPLAINS.has(first.text))) return reading(tokens, mode)
  if (mode === 'read') return `it is ${named(first)}, and that does not only read`
  return writing(tokens)
}

/** Names before a parenthesis, quoted or not, whatever schema they are said to be in. */
function calls(tokens: readonly Token[], mode: Mode): string | undefined {
  for (const [i, token] of tokens.entries()) {
    if ((token.kind !== 'word' && token.kind !== 'name') || !is(tokens[i + 1], '(')) continue
    // The servers compare names of functions by a collation to which more letters are one than to us.
    if (mode === 'read' && !isAscii(token.text)) return 'it calls something whose name is not plain ASCII'
    if (functionRefused(token.text, mode)) return `the function ${token.text.toLowerCase()} is not allowed here`
  }
  return undefined
}

function reading(tokens: readonly Token[], mode: Mode): string | undefined {
  const [first] = tokens
  if (isWord(first, 'SHOW')) return showing(tokens.slice(1))
  if (first?.kind === 'word' && EXPLAINS.has(first.text)) return explaining(tokens.slice(1), mode)
  return querying(tokens, mode)
}

function showing(tokens: readonly Token[]): string | undefined {
  const words = tokens.map((token) => (token.kind === 'word' ? token.text : ''))
  const skipped = words.findIndex((word) => !/^(FULL|EXTENDED|GLOBAL|SESSION|LOCAL|ALL)$/.test(word))
  const what = words[Math.max(skipped, 0)] ?? ''
  if (what === 'CREATE') {
    const made = words[skipped + 1] ?? ''
    return SHOW_CREATE.has(made) ? inQuery(tokens.slice(skipped + 2)) : `SHOW CREATE ${made} is not allowed here`
  }
  return SHOWN.has(what) ? inQuery(tokens.slice(skipped + 1)) : `SHOW ${what} is not allowed here`
}

function explaining(tokens: readonly Token[], mode: Mode): string | undefined {
  let left = tokens
  for (;;) {
    const [head, equals, format] = left
    if (isWord(head, 'FORMAT') && is(equals, '=')) {
      if (format?.kind !== 'word' || !FORMATS.has(format.text)) return 'EXPLAIN has an unknown FORMAT'
      left = left.slice(3)
    } else if (isWord(head, 'EXTENDED') || isWord(head, 'PARTITIONS') || isWord(head, 'ANALYZE')) left = left.slice(1)
    else break
  }
  const head = left.find((token) => !is(token, '('))
  if (head?.kind === 'word' && QUERIES.has(head.text)) return querying(left, mode)
  // `DESCRIBE table [column]`. Everything else that may be explained would be a write.
  const place = left.every(
    (token) => token.kind === 'name' || token.kind === 'word' || token.kind === 'text' || is(token, '.') || is(token, '%'),
  )
  if (left.length > 0 && left.length <= 6 && left.length === tokens.length && place && !/^(FOR|INSERT|REPLACE)$/.test(head?.text ?? ''))
    return inQuery(left)
  return 'only queries are explained here'
}

/** SELECT, VALUES, TABLE, and WITH before one of them. */
function querying(tokens: readonly Token[], mode: Mode): string | undefined {
  if (isWord(tokens[0], 'WITH')) {
    let depth = 0
    const main = tokens.find((token, i) => {
      if (is(token, '(')) depth++
      if (is(token, ')')) depth--
      return depth === 0 && i > 0 && token.kind === 'word' && /^(SELECT|VALUES|TABLE|UPDATE|DELETE|INSERT|REPLACE)$/.test(token.text)
    })
    // `WITH a AS (…) (SELECT …)` has no word of its own outside of the parentheses.
    if (main !== undefined && !QUERIES.has(main.text)) {
      return mode === 'read' ? `it is WITH … ${main.text}, and that does not only read` : inWrite(tokens)
    }
  }
  return inQuery(tokens)
}

function inQuery(tokens: readonly Token[]): string | undefined {
  for (const [i, token] of tokens.entries()) {
    if (is(token, ':=')) return 'it sets a variable (:=)'
    if (token.kind !== 'word') continue
    const after = tokens[i + 1]
    // A column may be called like this after a dot, and then it needs no backticks; here it does.
    if (NOT_IN_QUERY.has(token.text)) return `it holds ${token.text}; if that is a name, put it in backticks`
    if (token.text === 'FOR' && isWord(after, 'SHARE')) return 'FOR SHARE takes locks'
    if (/^(NEXT|PREVIOUS)$/.test(token.text) && isWord(after, 'VALUE')) return 'a sequence would be counted up'
  }
  return undefined
}

function writing(tokens: readonly Token[]): string | undefined {
  const [first] = tokens
  if (first?.kind !== 'word') return 'it does not begin with a statement'
  if (DEFINES.has(first.text)) {
    const what = tokens.slice(1).find((token) => !(token.kind === 'word' && BETWEEN.has(token.text)) && !is(token, '='))
    if (what?.kind !== 'word' || !DEFINED.has(what.text)) return `${first.text} ${named(what)} is not a statement that this tool runs`
  } else if (!WRITES.has(first.text)) return `${named(first)} is not a statement that this tool runs`
  // Procedures of the server run any text, or administer it (those of the clouds, too).
  if (first.text === 'CALL' && /^(sys|mysql)$/i.test(tokens[1]?.text ?? '') && is(tokens[2], '.'))
    return 'procedures of the server itself are not called here'
  // RENAME USER is about accounts.
  if (first.text === 'RENAME' && !isWord(tokens[1], 'TABLE') && !isWord(tokens[1], 'TABLES')) return 'only tables are renamed here'
  return inWrite(tokens)
}

function inWrite(tokens: readonly Token[]): string | undefined {
  const defines = tokens[0]?.kind === 'word' && DEFINES.has(tokens[0].text)
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== 'word') continue
    if (NOT_IN_WRITE.has(token.text) || (defines && NOT_DEFINED.has(token.text))) {
      return `it holds ${token.text}; if that is a name, put it in backticks`
    }
    if (!defines || token.text !== 'ENGINE') continue
    const engine = is(tokens[i + 1], '=') ? tokens[i + 2] : tokens[i + 1]
    if (engine && !is(engine, ',') && !is(engine, ')') && !ENGINES.has(engine.text.toUpperCase())) {
      return 'it names a storage ENGINE that is not allowed here; if that is the name of a column, put it in backticks'
    }
  }
  return undefined
}

const is = (token: Token | undefined, mark: string) => token?.kind === 'mark' && token.text === mark
const isWord = (token: Token | undefined, word: string) => token?.kind === 'word' && token.text === word
const named = (token: Token | undefined) => (token?.kind === 'word' && token.text.length <= 40 ? token.text : 'no statement')
const isAscii = (text: string) => /^[\0-\x7f]*$/.test(text)
