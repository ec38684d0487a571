import { queryOptions, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { UserPlus } from 'lucide-react'
import { useState } from 'react'
import { type Answer, call, type Input } from '../../api.ts'
import { useDenied } from '../../may.ts'
import { useMe } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { cellClass, CopyChip, Table, Time } from '../../ui/parts.tsx'
import { Card, Problem, Region } from '../../ui/region.tsx'
import { toast } from '../../ui/toast.tsx'
import { t } from '../../words/index.ts'
import { InviteDialog, PROJECT_ROLES, type ProjectRole, WORKSPACE_ROLES, type WorkspaceRole } from './invite.tsx'

type Member = Answer<'members.list'>['items'][number]
const membersQuery = queryOptions({ queryKey: ['members'], queryFn: ({ signal }) => call('members.list', { limit: 200 }, { signal }) })
const invitationsQuery = queryOptions({
  queryKey: ['invitations'],
  queryFn: ({ signal }) => call('invitations.list', { limit: 200 }, { signal }),
})

export function Members() {
  const me = useMe()
  const queries = useQueryClient()
  const denied = useDenied('workspace_admin')
  const list = useQuery(membersQuery)
  const [inviting, setInviting] = useState(false)
  const [removing, setRemoving] = useState<Member | null>(null)
  const again = () => queries.invalidateQueries({ queryKey: ['members'] })
  const change = useMutation({
    mutationFn: (input: Input<'members.update'>) => call('members.update', input),
    onSuccess: async (member) => {
      toast(t('members.saved', { name: member.name }))
      await again()
    },
    onError: again,
  })
  const remove = useMutation({
    mutationFn: (member: Member) => call('members.remove', { id: member.id }),
    onSuccess: async ({ tokens_revoked }, member) => {
      setRemoving(null)
      toast(t('members.removed', { name: member.name, n: tokens_revoked }))
      await again()
    },
  })
  const reset = useMutation({ mutationFn: (member: Member) => call('members.reset_link', { id: member.id }), gcTime: 0 })
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center justify-between gap-3">
        <p className="text-sm text-ink-2">{t('members.about')}</p>
        <Button look="primary" disabled={denied !== null} title={denied ?? undefined} onClick={() => setInviting(true)}>
          <UserPlus size={14} aria-hidden />
          {t('members.invite')}
        </Button>
      </div>
      {change.error ? (
        <div className="mb-3">
          <Problem error={change.error} />
        </div>
      ) : null}
      <Card>
        <Region query={list}>
          {({ items }) => (
            <Table
              label={t('settings.tab.members')}
              head={[t('members.col.name'), t('members.col.role'), t('members.col.project'), t('members.col.state'), t('members.col.act')]}
            >
              {items.map((m) => {
                const here = m.project_roles.find((r) => r.project_id === me.project_id)?.role ?? ''
                const own = m.id === me.user.id
                return (
                  <tr key={m.id} className="border-b border-line last:border-0">
                    <td className={cellClass}>
                      <span className="font-medium">{m.name}</span>
                      {own ? <span className="ms-1.5 text-xs text-ink-3">{t('members.you')}</span> : null}
                      <span className="block text-xs text-ink-3">{m.email}</span>
                    </td>
                    <td className={cellClass}>
                      <Select
                        aria-label={t('members.role.of', { name: m.name })}
                        value={m.role}
                        disabled={denied !== null || own}
                        title={denied ?? undefined}
                        onChange={(e) => change.mutate({ id: m.id, role: e.target.value as WorkspaceRole })}
                      >
                        {WORKSPACE_ROLES.map((role) => (
                          <option key={role} value={role}>
                            {t(`members.role.${role}`)}
                          </option>
                        ))}
                      </Select>
                    </td>
                    <td className={cellClass}>
                      {m.role === 'member' ? (
                        <Select
                          aria-label={t('members.project.of', { name: m.name })}
                          value={here}
                          onChange={(e) =>
                            change.mutate({
                              id: m.id,
                              project_roles: [{ project_id: me.project_id, role: (e.target.value || null) as ProjectRole | null }],
                            })
                          }
                        >
                          <option value="">{t('members.project.none')}</option>
                          {PROJECT_ROLES.map((role) => (
                            <option key={role} value={role}>
                              {t(`members.project.${role}`)}
                            </option>
                          ))}
                        </Select>
                      ) : (
                        <span className="text-ink-2">{t('members.everywhere')}</span>
                      )}
                    </td>
                    <td className={`${cellClass} text-ink-2`}>{t(m.disabled ? 'members.disabled' : 'members.active')}</td>
                    <td className={cellClass}>
                      {own || denied ? null : (
                        <div className="flex flex-wrap gap-1.5">
                          <Button size="sm" onClick={() => change.mutate({ id: m.id, disabled: !m.disabled })}>
                            {t(m.disabled ? 'members.enable' : 'members.disable')}
                          </Button>
                          <Button size="sm" onClick={() => reset.mutate(m)}>
                            {t('members.reset')}
                          </Button>
                          <Button size="sm" look="danger" onClick={() => setRemoving(m)}>
                            {t('members.remove')}
                          </Button>
                        </div>
                      )}
                    </td>
                  </tr>
                )
              })}
            </Table>
          )}
        </Region>
      </Card>
      {denied ? null : <Invitations />}
      {inviting ? <InviteDialog onClose={() => setInviting(false)} /> : null}
      <Dialog
        open={removing !== null}
        onClose={() => setRemoving(null)}
        title={t('members.remove.title', { name: removing?.name ?? '' })}
        about={t('members.remove.about')}
      >
        {remove.error ? <Problem error={remove.error} /> : null}
        <div className="flex justify-end gap-2">
          <Button onClick={() => setRemoving(null)}>{t('action.cancel')}</Button>
          <Button look="danger" busy={remove.isPending} onClick={() => removing && remove.mutate(removing)}>
            {t('members.remove')}
          </Button>
        </div>
      </Dialog>
      <Dialog
        open={reset.data !== undefined || reset.error !== null}
        onClose={() => reset.reset()}
        title={t('members.reset.title')}
        about={t('members.reset.about', { name: reset.variables?.name ?? '' })}
      >
        {reset.error ? <Problem error={reset.error} /> : null}
        {reset.data ? <CopyChip text={reset.data.link} shown={reset.data.link} /> : null}
      </Dialog>
    </>
  )
}

