#!/usr/bin/env node
/** `npm start`: makes the clone ready and runs the server. Arguments go to `start` (`npm start -- --port 8080`). */
import { prepare, runMain, script } from './bootstrap.mjs'

await script(async () => {
  const { node } = await prepare()
  endWithNpm()
  await runMain(node, ['start', ...process.argv.slice(2)])
})

/**
 * npm puts a shell between itself and us, and a shell that is told to end does not tell us. So that `kill` of `npm start` stops
 * the server, we notice that our parent is gone and tell ourselves.
 */
function endWithNpm() {
  if (!process.env.npm_lifecycle_event || process.platform === 'win32') return
  const parent = process.ppid
  const look = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(look)
    process.kill(process.pid, 'SIGTERM')
  }, 250)
  look.unref()
}
