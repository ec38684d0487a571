/** Project Wycheproof's AES-GCM vectors (C2SP/wycheproof, Apache-2.0) through the functions that the envelope is made with. */
import { readFileSync } from 'node:fs'
import { describe, expect, inject, it } from 'vitest'
import { gcmOpen, gcmSeal } from '../../src/vault/envelope.ts'

interface Vectors {
  numberOfTests: number
  testGroups: { tests: { tcId: number; key: string; iv: string; aad: string; msg: string; ct: string; tag: string; result: string }[] }[]
}

/** Where the vectors lie, if they lie beside the project: found by the test configuration. */
const path = (inject as (key: string) => unknown)('wycheproof')
const found = typeof path === 'string' && path !== ''
if (!found) console.warn('SKIPPED: the Wycheproof AES-GCM vectors (aes_gcm_test.json) are not on this machine')

/** OpenSSL takes nonces of up to 1,024 bits; ours have 96. The vectors have three of 2,056 bits. */
const MAX_NONCE_BYTES = 128

describe.skipIf(!found)('Wycheproof AES-GCM', () => {
  it('[vault.wycheproof] every valid vector opens and is made again, every invalid one is refused', () => {
    const { testGroups, numberOfTests } = JSON.parse(readFileSync(path as string, 'utf8')) as Vectors
    const count = { accepted: 0, refusedBySize: 0, rejected: 0 }
    const wrong: number[] = []
    for (const t of testGroups.flatMap((g) => g.tests)) {
      const [key, iv, aad, msg, sealed] = [t.key, t.iv, t.aad, t.msg, t.ct + t.tag].map((hex) => Buffer.from(hex, 'hex')) as Buffer[]
      let opened: Buffer | null = null
      try {
        opened = gcmOpen(key!, iv!, aad!, sealed!)
      } catch {
        // judged below
      }
      if (t.result === 'valid' && opened?.equals(msg!) && gcmSeal(key!, iv!, aad!, msg!).equals(sealed!)) count.accepted++
      else if (t.result === 'valid' && !opened && iv!.length > MAX_NONCE_BYTES) count.refusedBySize++
      else if (t.result === 'invalid' && !opened) count.rejected++
      else wrong.push(t.tcId)
    }
    console.log(
      `Wycheproof AES-GCM: ${count.accepted} valid accepted, ${count.refusedBySize} valid refused for their nonce size, ${count.rejected} invalid rejected`,
    )
    expect(wrong).toEqual([])
    expect(count.accepted + count.refusedBySize + count.rejected).toBe(numberOfTests)
    expect(count.refusedBySize).toBeLessThanOrEqual(3)
  })
})
