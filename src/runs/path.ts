/** Keys through which careless code reaches an object's prototype: refused wherever a person may name a key. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

const PLAIN_KEY = /^[\p{L}_$][\p{L}\p{N}_$-]*$/u

/** A name as it may stand in a message: long ones are cut, so that one strange key cannot fill a page. */
export const shown = (name: string): string => (name.length > 80 ? name.slice(0, 79) + '…' : name)

/** `['steps', 2, 'tool_args', 'x.y']` → `steps[2].tool_args["x.y"]`. */
export function jsonPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else {
      const key = shown(String(part))
      if (!PLAIN_KEY.test(key)) text += `[${JSON.stringify(key)}]`
      else text += text === '' ? key : '.' + key
    }
  }
  return text
}

/** Longest name that is compared: the work grows with the square of the length. */
const MAX_COMPARED = 64

/** The candidate that is a typing mistake or two away from `word`, or null. For "did you mean …?". */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  if (word.length < 3 || word.length > MAX_COMPARED) return null
  let best: string | null = null
  let bestDistance = Math.floor(word.length / 3) + 1
  for (const candidate of candidates) {
    if (candidate === word || Math.abs(candidate.length - word.length) >= bestDistance) continue
    const distance = typingDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** ` Did you mean \`x\`?`, or nothing. */
export const didYouMean = (word: string, candidates: Iterable<string>): string => {
  const near = nearest(word, candidates)
  return near === null ? '' : ` Did you mean \`${near}\`?`
}

/** Levenshtein, with two swapped neighbours as one mistake. */
function typingDistance(a: string, b: string): number {
  let before: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      let cost = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1)
      next[j] = cost
    }
    before = row
    row = next
  }
  return row[b.length]!
}
