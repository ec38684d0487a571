import type { Proofs } from '../../../test/proof.ts'

export default {
  firestore: {
    against: [
      { what: '@firestore-emulator/server (not by Google), with tokens and what it lacks added in front', by: 'emulator' },
      { what: 'the rules API and the token endpoint', by: 'stub from documentation' },
    ],
    contracts: [],
  },
} satisfies Proofs
