import type { Proofs } from '../../../test/proof.ts'

export default {
  neo4j: { against: [{ what: 'a Bolt 5.4 server of our own, from the description of the protocol', by: 'reading' }], contracts: [] },
} satisfies Proofs
