import { queryOptions, useQuery } from '@tanstack/react-query'
import { Plus } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { type Answer, call } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { cellClass, Table, Time } from '../../ui/parts.tsx'
import { Card, Empty, Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

export type Token = Answer<'pats.list'>['items'][number]
export const tokensQuery = queryOptions({ queryKey: ['tokens'], queryFn: ({ signal }) => call('pats.list', { limit: 200 }, { signal }) })

const NewToken = lazy(async () => ({ default: (await import('./new-token.tsx')).NewToken }))
const RevokeToken = lazy(async () => ({ default: (await import('./revoke-token.tsx')).RevokeToken }))

const stateOf = (token: Token): 'revoked' | 'expired' | null =>
  token.revoked_at ? 'revoked' : Date.parse(token.expires_at) < Date.now() ? 'expired' : null

export function Tokens() {
  const list = useQuery(tokensQuery)
  const [making, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<Token | null>(null)
  const add = (
    <Button look="primary" onClick={() => setMaking(true)}>
      <Plus size={14} aria-hidden />
      {t('tokens.new')}
    </Button>
  )
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-ink-2">{t('tokens.about')}</p>
        {add}
      </div>
      <Card>
        <Region query={list}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty title={t('tokens.empty.title')} text={t('tokens.empty.text')}>
                {add}
              </Empty>
            ) : (
              <Table
                label={t('settings.tab.tokens')}
                head={[t('tokens.col.name'), t('tokens.col.scopes'), t('tokens.col.expires'), t('tokens.col.used'), t('tokens.col.act')]}
              >
                {items.map((token) => {
                  const state = stateOf(token)
                  return (
                    <tr key={token.id} className="border-b border-line last:border-0">
                      <td className={`${cellClass} font-medium break-words`}>{token.display_name}</td>
                      <td className={`${cellClass} max-w-72 text-xs text-ink-2`}>{token.scopes.join(', ')}</td>
                      <td className={`${cellClass} whitespace-nowrap text-ink-2`}>
                        {state ? <span className="text-ink-3">{t(`tokens.${state}`)}</span> : <Time at={token.expires_at} />}
                      </td>
                      <td className={`${cellClass} whitespace-nowrap text-ink-2`}>
                        {token.last_used_at ? <Time at={token.last_used_at} /> : t('tokens.never')}
                      </td>
                      <td className={cellClass}>
                        {state ? null : (
                          <Button size="sm" aria-label={`${t('tokens.revoke')} ${token.display_name}`} onClick={() => setRevoking(token)}>
                            {t('tokens.revoke')}
                          </Button>
                        )}
                      </td>
                    </tr>
                  )
                })}
              </Table>
            )
          }
        </Region>
      </Card>
      {making || revoking ? (
        <Suspense fallback={null}>
          {making ? <NewToken onClose={() => setMaking(false)} /> : null}
          {revoking ? <RevokeToken token={revoking} onClose={() => setRevoking(null)} /> : null}
        </Suspense>
      ) : null}
    </>
  )
}
