import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { associate, EnvelopeError, HEAD_BYTES, keyNoOf, open, type Place, rewrapOne, seal } from './envelope.ts'
import { entriesOf, type Keyring, newKeyring, ringOf, withKey } from './keyring.ts'

const seed = Number(process.hrtime.bigint() % 1_000_000_007n)
console.log(`envelope properties: seed ${seed}`)
fc.configureGlobal({ seed, numRuns: 100 })

const at: Place = { workspace: 'ws_1', project: 'prj_1', owner: 'conn_1', field: 'api_key', version: 3 }
const ring = withKey(newKeyring(), 2)
const sealed = () => seal(ring, at, Buffer.from('a secret of some length'))
const name = fc.string({ unit: 'binary', maxLength: 12 })
const places = fc.record({
  workspace: name,
  project: fc.option(name),
  owner: name,
  field: name,
  version: fc.integer({ min: 1, max: 0xffff_ffff }),
})
const plains = fc.uint8Array({ maxLength: 300 }).map((a) => Buffer.from(a))

function kindOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof EnvelopeError) return error.kind
    throw error
  }
  return 'opened'
}

describe('what is sealed', () => {
  it('opens to the same bytes, under any key of the ring', () => {
    fc.assert(
      fc.property(places, plains, (place, plain) => {
        const bytes = seal(ring, place, plain)
        expect(bytes.length).toBe(93 + plain.length)
        expect(keyNoOf(bytes)).toBe(2)
        expect(open(ring, place, bytes).equals(plain)).toBe(true)
        expect(open(withKey(ring, 3), place, bytes).equals(plain)).toBe(true)
      }),
    )
  })

  it('never has the same data key or nonce twice', () => {
    const heads = Array.from({ length: 200 }, () => sealed())
    expect(new Set(heads.map((b) => b.toString('hex', 5, 49))).size).toBe(200)
    expect(new Set(heads.map((b) => b.toString('hex', 65))).size).toBe(200)
  })

  it('[vault.tamper] is refused with any one bit flipped', () => {
    const bytes = sealed()
    const kinds = new Set<string>()
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const bad = Buffer.from(bytes)
      bad[bit >> 3]! ^= 1 << (bit & 7)
      kinds.add(kindOf(() => open(ring, at, bad)))
    }
    expect([...kinds].sort()).toEqual(['format', 'refused', 'unknown_key'])
  })

  it('[vault.tamper] is refused when cut anywhere, at either end, or made longer', () => {
    const bytes = sealed()
    for (let n = 0; n < bytes.length; n++) {
      expect(kindOf(() => open(ring, at, bytes.subarray(0, n)))).toMatch(/format|refused/)
      if (n > 0) expect(kindOf(() => open(ring, at, bytes.subarray(n)))).not.toBe('opened')
    }
    for (const tag of [15, 12, 8, 4]) expect(kindOf(() => open(ring, at, bytes.subarray(0, bytes.length - 16 + tag)))).toBe('refused')
    expect(kindOf(() => open(ring, at, Buffer.concat([bytes, Buffer.alloc(1)])))).toBe('refused')
  })

  it('[vault.row-bound] is refused in any other place', () => {
    const bytes = sealed()
    const moves: Partial<Place>[] = [
      { workspace: 'ws_2' },
      { project: 'prj_2' },
      { project: null },
      { project: '' },
      { owner: 'conn_2' },
      { field: 'api_secret' },
      { version: 4 },
      { workspace: 'ws_1prj_1', project: '' },
      { owner: 'conn_1api_key', field: '' },
    ]
    for (const move of moves) {
      expect(kindOf(() => open(ring, { ...at, ...move }, bytes))).toBe('refused')
      expect(kindOf(() => rewrapOne(ring, { ...at, ...move }, bytes))).toBe('refused')
    }
    fc.assert(
      fc.property(places, places, (a, b) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b))
        expect(kindOf(() => open(ring, b, seal(ring, a, Buffer.from('x'))))).toBe('refused')
      }),
    )
  })

  it('[vault.row-bound] does not open with the head of another envelope of the same place', () => {
    const [one, two] = [sealed(), sealed()]
    const mixed = Buffer.concat([one.subarray(0, HEAD_BYTES), two.subarray(HEAD_BYTES)])
    expect(kindOf(() => open(ring, at, mixed))).toBe('refused')
  })

  it('[vault.row-bound] binds the number of its key: the same key under another number does not open it', () => {
    const twice: Keyring = { ...ring, keys: new Map([...ring.keys, [7, ring.keys.get(2)!]]) }
    const bytes = sealed()
    bytes.writeUInt32BE(7, 1)
    expect(kindOf(() => open(twice, at, bytes))).toBe('refused')
  })

  it('says which of the three went wrong', () => {
    const bytes = sealed()
    expect(kindOf(() => open(newKeyring(), at, bytes))).toBe('unknown_key')
    expect(kindOf(() => open(ring, at, Buffer.alloc(0)))).toBe('format')
    expect(kindOf(() => open(ring, at, Buffer.concat([Buffer.of(0), bytes.subarray(1)])))).toBe('format')
    expect(kindOf(() => open(ring, at, Buffer.concat([Buffer.of(2), bytes.subarray(1)])))).toBe('format')
  })

  it('leaves the caller’s plaintext alone, and returns one of its own', () => {
    const plain = Buffer.from('mine')
    const bytes = seal(ring, at, plain)
    open(ring, at, bytes).fill(0)
    expect(plain.toString()).toBe('mine')
    expect(open(ring, at, bytes).toString()).toBe('mine')
  })
})

