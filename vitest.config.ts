import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { defineConfig } from 'vitest/config'

/** Outside vectors lie in a folder next to the project, where there is one; the tests that want them say so when they are absent. */
function outside(path: string): string {
  const parent = dirname(import.meta.dirname)
  for (const folder of readdirSync(parent)) if (existsSync(join(parent, folder, path))) return join(parent, folder, path)
  return ''
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/postgres.setup.ts'],
    provide: { wycheproof: outside('vectors/aes_gcm_test.json') },
    pool: 'forks',
    // Two cores: more workers only make each other late.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What a test leaves running must not hold the whole run up.
    teardownTimeout: 20_000,
  },
})
