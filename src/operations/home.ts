import { z } from 'zod'
import { MAX_LIMIT } from '../base/page.ts'
import { operation } from './operation.ts'

export const home = operation({
  name: 'home.get',
  http: 'GET /v1/home',
  about: 'How far this project has come with its first steps: a tool called by hand, a workflow run, a token used, something connected.',
  scope: 'workflow:read',
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'four facts about use' },
  hideFrom: { mcp: 'for people who begin' },
  input: z.strictObject({}),
  output: z.object({ tool_called: z.boolean(), workflow_run: z.boolean(), token_used: z.boolean(), connected: z.boolean() }),
  run: ({ access, connections, runs, tools }, { caller, read }) =>
    read(async (tx) => {
      const [tool_called, workflow_run, tokens, { items }] = await Promise.all([
        tools.calledByHand(tx),
        runs.startedByPeople(tx),
        access.pats(tx, caller, MAX_LIMIT, null),
        connections.list(tx, { limit: 1 }),
      ])
      return { tool_called, workflow_run, token_used: tokens.some((it) => it.last_used_at !== null), connected: items.length > 0 }
    }),
})
