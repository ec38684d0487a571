/** `npm run bench`: measures. Arguments go to bench/index.ts, which Node runs as it is. */
import { join } from 'node:path'
import { prepare, script, stepAside } from './bootstrap.mjs'

await script(async () => {
  const { node, root } = await prepare()
  process.exitCode = await stepAside(node, [join(root, 'bench', 'index.ts'), ...process.argv.slice(2)])
})
