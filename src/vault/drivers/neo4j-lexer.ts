/**
 * Cypher cut into tokens, so that comments, strings and quoted names cannot hide a word or feign one. What the server might read in
 * another way than we do is refused. https://neo4j.com/docs/cypher-manual/current/syntax/
 */
import { Fault } from '../../base/errors.ts'
import { MAX_SQL_LENGTH } from './caps.ts'

/** `word`: as written, without quotes. `quoted`: in backticks, never a keyword. `string`: its text is no matter here. */
export interface Token {
  kind: 'word' | 'quoted' | 'string' | 'number' | 'sign'
  text: string
}

const refused = (message: string, hint: string): Fault => new Fault('TOOL_REFUSED', message, { hint })
const BY_PARAMETER = 'Pass the value as a parameter ($name).'

/** Letters, digits and joiners of any script, as identifiers may hold them. Not $, with which some servers end a word and others do not. */
const WORD = /[\p{L}\p{Nl}\p{Pc}](?:(?!\$)[\p{L}\p{M}\p{N}\p{Pc}\p{Sc}])*/uy
const PARAMETER = /\$[\p{L}\p{N}\p{Pc}](?:(?!\$)[\p{L}\p{M}\p{N}\p{Pc}\p{Sc}])*/uy
const SIGN = /[()[\]{}<>=+\-*/%^.,:;|&!?$~@#\\]/y

/** Faults: TOOL_REFUSED, INVALID_INPUT. */
export function tokensOf(cypher: string): Token[] {
  if (cypher.length > MAX_SQL_LENGTH) throw new Fault('INVALID_INPUT', `a statement has at most ${MAX_SQL_LENGTH} characters`)
  if (!cypher.isWellFormed() || cypher.includes('\0'))
    throw new Fault('INVALID_INPUT', 'a statement is text without NUL characters or halves of characters')
  // Older servers replace these before they look for quotes and comments, so that a string would end elsewhere.
  if (/\\u/i.test(cypher)) throw refused('\\u escapes are not allowed in a statement', `Write the character itself. ${BY_PARAMETER}`)
  const tokens: Token[] = []
  let at = 0
  const take = (kind: Token['kind'], end: number, text = cypher.slice(at, end)) => {
    tokens.push({ kind, text })
    at = end
  }
  const matched = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(cypher)?.[0]
  }
  while (at < cypher.length) {
    const char = cypher[at]!
    const two = cypher.slice(at, at + 2)
    if (/[ \t\r\n]/.test(char)) at += 1
    else if (two === '//') at = comment(cypher, at, /[\r\n]|$/g, 0)
    else if (two === '/*') at = comment(cypher, at, /\*\//g, 2)
    else if (char === "'" || char === '"') take('string', endOfString(cypher, at), '')
    else if (char === '`') {
      const text = matched(/`((?:[^`]|``)*)`(?!`)/y)
      if (text === undefined) throw new Fault('UPSTREAM_INVALID', 'a backtick is not closed')
      take('quoted', at + text.length, text.slice(1, -1).replaceAll('``', '`'))
    } else if (/[0-9]/.test(char)) take('number', at + 1)
    else {
      const text = matched(WORD) ?? matched(PARAMETER) ?? matched(SIGN)
      if (text === undefined) {
        throw refused(
          'a character outside of strings is none that a statement is written with',
          `Use plain spaces and signs. ${BY_PARAMETER}`,
        )
      }
      take(/^[\p{L}\p{Nl}\p{Pc}]/u.test(text) ? 'word' : 'sign', at + text.length)
    }
  }
  return tokens
}

/** The end of a comment; in it nothing may stand that another reader could take for its end. */
function comment(cypher: string, at: number, end: RegExp, length: number): number {
  end.lastIndex = at + 2
  const found = end.exec(cypher)
  if (!found) throw new Fault('UPSTREAM_INVALID', 'a comment is not closed')
  if (/[\v\f\x1c-\x1f\x85\u2028\u2029]/.test(cypher.slice(at, found.index)))
    throw refused('a comment holds an unusual line break', 'Leave comments out.')
  return found.index + length
}

function endOfString(cypher: string, at: number): number {
  const quote = cypher[at]
  for (let i = at + 1; i < cypher.length; i++) {
    if (cypher[i] === '\\') i += 1
    else if (cypher[i] === quote) return i + 1
  }
  throw new Fault('UPSTREAM_INVALID', 'a string is not closed')
}

/** As keywords are compared: also letters that only fold to the plain one (ſ, the Kelvin sign). */
export const fold = (text: string): string => text.toLowerCase().toUpperCase()
