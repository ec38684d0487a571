import { startGithub, tokens } from '../../../test/fakes/github.ts'
import type { Proofs } from '../../../test/proof.ts'

export default {
  github: {
    against: [
      { what: 'api.github.com (OpenAPI)', by: "vendor's description" },
      { what: 'REST API 2022-11-28', by: 'stub from documentation' },
    ],
    contracts: [
      {
        service: 'api_key',
        start: startGithub,
        credentials: { api_key: tokens.classic },
        secret: tokens.classic,
        dead: { api_key: tokens.revoked },
        config: (api_base) => ({ api_base }),
        place: (req) => req.headers.authorization,
        reads: { tool: 'get_repo', input: { owner: 'octocat', repo: 'hello-world' } },
        writes: { tool: 'add_issue_comment', input: { owner: 'octocat', repo: 'hello-world', issue_number: 3, body: 'Hi' } },
      },
    ],
  },
} satisfies Proofs
