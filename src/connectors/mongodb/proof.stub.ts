import type { Proofs } from '../../../test/proof.ts'

export default {
  mongodb: {
    against: [{ what: 'our own server of its wire protocol over mingo: how the client is used, not what MongoDB computes', by: 'reading' }],
    contracts: [],
  },
} satisfies Proofs
