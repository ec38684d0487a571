import { entered, key, PLACES, startAnyApi } from '../../../test/fakes/any-api.ts'
import type { Contract, Proofs } from '../../../test/proof.ts'

export default {
  http: {
    against: [{ what: 'RFC 9110, RFC 6750, RFC 7617', by: 'stub from documentation' }],
    contracts: PLACES.map((place): Contract => {
      const dead: Record<string, string> = { ...entered[place], [place === 'basic' ? 'password' : 'api_key']: 'old' }
      return {
        service: place,
        start: () => startAnyApi(place),
        credentials: entered[place],
        secret: key,
        dead,
        config: (base_url) => ({ base_url }),
        place: (req) =>
          place === 'header'
            ? (req.headers['x-api-key'] as string)
            : place === 'query'
              ? req.query.get('apikey')
              : req.headers.authorization,
        reads: { tool: 'http_request', input: { method: 'GET', path: '/v1/items' } },
        writes: { tool: 'http_request', input: { method: 'POST', path: '/v1/items', body: { name: 'x' } } },
        answersAll: true,
      }
    }),
  },
} satisfies Proofs
