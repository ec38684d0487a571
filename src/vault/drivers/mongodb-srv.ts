/**
 * mongodb+srv: DNS names the hosts and may add three options. A DNS answer can be forged, so a host outside of the domain of the
 * connection string is refused. https://github.com/mongodb/specifications/blob/master/source/initial-dns-seedlist-discovery/
 */
import type { Egress } from '../../base/egress.ts'
import { Fault } from '../../base/errors.ts'
import type { DriverDeps } from './driver.ts'
import { type MongoUri, pairs, parseMongoUri } from './mongodb-uri.ts'

/** What a TXT record may say. Anything else there is a fault of the deployment, or somebody else's text. */
const FROM_DNS = new Set(['authsource', 'replicaset', 'loadbalanced'])

/** The connection string with the hosts it stands for; each has passed the egress guard. Faults: UPSTREAM_ERROR, EGRESS_BLOCKED. */
export async function resolveMongoUri(text: string, deps: Pick<DriverDeps, 'srv' | 'address'>): Promise<MongoUri> {
  const uri = parseMongoUri(text)
  if (!uri.srv) {
    await Promise.all(uri.hosts.map(({ host, port }) => judged(deps.address, host, port)))
    return uri
  }
  const name = canonical(uri.hosts[0]!.host)
  const found = await deps.srv(uri.options.srvServiceName ?? 'mongodb', name)
  const hosts = found.hosts.map(({ host, port }) => ({ host: canonical(host), port }))
  for (const { host } of hosts) if (!inDomain(host, name)) throw foreign()
  // All of them now: one that is refused refuses them all. Whichever is connected to is judged again at that moment.
  await Promise.all(hosts.map(({ host, port }) => judged(deps.address, host, port)))
  return { ...parseMongoUri(text, optionsOf(found.texts)), hosts }
}

const canonical = (host: string) => host.toLowerCase().replace(/\.$/, '')

/**
 * Below the parent domain: `db.example.com` may name hosts of `example.com`. A name of fewer than three parts may name hosts only
 * below itself.
 */
export function inDomain(host: string, name: string): boolean {
  const parts = name.split('.')
  const domain = parts.length < 3 ? name : parts.slice(1).join('.')
  return host.endsWith(`.${domain}`) && host.length > domain.length + 1
}

async function judged(address: Egress['address'], host: string, port: number): Promise<void> {
  await address(host, port).catch((fault: { code?: string }) => {
    if (fault.code === 'EGRESS_BLOCKED') throw fault // one that does not resolve now is only away
  })
}

function optionsOf(texts: readonly string[]): [string, string][] {
  if (texts.length === 0) return []
  const said = texts.length === 1 ? pairs(texts[0]!) : []
  if (said.length === 0 || said.some(([name]) => !FROM_DNS.has(name.toLowerCase())))
    throw new Fault('UPSTREAM_ERROR', 'the TXT record of the cluster says more than a cluster may say there', {
      hint: 'It holds authSource, replicaSet or loadBalanced, in one record.',
    })
  return said
}

const foreign = () =>
  new Fault('EGRESS_BLOCKED', 'the DNS of the cluster names a host of another domain', {
    details: { rule: 'srv-domain' },
    hint: 'Hosts of mongodb+srv lie in the domain of the connection string.',
  })
