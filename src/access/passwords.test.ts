import { expect, it } from 'vitest'
import { createPasswords, NO_PASSWORD } from './passwords.ts'

const GREEN = 'seventeen green bottles'

it('[sign-in.argon2id] hashes are argon2id at or above the floor, salted, and right for one password only', async () => {
  const { hash, verify } = createPasswords()
  const stored = await hash(GREEN)
  const [, memory, passes, lanes] = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$[\w+/]{22}\$[\w+/]{43}$/.exec(stored) ?? []
  // OWASP's Password Storage Cheat Sheet: m=19456 (19 MiB), t=2, p=1.
  expect(Number(memory)).toBeGreaterThanOrEqual(19_456)
  expect(Number(passes)).toBeGreaterThanOrEqual(2)
  expect(Number(lanes)).toBeGreaterThanOrEqual(1)
  expect(await hash(GREEN)).not.toBe(stored)
  expect(await verify(GREEN, stored)).toBe(true)
  for (const other of ['seventeen green battles', '', `${GREEN} `, GREEN.toUpperCase()]) expect(await verify(other, stored)).toBe(false)
  // The same letters from another keyboard (RFC 8265).
  expect(await verify('caf\u00e9 caf\u00e9 caf\u00e9', await hash('cafe\u0301 cafe\u0301 cafe\u0301'))).toBe(true)
})

it('[sign-in.argon2id] reads what others wrote: a hash of the reference program', async () => {
  // printf 'password' | argon2 somesalt -id -t 2 -k 65536 -p 1 -l 32: from the test vectors of P-H-C/phc-winner-argon2 (src/test.c, argon2id).
  const reference = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'
  const { verify, isWeak } = createPasswords()
  expect(await verify('password', reference)).toBe(true)
  expect(await verify('passwort', reference)).toBe(false)
  expect(isWeak(reference)).toBe(false)
})

it('[sign-in.argon2id] knows what is weaker than today, and what is no hash at all', async () => {
  const { hash, verify, isWeak } = createPasswords()
  const stored = await hash(GREEN)
  expect(isWeak(stored)).toBe(false)
  for (const weak of [stored.replace(/m=\d+/, 'm=19456'), stored.replace('t=2', 't=1')]) expect(isWeak(weak)).toBe(true)
  await expect(verify(GREEN, GREEN)).rejects.toThrow(/argon2id/)
})

it('[sign-in.no-lists] what a stranger types is hashed like anybody else’s and is never right', async () => {
  let hashes = 0
  const { verify, isWeak } = createPasswords(() => hashes++)
  for (const typed of ['', GREEN, 'A'.repeat(43)]) expect(await verify(typed, NO_PASSWORD)).toBe(false)
  expect(hashes).toBe(3)
  expect(isWeak(NO_PASSWORD)).toBe(false) // as much work as a hash of today
})

it('[sign-in.bounded] two at a time, the others in turn, and too many are sent away with the time to come back', async () => {
  let begun = 0
  const { hash } = createPasswords(() => begun++)
  const crowd = Array.from({ length: 80 }, () => hash(GREEN))
  expect(begun).toBe(2)
  const ends = await Promise.allSettled(crowd)
  const away = ends.filter((it) => it.status === 'rejected').map((it) => (it as PromiseRejectedResult).reason)
  expect(away).toHaveLength(80 - 2 - 64)
  for (const fault of away) expect(fault).toMatchObject({ code: 'RATE_LIMITED', retryAfter: 2 })
  expect(begun).toBe(66)
  await hash(GREEN) // and the door is free again
})
