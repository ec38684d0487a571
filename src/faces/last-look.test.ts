import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { Caller } from '../access/index.ts'
import { Fault } from '../base/errors.ts'
import type { AnyOperation } from '../operations/index.ts'
import { createRedactor } from '../vault/index.ts'
import { lookedOver } from './last-look.ts'

const secret = `sk"${randomBytes(12).toString('hex')}`
const redactor = createRedactor({ now: () => 0 })
redactor.learn({ workspace: 'ws_a', owner: 'conn_1', version: 1 }, [secret])
const caller = (workspace: string) => ({ workspace }) as Caller
const op = {} as AnyOperation
const asked = { requestId: 'req_1', signal: new AbortController().signal }

describe('the last look', () => {
  it('[redact.last-look] takes what the vault has opened out of an answer, in texts and in keys, and leaves JSON', () => {
    const answer = { said: `it is ${secret}`, [secret]: [Buffer.from(secret).toString('base64')], n: 1 }
    expect(JSON.parse(redactor.of('ws_a').written(answer))).toEqual({
      said: 'it is [redacted]',
      '[redacted]': [expect.stringContaining('[redacted]')],
      n: 1,
    })
    expect(redactor.of('ws_b').written(answer)).toBe(JSON.stringify(answer))
  })

  it('[redact.last-look] and out of what MCP answers, and of failures', async () => {
    const says = lookedOver(async () => ({ said: secret }), redactor)
    expect(await says(op, caller('ws_a'), {}, asked)).toEqual({ said: '[redacted]' })
    expect(await says(op, caller('ws_b'), {}, asked)).toEqual({ said: secret })
    const fault = new Fault('UPSTREAM_ERROR', `it said ${secret}`, {
      hint: `not ${secret}`,
      details: { at: secret },
      retryAfter: 3,
      maybeDone: true,
      cause: new Error(secret),
    })
    const fails = lookedOver(() => Promise.reject(fault), redactor)
    const seen = await fails(op, caller('ws_a'), {}, asked).catch((error: Fault) => error)
    expect((seen as Fault).cause).toBeUndefined()
    expect(seen).toMatchObject({
      code: 'UPSTREAM_ERROR',
      message: 'it said [redacted]',
      hint: 'not [redacted]',
      details: { at: '[redacted]' },
      retryAfter: 3,
      maybeDone: true,
    })
  })

  it('[redact.closed] lets nothing out that cannot be searched', async () => {
    const no = () => {
      throw new Fault('REFUSED', 'no')
    }
    const closed = { text: no, json: no, written: no }
    const says = lookedOver(async () => ({ said: 'anything' }), { of: () => closed, all: closed })
    await expect(says(op, caller('ws_a'), {}, asked)).rejects.toMatchObject({ code: 'REFUSED' })
  })
})
