/** PackStream, the format of Bolt's messages. https://neo4j.com/docs/bolt/current/packstream/ */

/** Numbers are whole ones where they have no fraction; this is for those that are not. */
export class Float {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}
export class Structure {
  readonly tag: number
  readonly fields: readonly unknown[]
  constructor(tag: number, fields: readonly unknown[]) {
    this.tag = tag
    this.fields = fields
  }
}

export function pack(value: unknown): Buffer {
  if (value === null || value === undefined) return Buffer.from([0xc0])
  if (typeof value === 'boolean') return Buffer.from([value ? 0xc3 : 0xc2])
  if (value instanceof Float || (typeof value === 'number' && !Number.isInteger(value))) {
    const out = Buffer.alloc(9, 0xc1)
    out.writeDoubleBE(value instanceof Float ? value.value : value, 1)
    return out
  }
  if (typeof value === 'number' || typeof value === 'bigint') {
    if (value >= -16 && value <= 127) return Buffer.from([Number(value) & 0xff])
    const out = Buffer.alloc(9, 0xcb)
    out.writeBigInt64BE(BigInt(value), 1)
    return out
  }
  if (typeof value === 'string') return sized(Buffer.from(value), Buffer.byteLength(value), 0x80, 0xd0)
  if (Buffer.isBuffer(value)) return sized(value, value.length, null, 0xcc)
  if (Array.isArray(value)) return sized(Buffer.concat(value.map(pack)), value.length, 0x90, 0xd4)
  if (value instanceof Structure) return Buffer.concat([Buffer.from([0xb0 | value.fields.length, value.tag]), ...value.fields.map(pack)])
  const pairs = Object.entries(value)
  return sized(Buffer.concat(pairs.flatMap(([key, inner]) => [pack(key), pack(inner)])), pairs.length, 0xa0, 0xd8)
}

function sized(body: Buffer, size: number, tiny: number | null, marker: number): Buffer {
  if (tiny !== null && size < 16) return Buffer.concat([Buffer.from([tiny | size]), body])
  const head = Buffer.alloc(5, marker + 2)
  head.writeUInt32BE(size, 1)
  return Buffer.concat([head, body])
}

/** Whole numbers come as bigint, others as number, so that a test sees which was sent. */
export function unpack(data: Buffer): unknown {
  let at = 0
  const bytes = (length: number) => {
    at += length
    return data.subarray(at - length, at)
  }
  const list = (length: number): unknown[] => Array.from({ length }, () => next())
  const map = (length: number) => Object.fromEntries(Array.from({ length }, () => [next() as string, next()]))
  const size = (step: number) => (step === 0 ? bytes(1).readUInt8() : step === 1 ? bytes(2).readUInt16BE() : bytes(4).readUInt32BE())
  function next(): unknown {
    const marker = bytes(1).readUInt8()
    if (marker < 0x80 || marker >= 0xf0) return BigInt(marker < 0x80 ? marker : marker - 0x100)
    if (marker < 0x90) return bytes(marker & 15).toString('utf8')
    if (marker < 0xa0) return list(marker & 15)
    if (marker < 0xb0) return map(marker & 15)
    if (marker < 0xc0) {
      const tag = bytes(1).readUInt8()
      return new Structure(tag, list(marker & 15))
    }
    if (marker === 0xc0) return null
    if (marker === 0xc1) return bytes(8).readDoubleBE()
    if (marker === 0xc2 || marker === 0xc3) return marker === 0xc3
    if (marker === 0xc8) return BigInt(bytes(1).readInt8())
    if (marker === 0xc9) return BigInt(bytes(2).readInt16BE())
    if (marker === 0xca) return BigInt(bytes(4).readInt32BE())
    if (marker === 0xcb) return bytes(8).readBigInt64BE()
    if (marker >= 0xcc && marker <= 0xce) return Buffer.from(bytes(size(marker - 0xcc)))
    if (marker >= 0xd0 && marker <= 0xd2) return bytes(size(marker - 0xd0)).toString('utf8')
    if (marker >= 0xd4 && marker <= 0xd6) return list(size(marker - 0xd4))
    if (marker >= 0xd8 && marker <= 0xda) return map(size(marker - 0xd8))
    throw new Error(`no PackStream marker: ${marker}`)
  }
  const value = next()
  if (at !== data.length) throw new Error('more than one value')
  return value
}
