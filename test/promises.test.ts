import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { PROMISES } from './promises.ts'

const root = resolve(import.meta.dirname, '..')
const tests = ['src', 'test'].flatMap((folder) =>
  readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((e) => e.isFile() && e.name.endsWith('.test.ts'))
    .map((e) => join(e.parentPath, e.name)),
)
/** `[vault.no-print]` at the beginning of a test's or group's title. */
const CITED = /\b(?:it|describe|test)(?:\.\w+)*(?:\([^)]*\))?\(\s*[`'"]((?:\[[a-z]+[\w-]*\.[\w-]+\]\s*)+)/g

it('[house.promises] every promise is cited by a test, and every citation is a promise', () => {
  const cited = new Set<string>()
  for (const file of tests)
    for (const [, ids = ''] of readFileSync(file, 'utf8').matchAll(CITED))
      for (const [, id = ''] of ids.matchAll(/\[([^\]]+)\]/g)) cited.add(id)
  // Tables of tests cite with `it.each(…)('[id] …')`, whose title stands behind the rows.
  for (const file of tests)
    for (const [, id = ''] of readFileSync(file, 'utf8').matchAll(/\)\(\s*[`'"]\[([a-z]+[\w-]*\.[\w-]+)\]/g)) cited.add(id)
  const made = Object.keys(PROMISES)
  expect({
    'not cited': made.filter((id) => !cited.has(id)),
    'not promised': [...cited].filter((id) => !made.includes(id)).sort(),
  }).toEqual({ 'not cited': [], 'not promised': [] })
})
