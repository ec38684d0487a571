/** What an instance stands on: the profile that is active in an environment, or one that is named, to be tried before it serves. */
import { z } from 'zod'
import type { Tx } from '../base/db.ts'
import { fail } from '../base/errors.ts'
import type { Rooms } from './operation.ts'

export const profileId = z.string().max(80).optional().describe('this profile instead of the active one: to try it before it serves')

export async function standingOf(
  { bindings, connections, tools }: Rooms,
  tx: Tx,
  input: { id: string; environment: string; profile_id?: string | undefined },
) {
  const instance = await bindings.get(tx, input.id)
  if (input.profile_id === undefined) {
    const { instances } = await tools.lookups(tx, [input.id], [], input.environment)
    const at = instances.get(input.id)
    if (!at) throw new Error('an instance that is there can be looked up')
    return { ...at, environment: input.environment, tried: null }
  }
  const profile =
    instance.profiles.find((p) => p.id === input.profile_id) ??
    fail('NOT_FOUND', `there is no profile ${input.profile_id} of this instance`)
  const connector = bindings.connectorOf(instance.server)
  const bound = profile.connection_id
  return {
    connector,
    hasProfile: true,
    needsConnection: connector.auth.kind !== 'none',
    connection: bound === null ? null : ((await connections.some(tx, [bound])).get(bound) ?? null),
    environment: profile.environment,
    tried: profile,
  }
}
