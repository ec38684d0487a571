/**
 * Where the next page begins, handed out and taken back. A cursor is signed with the key file of the connection, so that none can be made
 * up, and none is taken for another question.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Fault } from '../../base/errors.ts'
import type { Target } from './firestore-key.ts'

/** Values of indexed fields are 1500 bytes at most; JSON and base64 make them longer. */
const MAX_CURSOR = 100_000

const macOf = (target: Target, question: unknown, place: unknown): Buffer =>
  createHmac('sha256', target.keyFile)
    .update(JSON.stringify([target.project, target.database, question, place]))
    .digest()
    .subarray(0, 12)

export const cursorFor = (target: Target, question: unknown, place: unknown): string =>
  Buffer.from(JSON.stringify([macOf(target, question, place).toString('base64url'), place])).toString('base64url')

export function placeOf(target: Target, question: unknown, cursor: string): unknown {
  try {
    const [mac, place] = JSON.parse(Buffer.from(cursor.slice(0, MAX_CURSOR), 'base64url').toString()) as [string, unknown]
    if (timingSafeEqual(Buffer.from(mac, 'base64url'), macOf(target, question, place))) return place
  } catch {
    // Not one of ours, which is said below.
  }
  throw new Fault('INVALID_INPUT', 'the cursor does not belong to this question', {
    hint: 'Ask again with nothing changed but the cursor, or begin anew without one.',
  })
}
