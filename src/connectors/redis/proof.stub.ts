import type { Proofs } from '../../../test/proof.ts'

export default { redis: { against: [{ what: "Redis 7.0 (Debian's package)", by: 'real server' }], contracts: [] } } satisfies Proofs
