/** Builds the Console: one page, its assets named by their content, each beside its compressed forms. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import tailwind from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { operations } from '../src/operations/index.ts'

/** `virtual:routes`: method and path of each operation, read off the operations themselves. */
function routes(): Plugin {
  const id = 'virtual:routes'
  return {
    name: 'routes',
    resolveId: (source) => (source === id ? `\0${id}` : undefined),
    load: (source) =>
      source === `\0${id}` ? `export default ${JSON.stringify(Object.fromEntries(operations.map((o) => [o.name, o.http])))}` : undefined,
  }
}

/** Compressed once here, so that no request waits for it. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    writeBundle({ dir = '' }) {
      const assets = join(dir, 'assets')
      for (const file of readdirSync(assets)) {
        if (!/\.(js|css|svg)$/.test(file)) continue
        const bytes = readFileSync(join(assets, file))
        writeFileSync(join(assets, `${file}.br`), brotliCompressSync(bytes))
        writeFileSync(join(assets, `${file}.gz`), gzipSync(bytes, { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  root: import.meta.dirname,
  plugins: [routes(), react(), tailwind(), compressed()],
  build: { outDir: 'dist', emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 600 },
})