function Invitations() {
  const queries = useQueryClient()
  const list = useQuery(invitationsQuery)
  const withdraw = useMutation({
    mutationFn: (id: string) => call('invitations.withdraw', { id }),
    onSuccess: async () => {
      toast(t('members.withdrawn'))
      await queries.invalidateQueries({ queryKey: ['invitations'] })
    },
  })
  const items = list.data?.items ?? []
  if (items.length === 0) return null
  return (
    <Card className="mt-4">
      <h2 className="border-b border-line px-4 py-3 text-base font-semibold">{t('members.invitations')}</h2>
      {withdraw.error ? <Problem error={withdraw.error} /> : null}
      <ul>
        {items.map((it) => (
          <li key={it.id} className="flex flex-wrap items-center gap-3 border-b border-line px-4 py-2 text-sm last:border-0">
            <span className="min-w-0 flex-1 font-medium break-words">{it.email}</span>
            <span className="text-ink-2">{t(`members.role.${it.role}`)}</span>
            <span className="text-xs text-ink-3">
              {t('members.invitations.expires')} <Time at={it.expires_at} />
            </span>
            <Button size="sm" aria-label={`${t('members.withdraw')} ${it.email}`} onClick={() => withdraw.mutate(it.id)}>
              {t('members.withdraw')}
            </Button>
          </li>
        ))}
      </ul>
    </Card>
  )
}
