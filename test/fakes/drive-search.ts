/** Drive's search language as the stub understands it ("Search for files and folders", "Search query terms and operators"). */

export interface Found {
  kind: 'drive#file'
  id: string
  name: string
  mimeType: string
  parents: string[]
  trashed: boolean
  content?: string
  size?: string
  driveId?: string
  shortcutDetails?: object
  [more: string]: unknown
}

type Test = (file: Found) => boolean
type Token = { word: string } | { text: string }

/** Those that q is true of; null when q is not a query. */
export function select<T extends Found>(q: string, files: readonly T[]): T[] | null {
  if (q === '') return [...files]
  const tokens = read(q)
  if (tokens === null) return null
  const test = any(tokens)
  return test === null || tokens.length > 0 ? null : files.filter(test)
}

/** Words, signs and quoted values, in which a backslash takes the next apostrophe or backslash along. */
function read(q: string): Token[] | null {
  const tokens: Token[] = []
  const token = /\s*(?:'((?:[^'\\]|\\['\\])*)'|(!=|<=|>=|[=<>()])|([A-Za-z]+))\s*/y
  while (token.lastIndex < q.length) {
    const found = token.exec(q)
    if (found === null) return null
    if (found[1] !== undefined) tokens.push({ text: found[1].replace(/\\(.)/g, '$1') })
    else tokens.push({ word: (found[2] ?? found[3]) as string })
  }
  return tokens
}

const is = (token: Token | undefined, word: string) => token !== undefined && 'word' in token && token.word === word
const take = (tokens: Token[], word: string) => is(tokens[0], word) && tokens.shift() !== undefined

function any(tokens: Token[]): Test | null {
  let left = all(tokens)
  while (left !== null && take(tokens, 'or')) {
    const [a, b] = [left, all(tokens)]
    left = b === null ? null : (file) => a(file) || b(file)
  }
  return left
}

function all(tokens: Token[]): Test | null {
  let left = one(tokens)
  while (left !== null && take(tokens, 'and')) {
    const [a, b] = [left, one(tokens)]
    left = b === null ? null : (file) => a(file) && b(file)
  }
  return left
}

function one(tokens: Token[]): Test | null {
  if (take(tokens, 'not')) {
    const test = one(tokens)
    return test === null ? null : (file) => !test(file)
  }
  if (take(tokens, '(')) {
    const test = any(tokens)
    return take(tokens, ')') ? test : null
  }
  const [a, b, c] = tokens.splice(0, 3)
  if (a === undefined || b === undefined || c === undefined || !('word' in b)) return null
  if ('text' in a)
    return b.word === 'in' && is(c, 'parents') ? (file) => file.parents.includes(a.text === 'root' ? 'root-id' : a.text) : null
  if (a.word === 'trashed')
    return b.word === '=' && 'word' in c && /^(true|false)$/.test(c.word) ? (file) => file.trashed === (c.word === 'true') : null
  return 'text' in c ? compare(a.word, b.word, c.text) : null
}

function compare(term: string, operator: string, value: string): Test | null {
  const wanted = value.toLowerCase()
  // On names `contains` looks at the beginnings of words only.
  const begins = (name: string) =>
    name
      .toLowerCase()
      .split(/[\s_]+/)
      .some((_, i, all) => all.slice(i).join(' ').startsWith(wanted))
  switch (`${term} ${operator}`) {
    case 'name contains':
      return (file) => begins(file.name)
    case 'name =':
      return (file) => file.name === value
    case 'fullText contains':
      return (file) => `${file.name} ${file.content ?? ''}`.toLowerCase().includes(wanted.replaceAll('"', ''))
    case 'mimeType =':
      return (file) => file.mimeType === value
    case 'mimeType contains':
      return (file) => file.mimeType.startsWith(value)
    default:
      return null
  }
}
