import type { Proofs } from '../../../test/proof.ts'

export default { sqlite: { against: [{ what: 'SQLite of Node 24', by: 'real server' }], contracts: [] } } satisfies Proofs
