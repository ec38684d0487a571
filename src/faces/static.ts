/** The Console's page and its assets, read once: nothing on the disk is looked at for a request. */
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { Hono } from 'hono'

const TYPES: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}
/** In the order in which they are preferred: what a browser takes, and what stands behind the file's name. */
const CODINGS = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const
/** An asset's name changes with its content. */
const FOR_EVER = 'public, max-age=31536000, immutable'

const policy = (nonce: string): string =>
  [
    "default-src 'self'",
    `script-src 'self' 'nonce-${nonce}'`,
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')

/** What belongs to programs alone: an address below it that is not known is told so, and is no page. */
const NOT_PAGES = /^\/(v1|assets|docs|healthz|readyz|metrics|openapi\.json|\.well-known)(\/|$)/

export function consolePages<E extends object>(app: Hono<E>, dist: string): void {
  if (!existsSync(join(dist, 'index.html'))) return
  const page = readFileSync(join(dist, 'index.html'), 'utf8')
  const parts = JSON.parse(readFileSync(join(dist, 'pages.json'), 'utf8')) as Record<string, string[]>
  /** The page's own parts, asked for together with the program and not after it. `/runs/` stands for all that is below. */
  const preload = (path: string): string =>
    (parts[path] ?? parts[Object.keys(parts).findLast((it) => it !== '/' && it.endsWith('/') && path.startsWith(it)) ?? ''] ?? [])
      .map((file) => `<link rel="modulepreload" crossorigin href="/${file}">`)
      .join('')
  const folder = join(dist, 'assets')
  const files = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]))

  app.get('/assets/:name', (c) => {
    const name = c.req.param('name')
    const type = TYPES[extname(name)]
    const whole = files.get(name)
    if (!whole || !type) return c.notFound()
    const accepts = (c.req.header('accept-encoding') ?? '').split(',').map((part) => part.split(';')[0]?.trim())
    const [coding, bytes] = CODINGS.filter(([it]) => accepts.includes(it))
      .map(([it, ending]) => [it, files.get(name + ending)] as const)
      .find(([, packed]) => packed !== undefined) ?? [null, whole]
    return c.body(new Uint8Array(bytes ?? whole), 200, {
      'content-type': type,
      'cache-control': FOR_EVER,
      vary: 'accept-encoding',
      ...(coding ? { 'content-encoding': coding } : {}),
    })
  })

  app.get('*', async (c, next) => {
    if (NOT_PAGES.test(c.req.path) || !(c.req.header('accept') ?? '').includes('text/html')) return next()
    const nonce = randomBytes(16).toString('base64')
    return c.html(page.replaceAll('{{nonce}}', nonce).replace('<!--preload-->', preload(c.req.path)), 200, {
      'content-security-policy': policy(nonce),
      // A provider's page in a window of ours must be able to tell us that it has ended.
      'cross-origin-opener-policy': 'same-origin-allow-popups',
      'referrer-policy': 'no-referrer',
      'permissions-policy': 'camera=(), microphone=(), geolocation=(), payment=()',
    })
  })
}
