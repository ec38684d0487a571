import { infiniteQueryOptions, useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ShieldCheck } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call, type Input } from '../../api.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input as TextInput } from '../../ui/field.tsx'
import { Sheet } from '../../ui/overlay.tsx'
import { cellClass, CopyChip, Json, rowClass, Table, Time } from '../../ui/parts.tsx'
import { Card, Empty, Problem, Region } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

type Entry = Answer<'audit.list'>['items'][number]
type Filter = Pick<Input<'audit.list'>, 'actor' | 'action' | 'target'>

const auditQuery = (filter: Filter) =>
  infiniteQueryOptions({
    queryKey: ['audit', 'list', filter],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      call('audit.list', { ...filter, limit: 50, ...(pageParam ? { cursor: pageParam } : {}) }, { signal }),
    getNextPageParam: (page) => page.next_cursor,
  })
const outcomeOf = (entry: Entry): string => String((entry.entry as { outcome?: unknown } | null)?.outcome ?? '')

/** Entries that answer for uses of secrets. */
const USED = 'secrets.used'
/** The most that one page has; an entry answers for more in a storm only, and the API has them all. */
const SHOWN = 200

export function Audit() {
  const search = useSearch({ from: '/shell/settings' })
  const navigate = useNavigate({ from: '/settings' })
  const filter = Object.fromEntries((['actor', 'action', 'target'] as const).flatMap((k) => (search[k] ? [[k, search[k]]] : []))) as Filter
  const list = useInfiniteQuery(auditQuery(filter))
  const verify = useMutation({ mutationFn: () => call('audit.verify', {}) })
  const [open, setOpen] = useState<Entry | null>(null)
  const items = list.data?.pages.flatMap((p) => p.items) ?? []
  return (
    <>
      <p className="mb-3 text-sm text-ink-2">{t('audit.about')}</p>
      <Card>
        <form
          className="flex flex-wrap items-end gap-2 border-b border-line p-3"
          onSubmit={(e) => {
            e.preventDefault()
            const form = new FormData(e.currentTarget)
            const text = (name: string) => String(form.get(name) ?? '').trim() || undefined
            void navigate({ search: { tab: 'audit', actor: text('actor'), action: text('action'), target: text('target') } })
          }}
        >
          {(['actor', 'action', 'target'] as const).map((name) => (
            <div key={name} className="w-40">
              <Field label={t(`audit.filter.${name}`)}>
                {(ids) => <TextInput {...ids} name={name} defaultValue={search[name] ?? ''} key={search[name]} />}
              </Field>
            </div>
          ))}
          <Button type="submit">{t('audit.filter.apply')}</Button>
          <span className="ms-auto">
            <Button busy={verify.isPending} onClick={() => verify.mutate()}>
              <ShieldCheck size={14} aria-hidden />
              {t('audit.verify')}
            </Button>
          </span>
          <p role="status" className="w-full text-sm empty:hidden">
            {verify.data
              ? verify.data.ok
                ? t('audit.verified', { n: verify.data.entries })
                : t('audit.broken', { seq: verify.data.problems[0]?.seq ?? 0, problem: verify.data.problems[0]?.problem ?? '' })
              : ''}
          </p>
          {verify.error ? <Problem error={verify.error} /> : null}
        </form>
        <Region query={list}>
          {() =>
            items.length === 0 ? (
              <Empty title={t('audit.empty')}>
                <Button onClick={() => void navigate({ search: { tab: 'audit', actor: undefined, action: undefined, target: undefined } })}>
                  {t('action.clearFilters')}
                </Button>
              </Empty>
            ) : (
              <Table
                label={t('settings.tab.audit')}
                head={[t('audit.col.at'), t('audit.col.actor'), t('audit.col.action'), t('audit.col.target'), t('audit.col.outcome')]}
              >
                {items.map((entry) => (
                  <tr key={entry.seq} className={rowClass} onClick={() => setOpen(entry)}>
                    <td className={`${cellClass} whitespace-nowrap text-ink-2`}>
                      <Time at={entry.at} />
                    </td>
                    <td className={`${cellClass} font-mono text-xs break-all`}>{entry.actor}</td>
                    <td className={cellClass}>
                      <button
                        type="button"
                        className="min-h-6 font-medium hover:underline"
                        onClick={(e) => {
                          e.stopPropagation()
                          setOpen(entry)
                        }}
                      >
                        {entry.action}
                      </button>
                    </td>
                    <td className={`${cellClass} font-mono text-xs break-all text-ink-2`}>{entry.target ?? ''}</td>
                    <td className={cellClass}>
                      {outcomeOf(entry) === 'refused' ? (
                        <span className="text-danger">{t('audit.refused')}</span>
                      ) : (
                        <span className="text-ink-2">{t('audit.done')}</span>
                      )}
                    </td>
                  </tr>
                ))}
              </Table>
            )
          }
        </Region>
        {list.hasNextPage ? (
          <div className="border-t border-line p-3 text-center">
            <Button onClick={() => void list.fetchNextPage()} busy={list.isFetchingNextPage}>
              {t('action.more')}
            </Button>
          </div>
        ) : null}
      </Card>
      <Sheet open={open !== null} onClose={() => setOpen(null)} title={t('audit.entry', { seq: open?.seq ?? '' })} about={open?.action}>
        {open ? (
          <>
            {open.action === USED ? <Uses seq={open.seq} /> : null}
            <Json value={open.entry} label={t('audit.entry', { seq: open.seq })} />
            <p className="mt-3 text-xs">
              <CopyChip text={open.hash} shown={`${open.hash.slice(0, 16)}…`} />
            </p>
          </>
        ) : null}
      </Sheet>
    </>
  )
}

/** Who used which secret, of those that one entry answers for. */
function Uses({ seq }: { seq: number }) {
  const uses = useQuery({
    queryKey: ['audit', 'uses', seq],
    queryFn: ({ signal }) => call('audit.uses', { seq, limit: SHOWN }, { signal }),
  })
  return (
    <div className="mb-3">
      <Region query={uses}>
        {({ items }) => (
          <Table
            label={t('audit.uses')}
            head={[t('audit.col.at'), t('audit.col.actor'), t('audit.uses.secret'), t('audit.uses.for'), t('audit.uses.times')]}
          >
            {items.map((use) => (
              <tr key={`${use.first_at} ${JSON.stringify(use)}`} className={rowClass}>
                <td className={`${cellClass} whitespace-nowrap text-ink-2`}>
                  <Time at={use.last_at} />
                </td>
                <td className={`${cellClass} font-mono text-xs break-all`}>
                  {use.actor}
                  {use.run_id ? <span className="block text-ink-2">{`${use.run_id} ${use.step_id ?? ''}`}</span> : null}
                </td>
                <td className={`${cellClass} font-mono text-xs break-all`}>
                  {use.connection_id}
                  <span className="block text-ink-2">{t('audit.uses.version', { n: use.credential_version })}</span>
                </td>
                <td className={cellClass}>
                  {use.tool ?? use.purpose}
                  <span className="block font-mono text-xs break-all text-ink-2">{use.host ?? ''}</span>
                </td>
                <td className={cellClass}>{use.uses}</td>
              </tr>
            ))}
          </Table>
        )}
      </Region>
    </div>
  )
}
