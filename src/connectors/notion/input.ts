/** What people and models give: ids as they are pasted, JSON as text, plain text. */
import { z } from '../contract.ts'

/** Notion's most for the text of one piece, for pieces in one text, and for blocks in one call ("Request limits"). */
const LONGEST_PIECE = 2000
const MOST_PIECES = 100
export const MOST_BLOCKS = 100
export const LONGEST_TEXT = LONGEST_PIECE * MOST_PIECES

const PLAIN = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
/** A page's address ends with its title and its id: `/My-page-0123…cdef`. */
const AT_THE_END = /(?:^|-)([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i

/** The id with its hyphens, from an id in either form or from a pasted address; null when there is none. `?v=…` is a view, not the thing. */
export function idIn(given: string, fragment = false): string | null {
  const text = given.trim()
  if (PLAIN.test(text)) return hyphened(text)
  if (!URL.canParse(text)) return null
  const url = new URL(text)
  if (!/^https?:$/.test(url.protocol)) return null
  const block = url.hash.slice(1)
  if (fragment && PLAIN.test(block)) return hyphened(block)
  const found = AT_THE_END.exec(url.pathname.replace(/\/+$/, '').split('/').at(-1) ?? '')?.[1]
  return found === undefined ? null : hyphened(found)
}

const hyphened = (id: string): string =>
  id
    .replaceAll('-', '')
    .toLowerCase()
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')

/** An id of a page, database or data source. `block`: the address of a block counts, which has its id behind the #. */
export const notionId = (what: string, { block = false } = {}) =>
  z
    .string()
    .max(2000)
    .transform((given, ctx) => {
      const id = idIn(given, block)
      if (id !== null) return id
      ctx.addIssue({
        code: 'custom',
        message: `must be the id of ${what} (32 hexadecimal digits, hyphens or not) or its address in Notion`,
      })
      return z.NEVER
    })
    .describe(`Id of ${what}, or its address as copied from Notion`)

/** JSON as text, or what it says itself. */
function json<S extends z.ZodType>(form: string, schema: S) {
  const written = z.string().transform((text, ctx): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      ctx.addIssue({ code: 'custom', message: `must be ${form} in JSON` })
      return z.NEVER
    }
  })
  return z.union([written.pipe(schema), schema], { error: `must be ${form} in JSON` })
}
const thing = z.record(z.string(), z.unknown())
export const jsonObject = json('an object', thing)
export const jsonList = json('a list of objects', z.array(thing).max(MOST_BLOCKS))
const COUNTED = `a list of 1 to ${MOST_BLOCKS} blocks`
export const blocks = json(COUNTED, z.array(thing).min(1, `must be ${COUNTED}`).max(MOST_BLOCKS, `must be ${COUNTED}`))

export const plainText = z.string().min(1).max(LONGEST_TEXT)

/** Plain text in pieces that Notion takes, never between the halves of one character. */
export function richText(text: string): { type: 'text'; text: { content: string } }[] {
  const pieces: string[] = []
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + LONGEST_PIECE, text.length)
    if (end < text.length && /[\ud800-\udbff]/.test(text[end - 1] ?? '')) end--
    pieces.push(text.slice(at, end))
    at = end
  }
  return pieces.map((content) => ({ type: 'text', text: { content } }))
}

/** Paragraphs as they are typed: an empty line between them. */
export const paragraphs = (text: string): string[] =>
  text
    .split(/(?:\r?\n[ \t]*){2,}/)
    .map((it) => it.trim())
    .filter((it) => it !== '')
export const paragraph = (text: string) => ({ type: 'paragraph', paragraph: { rich_text: richText(text) } })
