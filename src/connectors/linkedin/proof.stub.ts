import { startLinkedin, tokens } from '../../../test/fakes/linkedin.ts'
import { type Proofs, signedIn } from '../../../test/proof.ts'

export default {
  linkedin: {
    against: [{ what: 'Posts, Images and Organizations APIs', by: 'stub from documentation' }],
    contracts: [
      signedIn(
        startLinkedin,
        { valid: tokens.all, revoked: tokens.revoked },
        {
          service: 'member',
          reads: { tool: 'linkedin_get_userinfo', input: {} },
          writes: { tool: 'linkedin_create_company_update', input: { organization_id: '5583111', text: 'Hi' } },
        },
      ),
    ],
  },
} satisfies Proofs
