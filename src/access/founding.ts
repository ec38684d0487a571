/** The first workspace, project and owner, and whoever acts through the runtime itself. */
import type { Db } from '../base/db.ts'
import { newId } from '../base/ids.ts'
import { fail } from '../base/errors.ts'
import { appendAudit } from './audit.ts'
import { type Caller, SCOPES } from './caller.ts'
import { rows as memberRows } from './members-rows.ts'
import { NOBODY_YET } from './people.ts'
import { rows } from './rows.ts'

export function createFounding({ db, now }: { db: Db; now: () => number }) {
  async function make(reason: string, it: { slug: string; name: string; email: string; person: string }): Promise<Caller> {
    const workspace = newId('ws', now())
    const project = newId('proj', now())
    const user = newId('user', now())
    await db.everyTenant(reason, async (tx) => {
      await rows.insertWorkspace(tx, { workspace_id: workspace, slug: it.slug, name: it.name })
      await rows.insertProject(tx, { id: project, workspace_id: workspace, slug: 'default', name: 'Default project' })
      await rows.insertUser(tx, { id: user, email: it.email, name: it.person })
      await rows.insertMember(tx, { workspace_id: workspace, user_id: user, role: 'owner' })
    })
    return ownerCaller({ user_id: user, user_name: it.person, workspace_id: workspace, workspace_slug: it.slug, project_id: project })
  }

  return {
    /** Made when the database has none. */
    async founding(): Promise<{ owner: Caller; fresh: boolean }> {
      const there = await db.everyTenant('the first owner', (tx) => rows.owner(tx))
      if (there) return { owner: ownerCaller(there), fresh: false }
      const first = { slug: 'default', name: 'Default workspace', email: NOBODY_YET, person: 'Owner' }
      return { owner: await make('the first workspace, project and owner', first), fresh: true }
    },

    /** One more workspace, with a project, of a person who is here already. */
    async workspaceOf(caller: Caller, it: { slug: string; name: string }, requestId: string): Promise<{ id: string; project: string }> {
      const workspace = newId('ws', now())
      const project = newId('proj', now())
      await db.everyTenant('a person makes a workspace', async (tx) => {
        if (await memberRows.slugTaken(tx, it.slug))
          fail('CONFLICT', `there is a workspace ${it.slug} already`, { hint: 'Choose another slug.' })
        await rows.insertWorkspace(tx, { workspace_id: workspace, slug: it.slug, name: it.name })
        await rows.insertProject(tx, { id: project, workspace_id: workspace, slug: 'default', name: 'Default project' })
        await rows.insertMember(tx, { workspace_id: workspace, user_id: caller.userId, role: 'owner' })
        await appendAudit(tx, { workspace, project: '*' }, new Date(now()), {
          actor: caller.actor,
          action: 'workspace.created',
          target: workspace,
          outcome: 'done',
          requestId,
        })
      })
      return { id: workspace, project }
    },

    /** One more workspace with a project and an owner, by the operator. */
    newWorkspace: (it: { slug: string; name: string; email: string }): Promise<Caller> =>
      make('a new workspace', { ...it, person: it.email }),
  }
}

/** The owner, acting through the runtime itself (first start, CLI on the same machine). */
function ownerCaller(row: {
  user_id: string
  user_name: string
  workspace_id: string
  workspace_slug: string
  project_id: string
}): Caller {
  return {
    kind: 'system',
    actor: 'system:runtime',
    userId: row.user_id,
    userName: row.user_name,
    workspace: row.workspace_id,
    workspaceSlug: row.workspace_slug,
    project: row.project_id,
    scopes: SCOPES,
    role: 'workspace_owner',
  }
}
