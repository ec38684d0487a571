/**
 * The words of a MySQL or MariaDB statement, by the servers' own rules for comments, strings and names. Where two servers, or two of
 * their settings, could read the same text differently, it is refused instead of guessed: that is where statements hide.
 * The session that the statement runs on is brought to the same reading: utf8mb4, no ANSI_QUOTES, no NO_BACKSLASH_ESCAPES, no ORACLE.
 * https://dev.mysql.com/doc/refman/8.4/en/language-structure.html
 */

export type Kind = 'word' | 'name' | 'text' | 'number' | 'variable' | 'mark'

export interface Token {
  kind: Kind
  /** A word in capitals, a name without its backticks, a mark as it is; of texts and numbers nobody asks. */
  text: string
}

export type Lexed = { ok: true; tokens: Token[]; placeholders: number } | { ok: false; why: string; broken?: true }

/** A quoted thing ends at its own quote, unless that is doubled or (not in names) has a backslash before it. */
const TEXT = /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"/sy
const NAME = /`((?:[^`]|``)*)`/y
const NUMBER = /0x[0-9a-f]+|0b[01]+|(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?/iy
const WORD = /[\w$\u0080-\u{10ffff}]+/uy
const VARIABLE = /@@?(?:[\w$.\u0080-\u{10ffff}]+)?/uy

export function lex(sql: string): Lexed {
  // What the servers skip, print and end lines at differs for these.
  if (/[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(sql)) return no('it holds a control character')
  if (!sql.isWellFormed()) return no('it holds half a character')
  const tokens: Token[] = []
  let placeholders = 0
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const found = pattern.exec(sql)
    if (found) at += found[0].length
    return found
  }
  while (at < sql.length) {
    const c = sql[at]!
    const next = sql[at + 1] ?? ''
    if (c === ' ' || c === '\t' || c === '\n' || c === '\r') at++
    else if (c === '#') at = lineEnd(sql, at)
    else if (c === '-' && next === '-') {
      const after = sql[at + 2] ?? '\n'
      if (/[ \t\n\r]/.test(after)) at = lineEnd(sql, at)
      // `5--1` is a subtraction of a negative number to MySQL; what is not clearly that is not guessed at.
      else if (/[\w(@.'"`?]/.test(after)) tokens.push(mark(sql[at++]!))
      else return no('it holds "--" followed by neither a blank nor a value')
    } else if (c === '/' && next === '*') {
      const end = sql.indexOf('*/', at + 2)
      if (end < 0) return { ok: false, why: 'a comment in it does not end', broken: true }
      if (/^\/\*[a-z]*!/i.test(sql.slice(at, at + 12))) return no('it holds a comment that the server would run (/*! … */)')
      if (sql[at + 2] === '+') return no('it holds optimizer hints (/*+ … */), which can change settings')
      at = end + 2
    } else if (c === "'" || c === '"') {
      if (!take(TEXT)) return { ok: false, why: 'a string in it does not end', broken: true }
      tokens.push({ kind: 'text', text: '' })
    } else if (c === '`') {
      const found = take(NAME)
      if (!found) return { ok: false, why: 'a name in it does not end', broken: true }
      tokens.push({ kind: 'name', text: found[1]!.replaceAll('``', '`') })
    } else if (c === '@') {
      take(VARIABLE)
      if (/['"`]/.test(sql[at] ?? '') && !take(TEXT) && !take(NAME)) return { ok: false, why: 'a name in it does not end', broken: true }
      tokens.push({ kind: 'variable', text: '@' })
    } else if (/\d/.test(c) || (c === '.' && /\d/.test(next) && !isNamed(tokens.at(-1)))) {
      take(NUMBER)
      // `1.into` and `1e5into` are a number and a keyword to one server, one name to another.
      if (/[\w$\u0080-\uffff]/.test(sql[at] ?? '')) return no('a number runs into a word; put a name that begins with a digit in backticks')
      tokens.push({ kind: 'number', text: '' })
    } else if (/[\w$]/.test(c) || c > '\x7f') {
      const word = take(WORD)![0]
      // MySQL 9 reads `$$ … $$` as a string.
      if (c === '$') return no('a word in it begins with $; put such a name in backticks')
      tokens.push({ kind: 'word', text: word.toUpperCase() })
    } else if (c === '\\') {
      if (next !== 'N') return no('it holds a backslash outside of a string')
      at += 2
      tokens.push({ kind: 'number', text: '' })
    } else {
      if (c === '?') placeholders++
      const pair = c === ':' && next === '='
      tokens.push(mark(pair ? ':=' : c))
      at += pair ? 2 : 1
    }
  }
  return { ok: true, tokens, placeholders }
}

const no = (why: string): Lexed => ({ ok: false, why })
const mark = (text: string): Token => ({ kind: 'mark', text })
const isNamed = (token: Token | undefined) => token?.kind === 'word' || token?.kind === 'name'

/** Only a line feed ends a comment: what follows a lone carriage return still belongs to it. */
function lineEnd(sql: string, from: number): number {
  const end = sql.indexOf('\n', from)
  return end < 0 ? sql.length : end + 1
}
