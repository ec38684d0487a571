/** A person at the fake provider: over HTTP alone, or in a real browser. */
import type { Page } from 'playwright-core'

export interface Person {
  /** Any name is an account; its address is `name@example.com`. */
  account: string
  /** API scopes that stay ticked; all when left out. `openid` and `offline_access` cannot be unticked. */
  narrowTo?: readonly string[]
  /** Says no to all of it. */
  deny?: boolean
}

/** A sign-in takes seven requests; more than this and it goes round in circles. */
const MOST_STEPS = 20

/** The provider's cookies, for several sign-ins in "the same browser". */
export class Jar {
  private readonly cookies = new Map<string, { value: string; path: string }>()

  header(path: string): Record<string, string> {
    const sent = [...this.cookies].filter(([, it]) => path.startsWith(it.path))
    return sent.length === 0 ? {} : { cookie: sent.map(([key, it]) => `${key.split(' ')[0]}=${it.value}`).join('; ') }
  }
  keep(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const path = /;\s*path=([^;]+)/i.exec(line)?.[1] ?? '/'
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (value === '') this.cookies.delete(`${name} ${path}`)
      else this.cookies.set(`${name} ${path}`, { value, path })
    }
  }
}

/** Follows an authorization request to its end. Returns the address that the provider sends the browser back to, which is not visited. */
export async function signInOverHttp(authorizationUrl: string, person: Person, jar = new Jar()): Promise<string> {
  const { origin } = new URL(authorizationUrl)
  let at = authorizationUrl
  let form: URLSearchParams | null = null
  for (let step = 0; step < MOST_STEPS; step++) {
    const { pathname } = new URL(at)
    const answer = await fetch(at, {
      redirect: 'manual',
      headers: jar.header(pathname),
      ...(form === null ? {} : { method: 'POST', body: form }),
    })
    jar.keep(answer.headers)
    const html = await answer.text()
    const location = answer.headers.get('location')
    if (location !== null) {
      at = new URL(location, at).href
      form = null
      if (new URL(at).origin !== origin) return at
      continue
    }
    const action = /<form [^>]*action="([^"]+)"/.exec(html)?.[1]
    at = action === undefined ? at : new URL(plain(action), at).href
    form = filledIn(html, person)
  }
  throw new Error(`the fake provider did not send ${person.account} back after ${MOST_STEPS} steps`)
}

function filledIn(html: string, { account, narrowTo, deny }: Person): URLSearchParams {
  const which = /data-page="([^"]+)"/.exec(html)?.[1]
  if (which === 'Sign in') return new URLSearchParams({ account })
  if (which === 'Consent') {
    if (/data-account="([^"]*)"/.exec(html)?.[1] !== account) return new URLSearchParams({ decision: 'another' })
    if (deny) return new URLSearchParams({ decision: 'deny' })
    const scopes = [...html.matchAll(/name="scope" value="([^"]+)" checked>/g)].map((it) => plain(it[1] as string))
    const ticked = scopes.filter((scope) => narrowTo?.includes(scope) ?? true)
    const form = new URLSearchParams({ decision: 'allow' })
    for (const scope of ticked) form.append('scope', scope)
    return form
  }
  // oidc-provider's own page between two accounts: hidden fields that a script sends off.
  const hidden = [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)]
  if (hidden.length === 0) throw new Error(`the fake provider answered:\n${html.replace(/<[^>]+>/g, ' ').trim()}`)
  return new URLSearchParams(Object.fromEntries(hidden.map((it) => [it[1], plain(it[2] as string)])))
}

const plain = (text: string): string =>
  text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&quot;/g, '"')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&')

/** The same by mouse and keyboard, from the moment that `page` is on its way to the provider until it leaves it. */
export async function signInWith(page: Page, { account, narrowTo, deny }: Person): Promise<void> {
  const login = page.locator('form[data-page="Sign in"]')
  const consent = page.locator('form[data-page="Consent"]')
  const mine = page.locator(`[data-account="${account}"]`)
  await login.or(consent).waitFor()
  if ((await consent.count()) > 0 && (await mine.count()) === 0) await page.getByRole('button', { name: 'Use another account' }).click()
  if ((await mine.count()) === 0) {
    await page.getByLabel('Account').fill(account)
    await page.getByRole('button', { name: 'Next' }).click()
  }
  await mine.waitFor()
  for (const box of await consent.locator('input[name=scope]:enabled').all())
    if (narrowTo && !narrowTo.includes((await box.getAttribute('value')) ?? '')) await box.uncheck()
  await page.getByRole('button', { name: deny ? 'Deny' : 'Allow' }).click()
}
