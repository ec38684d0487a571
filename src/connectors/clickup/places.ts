import { type Tool, tool, z } from '../contract.ts'
import { listId, send, workspaceId } from './call.ts'
import { List, Space, Workspace } from './shapes.ts'

export const places: Record<string, Tool> = {
  clickup_get_workspaces: tool({
    about:
      'Lists the workspaces (which ClickUp calls teams) that the connected token reaches, with their members and the ids of these. Start here when no id is known.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({}),
    output: z.looseObject({ teams: z.array(Workspace) }),
    example: {},
    run: async (ctx) => (await send(ctx, { path: '/team' })).body as { teams: [] },
  }),
  clickup_get_spaces: tool({
    about: 'Lists the spaces of one workspace with their statuses. Says nothing of the lists in them: take a list id from its address.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({
      workspace_id: workspaceId,
      archived: z.boolean().optional().describe('Only archived ones; false when left out'),
    }),
    output: z.looseObject({ spaces: z.array(Space) }),
    example: { workspace_id: '9007', archived: false },
    run: async (ctx, { workspace_id, archived = false }) =>
      (await send(ctx, { path: '/team/{workspace_id}/space', at: { workspace_id }, query: { archived } })).body as { spaces: [] },
  }),
  clickup_get_list: tool({
    about: 'Reads one list: its name, space and folder, and the statuses that its tasks can have. Its tasks come from clickup_get_tasks.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({ list_id: listId }),
    output: List,
    example: { list_id: '124' },
    run: async (ctx, { list_id }) => (await send(ctx, { path: '/list/{list_id}', at: { list_id } })).body as never,
  }),
}
