/** GET /docs: the OpenAPI description as one page, with no script and nothing from elsewhere. */
import { createHash } from 'node:crypto'

const STYLE = `:root{color-scheme:light dark;--line:#8884;--soft:#8881;--mono:ui-monospace,SFMono-Regular,Menlo,monospace}
body{font:15px/1.55 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:2.5rem 1.25rem 6rem}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{margin:2.5rem 0 .5rem;font-size:1.1rem;text-transform:capitalize}
nav a{margin-right:.9rem}details{border:1px solid var(--line);border-radius:8px;margin:.4rem 0}
summary{cursor:pointer;padding:.55rem .8rem;display:flex;gap:.8rem;align-items:baseline;flex-wrap:wrap}
summary code{font-family:var(--mono);font-size:.86rem}summary b{font:600 .75rem var(--mono);min-width:3.6rem}
summary span{opacity:.75}.in{padding:.2rem .9rem .9rem;border-top:1px solid var(--line)}
table{border-collapse:collapse;width:100%;font-size:.88rem}td,th{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td:first-child{font-family:var(--mono);white-space:nowrap}p.need{font-size:.88rem;opacity:.8}`

interface Schema {
  type?: string | string[]
  description?: string
  enum?: unknown[]
  const?: unknown
  default?: unknown
  anyOf?: Schema[]
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
}
interface Op {
  operationId: string
  summary: string
  tags: string[]
  security: { pat?: string[] }[]
  'x-by': string
  'x-role': string
  parameters: { name?: string; in?: string; required?: boolean; schema?: Schema }[]
  requestBody?: { content: { 'application/json': { schema: Schema } } }
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>
}

const text = (value: unknown): string => String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)

const typeOf = (s: Schema | undefined): string => {
  if (!s) return ''
  if (s.enum) return s.enum.map((e) => JSON.stringify(e)).join(' | ')
  if (s.const !== undefined) return JSON.stringify(s.const)
  if (s.anyOf) return s.anyOf.map(typeOf).join(' | ')
  if (s.type === 'array') return `${typeOf(s.items) || 'any'}[]`
  return Array.isArray(s.type) ? s.type.join(' | ') : (s.type ?? 'any')
}

const table = (title: string, rows: [string, string, string][]): string =>
  rows.length === 0
    ? ''
    : `<table><tr><th>${text(title)}</th><th>type</th><th></th></tr>${rows.map((r) => `<tr>${r.map((c) => `<td>${text(c)}</td>`).join('')}</tr>`).join('')}</table>`

const fields = (schema: Schema | undefined): [string, string, string][] =>
  Object.entries(schema?.properties ?? {}).map(([name, s]) => [
    name + (schema?.required?.includes(name) ? ' *' : ''),
    typeOf(s),
    [s.description, s.default === undefined ? '' : `default ${JSON.stringify(s.default)}`].filter(Boolean).join('; '),
  ])

function needs(op: Op): string {
  if (op['x-by'] === 'anyone') return 'For everybody'
  const scope =
    op['x-by'] === 'session' ? 'For people who have signed in' : `Scope ${text(op.security.find((s) => s.pat)?.pat?.[0] ?? 'none')}`
  return `${scope} · role ${text(op['x-role'])}`
}

export function docsPage(description: Record<string, unknown>): { html: string; policy: string } {
  const info = description.info as { title: string; version: string; description: string }
  const byNoun = new Map<string, string[]>()
  for (const [path, methods] of Object.entries(description.paths as Record<string, Record<string, Op>>))
    for (const [method, op] of Object.entries(methods)) {
      const noun = op.tags[0] as string
      const answer = Object.entries(op.responses).find(([status]) => status !== 'default')
      const html = `<details id="${text(op.operationId)}"><summary><b>${text(method.toUpperCase())}</b><code>${text(path)}</code><span>${text(op.summary)}</span></summary><div class="in">
<p class="need">${needs(op)} · operation ${text(op.operationId)}</p>
${table(
  'parameter',
  op.parameters
    .filter((p) => p.name)
    .map((p) => [
      `${p.name}${p.required ? ' *' : ''}`,
      typeOf(p.schema),
      `in ${p.in}${p.schema?.description ? `; ${p.schema.description}` : ''}`,
    ]),
)}
${table('body', fields(op.requestBody?.content['application/json'].schema))}
${table(`answer ${answer?.[0] ?? ''}`, fields(Object.values(answer?.[1].content ?? {})[0]?.schema))}</div></details>`
      byNoun.set(noun, [...(byNoun.get(noun) ?? []), html])
    }
  const nouns = [...byNoun.keys()]
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${text(info.title)} API</title><style>${STYLE}</style></head><body>
<h1>${text(info.title)} API</h1><p>${text(info.description)} Version ${text(info.version)}. Machine-readable: <a href="/openapi.json">/openapi.json</a>.</p>
<nav>${nouns.map((n) => `<a href="#${text(n)}">${text(n)}</a>`).join('')}</nav>
${nouns.map((n) => `<h2 id="${text(n)}">${text(n)}</h2>${byNoun.get(n)?.join('')}`).join('')}</body></html>`
  const hash = createHash('sha256').update(STYLE).digest('base64')
  return { html, policy: `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'` }
}
