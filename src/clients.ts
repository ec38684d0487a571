/** Clients of the deployment at other systems, from the files that its operator names: OAuth apps, and providers to sign in with. */
import { readFileSync } from 'node:fs'
import { fail } from './base/errors.ts'
import { conceal, type Secret } from './vault/index.ts'

/** An OAuth app of the deployment, as the file names it. */
export interface ConfiguredApp {
  slug: string
  provider: string
  clientId: string
  hasSecret: boolean
  settings: Record<string, unknown>
}

export interface Clients {
  readonly signInWith: readonly { slug: string; title: string; issuer: string; clientId: string; secretName: string | null }[]
  readonly oauthApps: readonly ConfiguredApp[]
  readonly oauthSecrets: ReadonlyMap<string, Secret>
}

export function readClients(appsFile: string | undefined, signInFile: string | undefined): Clients {
  const secrets = new Map<string, Secret>()
  const apps = entries('--oauth-apps-file', appsFile).map(
    ([slug, { provider = slug, client_id, client_secret, ...settings }]): ConfiguredApp => {
      if (typeof client_id !== 'string' || typeof provider !== 'string')
        return fail('INVALID_INPUT', `--oauth-apps-file: ${slug} has no client_id`)
      if (typeof client_secret === 'string') secrets.set(slug, conceal(client_secret))
      return { slug, provider, clientId: client_id, hasSecret: secrets.has(slug), settings }
    },
  )
  const signInWith = entries('--sign-in-file', signInFile).map(([slug, { title = slug, issuer, client_id, client_secret }]) => {
    if (typeof client_id !== 'string' || typeof issuer !== 'string' || typeof title !== 'string' || !URL.canParse(issuer))
      return fail('INVALID_INPUT', `--sign-in-file: ${slug} needs an issuer and a client_id`)
    // No slug of an app has a colon in it.
    const secretName = typeof client_secret === 'string' ? `sign-in:${slug}` : null
    if (secretName) secrets.set(secretName, conceal(client_secret as string))
    return { slug, title, issuer, clientId: client_id, secretName }
  })
  return { oauthApps: apps, oauthSecrets: secrets, signInWith }
}

function entries(flag: string, path: string | undefined): [string, Record<string, unknown>][] {
  if (path === undefined) return []
  try {
    return Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, Record<string, unknown>>)
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code ?? 'it is not JSON'
    return fail('INVALID_INPUT', `${flag} cannot be read (${why})`, {
      hint: 'Write {"google": {"client_id": "…", "client_secret": "…"}}.',
    })
  }
}
