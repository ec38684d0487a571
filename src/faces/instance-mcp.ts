/** The tools of one instance as an MCP server: listed where its connection may use them, called on the same path as over HTTP. */
import type { Tool } from '@modelcontextprotocol/server'
import { permits } from '../access/index.ts'
import { Fault } from '../base/errors.ts'
import { type AnyOperation, type Api, type Invoke, scopesOf } from '../operations/index.ts'
import type { Served } from './mcp.ts'

type Listed = Api['tools.list']['output']['items'][number]

/** Failures that somebody can end: what the list of tools says of them is worth adding. */
const MENDABLE = new Set(['SCOPE_MISSING', 'CONNECTION_RECONNECT_REQUIRED', 'BINDING_MISSING', 'CREDENTIAL_REJECTED'])

function toolOf(it: Listed): Tool {
  const words = it.name.replaceAll('_', ' ')
  const output = it.output_schema as Tool['outputSchema']
  return {
    name: it.name,
    title: `${words[0]?.toUpperCase()}${words.slice(1)}`,
    description: it.about,
    inputSchema: it.input_schema as Tool['inputSchema'],
    ...(output?.type === 'object' ? { outputSchema: output } : {}),
    annotations: { readOnlyHint: it.effect === 'read', destructiveHint: it.effect === 'destroy', idempotentHint: it.effect === 'read' },
  }
}

export function instanceMcp(operations: readonly AnyOperation[], invoke: Invoke): Served {
  const named = (name: keyof Api) => operations.find((op) => op.name === name) as AnyOperation
  const get = named('instances.get')
  const list = named('tools.list')
  const call = named('tools.call')

  return {
    route: '/mcp/instances/:id',
    title: 'Tools of an instance',
    scopes: [call.scope as string],
    supported: [call.scope as string],
    async open(caller, { id = '' }, asked) {
      const ask = <N extends keyof Api>(op: AnyOperation, input: object, signal = new AbortController().signal) =>
        invoke(op, caller, { id, ...input }, { ...asked, signal }) as Promise<Api[N]['output']>
      const instance = await ask<'instances.get'>(get, {})
      const tools = async () => (await ask<'tools.list'>(list, {})).items

      /** Why a tool does not work and what would make it work, where the list of tools knows. */
      async function mended(fault: Fault, name: string): Promise<Fault> {
        const it = (await tools()).find((t) => t.name === name)
        if (!it || it.available) return fault
        const way = it.grant_url ? `A person can allow it here: ${it.grant_url}` : fault.hint
        return new Fault(fault.code, fault.message, {
          ...(way ? { hint: way } : {}),
          details: { ...fault.details, reason: it.reason, missing_scopes: it.missing_scopes, grant_url: it.grant_url },
          cause: fault,
        })
      }

      return {
        name: instance.server,
        title: instance.name,
        instructions: `Tools of the instance ${instance.name} (${instance.server}), with the connection that is bound to it in production.`,
        tools: async () => (permits(caller, scopesOf(call), call.role) ? (await tools()).filter((it) => it.available).map(toolOf) : []),
        call: async (tool, args, signal) => {
          try {
            return (await ask<'tools.call'>(call, { tool, args }, signal)).result
          } catch (error) {
            if (!(error instanceof Fault) || !MENDABLE.has(error.code)) throw error
            throw await mended(error, tool)
          }
        },
      }
    },
  }
}
