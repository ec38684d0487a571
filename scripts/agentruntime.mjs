#!/usr/bin/env node
/** The command line: every argument goes to the program. Says nothing of its own unless it fails. */
import { prepare, runMain, script } from './bootstrap.mjs'

await script(async () => {
  const { node } = await prepare({ quiet: true })
  await runMain(node, process.argv.slice(2))
})
