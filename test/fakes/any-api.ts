/** An API as anybody might have one, for the generic connector: one key, taken in one of four places, each of which the stub holds to. */
import { type Credential, type Recorded, type Reply, type Stub, startStub, type Vendor } from './stub.ts'

export const PLACES = ['bearer', 'header', 'query', 'basic'] as const
export type Place = (typeof PLACES)[number]

export const key = 'k9-Any+Api/Key=42'
const LIVE: Credential = { state: 'valid', kind: 'key', scopes: null }

/** What a person would enter for each place. */
export const entered: Record<Place, Record<string, string>> = {
  bearer: { api_key: key },
  header: { header_name: 'X-Api-Key', api_key: key },
  query: { query_name: 'apikey', api_key: key },
  basic: { username: 'ada', password: key },
}

const found: Record<Place, (req: Recorded) => string | null> = {
  bearer: (req) => /^Bearer (.+)$/.exec(req.headers.authorization ?? '')?.[1] ?? null,
  header: (req) => (req.headers['x-api-key'] as string | undefined) ?? null,
  query: (req) => req.query.get('apikey'),
  basic: (req) =>
    /^ada:(.*)$/.exec(Buffer.from(/^Basic (.+)$/.exec(req.headers.authorization ?? '')?.[1] ?? '', 'base64').toString())?.[1] ?? null,
}

const error = (status: number, message: string): Reply => ({ status, body: { error: { message } } })

const vendor = (place: Place): Vendor => ({
  credentials: { [key]: LIVE },
  credentialOf: found[place],
  demand: () => null,
  unauthorized: () => error(401, 'No such key'),
  unknownRoute: () => error(404, 'No such route'),
  unknownField: (name) => error(400, `Unknown field ${name}`),
  scopeMissing: () => error(403, 'Not for you'),
  always: () => ({ 'set-cookie': 'session=abc', 'x-request-cost': '1' }),
  routes: [
    {
      call: 'GET /v1/items',
      scopes: [],
      query: ['limit', 'apikey'],
      answer: ({ req }) => ({ status: 200, body: { limit: req.query.get('limit') } }),
    },
    { call: 'HEAD /v1/items', scopes: [], query: ['apikey'], answer: () => ({ status: 200 }) },
    {
      call: 'POST /v1/items',
      scopes: [],
      query: ['apikey'],
      body: ['name'],
      answer: ({ body }) => ({ status: 201, body: { id: 'i1', ...body } }),
    },
    { call: 'GET /v1/me', scopes: [], query: ['apikey'], answer: () => ({ status: 200, body: { id: 'me' } }) },
  ],
})

export const startAnyApi = (place: Place): Promise<Stub> => startStub(vendor(place))