describe('a re-wrap', () => {
  const next = withKey(ring, 3)

  it('[vault.rewrap] replaces the head and leaves every byte of the contents', () => {
    fc.assert(
      fc.property(places, plains, (place, plain) => {
        const before = seal(ring, place, plain)
        const after = rewrapOne(next, place, before)
        expect(keyNoOf(after)).toBe(3)
        expect(after.subarray(HEAD_BYTES).equals(before.subarray(HEAD_BYTES))).toBe(true)
        expect(after.subarray(5, HEAD_BYTES).equals(before.subarray(5, HEAD_BYTES))).toBe(false)
        expect(open(next, place, after).equals(plain)).toBe(true)
        expect(kindOf(() => open(ring, place, after))).toBe('unknown_key')
        expect(rewrapOne(next, place, before.subarray(0, HEAD_BYTES)).length).toBe(HEAD_BYTES)
      }),
    )
  })

  it('refuses a head that is damaged', () => {
    const bytes = sealed()
    for (const byte of [0, 1, 5, 17, 49, 64]) {
      const bad = Buffer.from(bytes)
      bad[byte]! ^= 0x80
      expect(kindOf(() => rewrapOne(next, at, bad))).not.toBe('opened')
    }
  })
})

describe('associated data', () => {
  it('is different for any two lists of parts of the same shape', () => {
    const parts = fc.tuple(fc.option(name), fc.option(name), fc.integer({ min: 0, max: 9 }))
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(associate(...a).equals(associate(...b))).toBe(JSON.stringify(a) === JSON.stringify(b))
      }),
    )
    expect(kindOf(() => associate('\ud800'))).toBe('format')
  })
})

describe('the ring', () => {
  it('is a value: a change leaves the old one as it was', () => {
    const one = newKeyring()
    const two = withKey(one, 2)
    expect([one.active, two.active, one.keys.size, two.keys.size]).toEqual([1, 2, 1, 2])
    expect(two.fingerprintKey).toBe(one.fingerprintKey)
    expect(ringOf(entriesOf(two))).toEqual(two)
  })

  it('is not made from less than a ring', () => {
    const [fingerprint, key] = entriesOf(newKeyring())
    expect(() => ringOf([fingerprint!])).toThrow('incomplete')
    expect(() => ringOf([key!])).toThrow('incomplete')
    expect(() => ringOf([fingerprint!, [1, Buffer.alloc(16)]])).toThrow('length')
  })
})

describe('the frozen vectors', () => {
  const file = JSON.parse(readFileSync(new URL('../../test/vectors/envelope-v1.json', import.meta.url), 'utf8')) as {
    ring: Record<string, string>
    cases: { about: string; keyNo: number; place: Place; plain: string; sealed: string }[]
  }
  const frozen = ringOf([
    [0, Buffer.alloc(32)],
    ...Object.entries(file.ring).map(([no, hex]): [number, Buffer] => [Number(no), Buffer.from(hex, 'hex')]),
  ])

  it.each(file.cases)('[vault.format-frozen] $about', ({ keyNo, place, plain, sealed: hex }) => {
    const bytes = Buffer.from(hex, 'hex')
    expect(keyNoOf(bytes)).toBe(keyNo)
    expect(open(frozen, place, bytes).toString('hex')).toBe(plain)
    expect(open(frozen, place, rewrapOne(frozen, place, bytes)).toString('hex')).toBe(plain)
  })

  it('are all there', () => {
    expect(file.cases.map((c) => c.about)).toHaveLength(7)
  })
})
