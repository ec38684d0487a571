import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { call, type Input, Refusal } from '../../api.ts'
import { useMe } from '../../session.ts'
import { Button } from '../../ui/button.tsx'
import { Field, Input as TextInput, Select } from '../../ui/field.tsx'
import { Dialog } from '../../ui/overlay.tsx'
import { CopyChip } from '../../ui/parts.tsx'
import { Problem } from '../../ui/region.tsx'
import { t } from '../../words/index.ts'

export type WorkspaceRole = NonNullable<Input<'members.update'>['role']>
export type ProjectRole = NonNullable<Input<'invitations.create'>['project_role']>
export const WORKSPACE_ROLES: readonly WorkspaceRole[] = ['owner', 'admin', 'member']
export const PROJECT_ROLES: readonly ProjectRole[] = ['project_viewer', 'project_contributor', 'project_admin']

export function InviteDialog({ onClose }: { onClose: () => void }) {
  const me = useMe()
  const queries = useQueryClient()
  const [role, setRole] = useState<WorkspaceRole>('member')
  const create = useMutation({
    mutationFn: (input: Input<'invitations.create'>) => call('invitations.create', input),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['invitations'] }),
    gcTime: 0,
  })
  const close = () => {
    create.reset()
    onClose()
  }
  const made = create.data
  if (made)
    return (
      <Dialog open onClose={close} sticky title={t('members.invited.title')} about={t('members.invited.about', { email: made.email })}>
        <p className="mb-1 text-sm font-medium">{t('members.link')}</p>
        <CopyChip text={made.link} shown={made.link} />
        {made.mailed ? <p className="mt-2 text-sm text-ink-2">{t('members.invited.mailed')}</p> : null}
        <div className="mt-4 flex justify-end">
          <Button look="primary" onClick={close}>
            {t('members.done')}
          </Button>
        </div>
      </Dialog>
    )
  const fields = create.error instanceof Refusal ? create.error.fields : new Map<string, string>()
  return (
    <Dialog open onClose={close} title={t('members.invite')}>
      <form
        noValidate
        className="flex flex-col gap-4"
        onSubmit={(e) => {
          e.preventDefault()
          const form = new FormData(e.currentTarget)
          create.mutate({
            email: String(form.get('email') ?? '').trim(),
            role,
            ...(role === 'member' ? { project_id: me.project_id, project_role: String(form.get('project_role')) as ProjectRole } : {}),
          })
        }}
      >
        {create.error ? <Problem error={create.error} /> : null}
        <Field label={t('members.email')} required problem={fields.get('email')}>
          {(ids) => <TextInput {...ids} name="email" type="email" autoComplete="off" />}
        </Field>
        <Field label={t('members.col.role')}>
          {(ids) => (
            <Select {...ids} value={role} onChange={(e) => setRole(e.target.value as WorkspaceRole)}>
              {WORKSPACE_ROLES.map((it) => (
                <option key={it} value={it}>
                  {t(`members.role.${it}`)}
                </option>
              ))}
            </Select>
          )}
        </Field>
        {role === 'member' ? (
          <Field label={t('members.col.project')}>
            {(ids) => (
              <Select {...ids} name="project_role" defaultValue="project_contributor">
                {PROJECT_ROLES.map((it) => (
                  <option key={it} value={it}>
                    {t(`members.project.${it}`)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        ) : null}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>{t('action.cancel')}</Button>
          <Button type="submit" look="primary" busy={create.isPending}>
            {t('members.invite.submit')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
