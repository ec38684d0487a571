import type { Proofs } from '../../../test/proof.ts'

export default { postgres: { against: [{ what: 'PostgreSQL 18 (embedded)', by: 'real server' }], contracts: [] } } satisfies Proofs
