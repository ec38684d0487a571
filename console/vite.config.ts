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

/** Which page is behind an address, so that the server can name its parts before the program asks for them. One that is missing is only later. */
const PAGES: Record<string, string> = {
  '/': 'home/home',
  '/login': 'sign/login',
  '/setup': 'sign/setup',
  '/connections': 'connections/list',
  '/mcp': 'mcp/list',
  '/mcp/instances/': 'mcp/instance',
  '/workflows': 'workflows/list',
  '/runs': 'runs/list',
  '/runs/': 'runs/run',
  '/settings': 'settings/settings',
}
function pages(): Plugin {
  return {
    name: 'pages',
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((it) => it.type === 'chunk')
      const byFile = new Map(chunks.map((it) => [it.fileName, it]))
      const withImports = (file: string, found = new Set<string>()): Set<string> => {
        if (found.has(file)) return found
        found.add(file)
        for (const other of byFile.get(file)?.imports ?? []) withImports(other, found)
        return found
      }
      const entry = withImports(chunks.find((it) => it.isEntry)?.fileName ?? '')
      const parts = Object.entries(PAGES).map(([path, page]) => {
        const chunk = chunks.find((it) => it.facadeModuleId?.endsWith(`/pages/${page}.tsx`))
        if (!chunk) this.error(`there is no page ${page} of its own`)
        return [path, [...withImports(chunk.fileName)].filter((file) => !entry.has(file))]
      })
      this.emitFile({ type: 'asset', fileName: 'pages.json', source: JSON.stringify(Object.fromEntries(parts)) })
    },
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

/** Nothing of it may be a part of the shell, which would have all of it then: a test weighs the shell. */
const KIT = new RegExp(
  [
    'console/src/(ui/(rows|segments|switch|pill|parts|result|error-summary|wide|toast)|may|queries)\\.',
    'react-query/.*(useQuery|useMutation|useInfiniteQuery|infiniteQueryOptions)\\.',
    'query-core/.*(infiniteQueryObserver|mutationObserver)\\.',
    'react-virtual|virtual-core',
    'lucide-react/dist/esm/icons/(pause|copy|check|play|plus|hourglass|triangle|loader|circle-(check|x|dashed|slash))',
  ].join('|'),
)

export default defineConfig({
  root: import.meta.dirname,
  plugins: [routes(), react(), tailwind(), pages(), compressed()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
    // Over HTTP/1.1 each file costs a turn, of which six run at once: what most pages share, and the shell has not, is one file.
    rolldownOptions: {
      output: {
        codeSplitting: {
          includeDependenciesRecursively: false,
          groups: [{ name: 'kit', test: KIT, minShareCount: 2 }],
        },
      },
    },
  },
})
