/** What was granted, against what the tools that are bound would need. */
import { useQuery } from '@tanstack/react-query'
import { Check, X } from 'lucide-react'
import type { Answer } from '../../api.ts'
import { catalogQuery, usageQuery } from '../../queries.ts'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { askAgain, bySignIn } from './ask.ts'
import { SignIn } from './sign-in.tsx'

type Connection = Answer<'connections.get'>
type Tool = Answer<'mcp.catalog'>['items'][number]['tools'][number]

/** Of alternatives the first one is the least. */
const lacking = (tool: Tool, granted: readonly string[]): string[] =>
  tool.scopes.flatMap((need) =>
    typeof need === 'string' ? (granted.includes(need) ? [] : [need]) : need.some((n) => granted.includes(n)) ? [] : need.slice(0, 1),
  )

export function Scopes({ connection, denied }: { connection: Connection; denied: string | null }) {
  const usage = useQuery(usageQuery(connection.id))
  const catalog = useQuery(catalogQuery)
  const granted = connection.granted_scopes ?? []
  const servers = new Set((usage.data?.profiles ?? []).map((p) => p.server))
  const missing = new Map<string, string[]>()
  for (const server of catalog.data?.items ?? [])
    if (servers.has(server.slug))
      for (const tool of server.tools)
        for (const scope of lacking(tool, granted)) missing.set(scope, [...(missing.get(scope) ?? []), tool.name])
  return (
    <section className="flex flex-col gap-2">
      <h3 className="text-xs text-ink-3">{t('detail.scopes')}</h3>
      <ul className="flex flex-col gap-1 font-mono text-xs">
        {granted.map((s) => (
          <li key={s} className="flex gap-1.5 break-all">
            <Check size={12} aria-hidden className="mt-0.5 shrink-0 text-ok" />
            {s}
          </li>
        ))}
        {granted.length === 0 ? <li className="font-sans text-ink-2">{t('detail.scopes.none')}</li> : null}
        {[...missing].map(([s, tools]) => (
          <li key={s} className="flex gap-1.5 text-warn">
            <X size={12} aria-hidden className="mt-0.5 shrink-0" />
            <span className="min-w-0">
              <span className="block break-all">{s}</span>
              <span className="block font-sans break-words text-ink-2">{t('detail.scopes.neededBy', { tools: tools.join(', ') })}</span>
            </span>
          </li>
        ))}
      </ul>
      {missing.size === 0 ? null : bySignIn(connection) ? (
        <SignIn
          label={t('detail.scopes.grant', { n: missing.size })}
          provider={connection.provider}
          size="sm"
          look="plain"
          denied={denied}
          ask={(wish) => askAgain(connection.id)({ scopes: [...missing.keys()], ...wish })}
          onDone={() => toast(t('signin.done', { name: connection.name }))}
        />
      ) : (
        <p className="text-ink-2">{t('detail.scopes.newKey')}</p>
      )}
    </section>
  )
}
