import { z } from 'zod'
import { permits, type Refusals } from '../access/index.ts'
import { judge, judgeName } from '../base/addresses.ts'
import type { HostPort } from '../base/egress.ts'
import { type ProxySettings, proxyOrigin } from '../base/egress-proxy.ts'
import { operation } from './operation.ts'

/** How this runtime reaches others. */
export interface WayOut {
  proxy: ProxySettings | null
  /** What our requests come from, as the operator has said. */
  addresses: readonly string[]
  /** Private targets that the operator has opened. */
  opened: readonly HostPort[]
  refusals: Pick<Refusals, 'counts'>
}

const written = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`
/** Could somebody outside have it in an allow-list? */
const isPublic = (host: string): boolean => judge(host).ok || (/[a-z]/i.test(host) && !host.includes(':') && judgeName(host).ok)

function origins({ proxy, addresses }: WayOut): { source: 'operator' | 'proxy' | 'unknown'; addresses: string[]; about: string } {
  if (addresses.length > 0) return { source: 'operator', addresses: [...addresses], about: 'The operator of this runtime says so.' }
  if (proxy && isPublic(proxy.host))
    return {
      source: 'proxy',
      addresses: [proxy.host],
      about: 'Everything goes through this proxy; where it goes out by another address, the operator can say so (--egress-address).',
    }
  const whose = proxy ? 'those by which the network of the proxy reaches the internet' : "the addresses of this host's network"
  return { source: 'unknown', addresses: [], about: `Not known: ${whose}. The operator can say them (--egress-address).` }
}

export const egress = operation({
  name: 'egress.get',
  http: 'GET /v1/egress',
  about: 'The addresses that our requests come from, for the allow-list of a database or an API, and the way that they take.',
  scope: null,
  role: 'project_viewer',
  effect: 'read',
  audit: { none: 'settings and counts' },
  input: z.strictObject({}),
  output: z.object({
    mode: z.enum(['direct', 'proxy']),
    addresses: z.array(z.string()).describe('addresses and ranges to allow; empty where they are not known'),
    source: z.enum(['operator', 'proxy', 'unknown']).describe('who says so'),
    about: z.string(),
    proxy: z
      .object({ origin: z.string(), resolves_names: z.boolean().describe('true: only names are judged here, and not where they lead') })
      .nullable()
      .describe('only for those who may read the audit log'),
    private_targets: z
      .array(z.string())
      .nullable()
      .describe('private hosts and ports that the operator has opened; only for those who may read the audit log'),
    refused: z
      .array(z.object({ rule: z.string(), count: z.number() }))
      .nullable()
      .describe(
        'connections of this workspace that were refused since the start of the process; only for those who may read the audit log',
      ),
  }),
  run: async ({ egress: way }, { caller }) => {
    const { proxy, opened, refusals } = way
    // What is inside a network, and what was tried, is in the audit log too: the same people may know.
    const sees = permits(caller, ['audit:read'], 'workspace_admin')
    return {
      mode: proxy ? ('proxy' as const) : ('direct' as const),
      ...origins(way),
      proxy: sees && proxy ? { origin: proxyOrigin(proxy), resolves_names: proxy.resolves } : null,
      private_targets: sees ? opened.map(written) : null,
      refused: sees ? refusals.counts(caller.workspace) : null,
    }
  },
})
