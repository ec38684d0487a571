/** Counters: each call counts, so that a call whose end is unknown is not made again by itself. */
import { tool, z } from '../contract.ts'
import { Key, Whole, whole, write } from './shapes.ts'

const Input = z.strictObject({ key: Key })
const Output = z.object({ value: Whole.describe('The count afterwards; as text where it is too large for a JSON number.') })

export const counters = {
  redis_incr: tool({
    about:
      'Adds 1 to the whole number at a key, which begins at 0 where there is none, and returns the sum. Two callers never get the same one. For other steps run INCRBY by redis_run_command.',
    effect: 'write',
    repeatable: false,
    input: Input,
    output: Output,
    example: { key: 'visits' },
    run: async (ctx, { key }) => ({ value: whole(await write(ctx, 'INCR', key)) }),
  }),

  redis_decr: tool({
    about:
      'Takes 1 from the whole number at a key, which begins at 0 where there is none, and returns the rest; it may become negative. For other steps run DECRBY by redis_run_command.',
    effect: 'write',
    repeatable: false,
    input: Input,
    output: Output,
    example: { key: 'seats' },
    run: async (ctx, { key }) => ({ value: whole(await write(ctx, 'DECR', key)) }),
  }),
}
