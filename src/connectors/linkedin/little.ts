/**
 * Plain text as LinkedIn's "little text" (learn.microsoft.com/linkedin, "little Text Format"). Each reserved character must be escaped:
 * where one is not, LinkedIn takes the post all the same and cuts the text off there. Hashtags, and mentions in LinkedIn's own notation
 * `@[Name](urn:li:organization:1)`, keep their meaning.
 */
export const little = (text: string): string =>
  text.replace(MEANT, (all, name: string | undefined, urn: string | undefined, tag: string | undefined) =>
    urn !== undefined ? `@[${escaped(name ?? '')}](${urn})` : tag !== undefined ? all : `\\${all}`,
  )

const RESERVED = String.raw`[\\|{}@[\]()<>#*_~]`
const MENTION = String.raw`@\[([^\]\n]+)\]\((urn:li:(?:person|organization):[\w-]+)\)`
/** Letters and digits after a "#" that begins a word, and nothing else in it: not the fragment of an address. */
const HASHTAG = String.raw`(?<![^\s(["'“‘«])#([\p{L}\p{M}\p{N}]+)(?![\p{L}\p{M}\p{N}_])`
const MEANT = new RegExp(`${MENTION}|${HASHTAG}|${RESERVED}`, 'gu')

const escaped = (name: string): string => name.replace(new RegExp(RESERVED, 'gu'), (it) => `\\${it}`)
