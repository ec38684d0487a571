import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createRedactor } from './redact.ts'

const secret = `sk-${randomBytes(15).toString('hex')}`
const later = `sk-${randomBytes(15).toString('hex')}`
const at = (owner: string, workspace = 'ws_a') => ({ workspace, owner, version: 1 })
const opened = (...values: string[]) => {
  const redactor = createRedactor({ now: () => 0 })
  for (const [i, value] of values.entries()) redactor.learn(at(`conn_${i}`), [value])
  return redactor
}
const REST = { page: 2, ['__proto__']: 'mine' }

describe('what was searched on its way in', () => {
  it('[redact.honest] leaves as the same JSON, with what stands beside it', () => {
    const redactor = opened(secret)
    const result = { a: [1, 'two'], nothing: null, left: undefined }
    expect(redactor.inUse('ws_a', at('conn_0')).answer(result)).toBe(result)
    expect(redactor.of('ws_a').written({ result })).toBe(JSON.stringify({ result }))
    expect(JSON.parse(redactor.of('ws_a').written({ ...REST, result, 'a "key"': result }))).toEqual(
      JSON.parse(JSON.stringify({ ...REST, result, 'a "key"': result })),
    )
    expect(redactor.of('ws_a').written([result])).toBe(JSON.stringify([result]))
  })

  it.each([
    ['as text', (value: string) => [value]],
    ['as a key', (value: string) => ({ [value]: 1 })],
    ['beside an escape', (value: string) => ['"\n', value]],
    ['in UTF-16', (value: string) => [Buffer.from(value, 'utf16le').toString('latin1')]],
    ['in a Buffer', (value: string) => [{ type: 'x' }, Buffer.from(value)]],
    ['in bytes', (value: string) => ({ it: new Uint8Array(Buffer.from(value)) })],
    ['in base64', (value: string) => ({ it: Buffer.from(`x${value}y`).toString('base64') })],
  ])('[redact.last-look] loses a secret %s', (_how, hidden) => {
    const redactor = opened(secret)
    const result = hidden(secret)
    const clean = redactor.inUse('ws_a', at('conn_0')).answer(result)
    expect(clean).not.toBe(result)
    expect(redactor.of('ws_a').written({ result: clean })).toBe(JSON.stringify({ result: clean }))
    expect(JSON.stringify(clean)).not.toContain([...Buffer.from(secret)].join(','))
    expect(JSON.stringify(clean)).toMatch(/redacted|,114,101,100,97,99,116,101,100,/)
  })

  it('[redact.last-look] is searched again where something was opened since, and for another workspace', () => {
    const redactor = opened(secret)
    const result = { said: later }
    redactor.inUse('ws_a', at('conn_0')).answer(result)
    redactor.learn(at('conn_9', 'ws_b'), [later])
    expect(redactor.of('ws_b').written({ result })).toBe('{"result":{"said":"[redacted]"}}')
    expect(redactor.all.written({ result })).toBe('{"result":{"said":"[redacted]"}}')
    redactor.learn(at('conn_8'), [later])
    expect(redactor.of('ws_a').written({ result })).toBe('{"result":{"said":"[redacted]"}}')
  })

  it('[redact.last-look] is no excuse for what stands beside it', () => {
    const redactor = opened(secret)
    const result = { fine: true }
    redactor.inUse('ws_a', at('conn_0')).answer(result)
    const said = redactor.of('ws_a').written({ result, [secret]: 1, said: secret })
    expect(said).not.toContain(secret)
    expect(JSON.parse(said)).toEqual({ result, '[redacted]': 1, said: '[redacted]' })
  })
})
