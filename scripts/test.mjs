/**
 * `npm test`: lint, types, then every test, once. Arguments go to vitest (`npm test -- src/base`).
 * The last line is `N passed, N failed, N skipped`: test cases, and one failure each for lint, types or a run that broke.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepare, root, script, stepAside, withPath } from './bootstrap.mjs'

const count = { passed: 0, failed: 0, skipped: 0 }
const failures = []
function failed(name, n = 1) {
  count.failed += n
  failures.push(name)
}

await script(async () => {
  const { node } = await prepare({ build: 'console' }).catch((error) => {
    process.exitCode = 1
    console.error(`agentruntime: ${error.message}`)
    failed('preparation')
    return {}
  })
  if (node) {
    const [lint, types, consoleTypes] = await Promise.all([
      check(node, ['@biomejs', 'biome', 'bin', 'biome'], ['check', '.']),
      check(node, ['typescript', 'bin', 'tsc'], ['--noEmit', '-p', 'tsconfig.json']),
      check(node, ['typescript', 'bin', 'tsc'], ['--noEmit', '-p', 'console/tsconfig.json']),
    ])
    if (lint !== 0) failed('lint (biome check .)')
    if (types !== 0) failed('types (tsc --noEmit)')
    if (consoleTypes !== 0) failed('types of the Console (tsc --noEmit -p console/tsconfig.json)')
    await runTests(node)
  }
  if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`)
  console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
  process.exitCode = count.failed > 0 ? 1 : 0
})

/** Runs a package's program; its output is shown only when it fails. */
function check(node, path, args) {
  return new Promise((resolve) => {
    let output = ''
    const program = join(root, 'node_modules', ...path)
    const child = spawn(node, [program, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: withPath(node) })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk) => (output += chunk))
    child.on('error', () => resolve(1))
    child.on('close', (code) => {
      if (code !== 0) process.stdout.write(output)
      resolve(code ?? 1)
    })
  })
}

async function runTests(node) {
  const dir = mkdtempSync(join(tmpdir(), 'agentruntime-test-'))
  const report = join(dir, 'report.json')
  try {
    process.chdir(root)
    const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const code = await stepAside(node, [vitest, 'run', ...reporters, ...process.argv.slice(2)])
    const before = count.failed
    tally(report)
    if (code !== 0 && count.failed === before) failed('the test run (an error outside of the tests, or no tests)')
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function tally(report) {
  let result
  try {
    result = JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    return failed('the test run (it ended without a report)')
  }
  count.passed += result.numPassedTests
  count.skipped += result.numPendingTests + result.numTodoTests
  if (result.numFailedTests > 0) failed(`${result.numFailedTests} tests`, result.numFailedTests)
  // A file that could not be loaded has no test cases to count.
  for (const file of result.testResults) {
    const anyFailed = file.assertionResults.some((test) => test.status === 'failed')
    if (file.status === 'failed' && !anyFailed) failed(file.name.slice(root.length + 1))
  }
}
