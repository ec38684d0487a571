/** The last look at what leaves: whatever went wrong further in, no credential that the vault has opened is in an answer of ours. */
import type { Caller } from '../access/index.ts'
import { Fault, reworded } from '../base/errors.ts'
import type { Invoke } from '../operations/index.ts'

/** Both fault where something cannot be searched: then it does not leave. */
export interface Clean {
  text(text: string): string
  json<T>(value: T): T
  /** An answer as JSON. */
  written(answer: unknown): string
}
export interface Redact {
  /** Without the values of a workspace. Those of others do not change what it reads. */
  of(workspace: string): Clean
  /** Without any: for whoever is not known. */
  all: Clean
}

/** For faces that make more than one text of an answer. */
export const lookedOver = (invoke: Invoke, redact: Redact): Invoke =>
  async function invokeAndLook(op, caller: Caller, input, asked) {
    const clean = redact.of(caller.workspace)
    try {
      return clean.json(await invoke(op, caller, input, asked))
    } catch (error) {
      throw error instanceof Fault ? reworded(error, (it) => clean.json(it)) : error
    }
  }
