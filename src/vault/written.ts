/**
 * What a tool answers is searched as the JSON that it will leave as. That is kept beside it, so that on its way out it is neither written nor
 * searched once more: for large answers this would be most of what searching costs. It counts for the workspace that it was searched for, and as
 * long as nothing else was opened since.
 */
import type { Scrubber } from './scrub.ts'

/** What has escapes in it is searched text by text, as what they stand for; and so are bytes, as JSON.stringify writes them. */
const isPlain = (json: string): boolean =>
  !json.includes('\\') && !json.includes('{"0":') && !(json.includes('{"typ') && json.includes('{"type":"Buffer"'))

export function createWritten(opened: () => number) {
  const known = new WeakMap<object, { text: string; workspace: string; opened: number }>()

  return {
    /** The answer without what `scrub` looks for; the same object where nothing was found. */
    answer<T>(scrub: Pick<Scrubber, 'text' | 'json'>, workspace: string, output: T): T {
      if (typeof output !== 'object' || output === null) return scrub.json(output)
      const at = opened()
      const text = JSON.stringify(output)
      const clean = isPlain(text) && scrub.text(text) === text ? output : scrub.json(output)
      if (clean === output) known.set(output, { text, workspace, opened: at })
      return clean
    },
    /** An answer as JSON, without what `scrub` looks for. */
    json(scrub: Pick<Scrubber, 'text' | 'json'>, workspace: string, answer: unknown): string {
      if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return searched(scrub, answer)
      const done: string[] = []
      const rest = Object.entries(answer).filter(([key, value]) => {
        const it = typeof value === 'object' && value !== null ? known.get(value) : undefined
        if (it?.workspace !== workspace || it.opened !== opened()) return true
        done.push(`${JSON.stringify(scrub.text(key))}:${it.text}`)
        return false
      })
      if (done.length === 0) return searched(scrub, answer)
      // fromEntries defines own properties, so that no key can reach a prototype.
      const more = searched(scrub, Object.fromEntries(rest)).slice(1, -1)
      return `{${[...done, ...(more === '' ? [] : [more])].join(',')}}`
    },
  }
}

/** It is searched as one text; only where that has something in it is it taken apart, so that it stays JSON. */
function searched(scrub: Pick<Scrubber, 'text' | 'json'>, answer: unknown): string {
  const text = JSON.stringify(answer)
  return scrub.text(text) === text ? text : JSON.stringify(scrub.json(answer))
}
