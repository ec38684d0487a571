/** Programs of the system that some tests need. */
import { existsSync } from 'node:fs'

/**
 * Whether a program is there. Where it is not, this says loudly that something is not tested, and on CI it throws: use it as
 * `describe.skipIf(!there(...))`.
 */
export function there(path: string, debianPackage: string, what: string): boolean {
  if (existsSync(path)) return true
  const why = `there is no ${path} (apt-get install ${debianPackage})`
  if (process.env.CI) throw new Error(`${what} must be tested here, and ${why}.`)
  process.stderr.write(`\n!!! SKIPPED, NOT TESTED: ${what}, because ${why}.\n\n`)
  return false
}
