import { inspect } from 'node:util'
import { z } from 'zod'

/** A value that nobody outside this room can read. It prints, logs and serialises as «secret». */
const kept = new WeakMap<Secret, string>()

export class Secret {
  toString() {
    return '«secret»'
  }
  toJSON() {
    return '«secret»'
  }
  [inspect.custom]() {
    return '«secret»'
  }
}

export function conceal(plain: string): Secret {
  const secret = new Secret()
  kept.set(secret, plain)
  return secret
}

/** For this room's files alone: the door does not export it. */
export function reveal(secret: Secret): string {
  const plain = kept.get(secret)
  if (plain === undefined) throw new Error('not one of our secrets')
  return plain
}

/** For operation inputs: the string becomes a Secret while it is being parsed. */
export const secretField = (about: string) => z.string().meta({ description: about, writeOnly: true }).transform(conceal)
