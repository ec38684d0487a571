/**
 * The pages around a provider's own: who asks for what, and how it ended. They work without scripts and show nothing that was secret.
 * One script there is: the last page tells the page of ours that opened it to look, and closes itself where there is nothing to read.
 */
import { randomBytes } from 'node:crypto'
import type { Context, Env, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { getCookie, setCookie } from 'hono/cookie'
import { html, raw } from 'hono/html'
import type { Ending, Invitation, SignIn } from '../operations/index.ts'

/** As long as a link: after that the browser's mark is of no use. */
const MARK_S = 600
/** Long enough to see that it went well. */
const READ_MS = 800
/** A ticket and little more. */
const MAX_FORM = 16_384
const STYLE = `
:root { color-scheme: light dark; --line: #d0d7de; --soft: #57606a; --accent: #0b57d0; --bad: #b3261e; --good: #146c2e }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --soft: #9aa4ae; --accent: #8ab4f8; --bad: #f2b8b5; --good: #7fd191 } }
* { box-sizing: border-box } body { margin: 0; font: 16px/1.5 system-ui, sans-serif; display: grid; min-height: 100vh; place-items: center }
main { width: min(34rem, calc(100vw - 2rem)); padding: 2rem; border: 1px solid var(--line); border-radius: 12px }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem } p { margin: .5rem 0 } .soft { color: var(--soft) }
ul { padding-left: 1.2rem; margin: .5rem 0 } li { overflow-wrap: anywhere } .good { color: var(--good) } .bad { color: var(--bad) }
button, .button { font: inherit; display: inline-block; margin-top: 1rem; padding: .6rem 1.2rem; border: 0; border-radius: 8px; background: var(--accent); color: Canvas; cursor: pointer; text-decoration: none }
button:focus-visible, .button:focus-visible { outline: 3px solid currentColor; outline-offset: 2px } small { color: var(--soft) }
details { margin: .75rem 0 } code { font-size: .85em }`
// Nothing is loaded from anywhere, nobody may frame it, and the form goes to us and on to the provider.
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

type Page = ReturnType<typeof html>
const page = (title: string, body: Page): Page => html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · AgentRuntime</title><style>${STYLE}</style></head><body><main>${body}</main></body></html>`

/** It says nothing but "look": how it ended is asked of the server, because a provider may have cut the two windows apart. */
const hurry = (nonce: string, closes: boolean): Page => html`<script nonce="${nonce}">
new BroadcastChannel('connect').postMessage('ended')
opener?.postMessage('connect.ended', location.origin)
${closes ? raw(`setTimeout(() => close(), ${READ_MS})`) : ''}
</script>`

const list = (items: readonly string[]): Page => html`<ul>${items.map((it) => html`<li>${it}</li>`)}</ul>`

function invitationPage(it: Invitation, ticket: string): Page {
  const title = it.reconnects ? `Connect ${it.reconnects} again` : `Connect ${it.provider}`
  return page(
    title,
    html`<h1>${title}</h1>
<p>Agents and workflows of <strong>${it.workspace}</strong> (${it.project}) will be able to use your ${it.provider} account. They never see your password or a token.</p>
${it.services.length > 0 ? html`<p>For:</p>${list(it.services)}` : ''}
<details><summary class="soft">What ${it.provider} will be asked for</summary>${list(it.scopes)}</details>
<p class="soft">Somebody in that workspace made this link. If you do not know why you have it, close this window.</p>
<form method="post" action="/v1/oauth/start"><input type="hidden" name="ticket" value="${ticket}"><button type="submit" autofocus>Go on to ${it.provider}</button></form>`,
  )
}

function endingPage(it: Ending, nonce: string): Page {
  return page(
    it.title,
    html`<h1 class="${it.ok ? 'good' : 'bad'}">${it.title}</h1><p>${it.text}</p>
${it.notes.length > 0 ? list(it.notes) : ''}<p class="soft">${it.next}</p>
${it.returnTo ? html`<a class="button" href="${it.returnTo}">Go back</a>` : ''}
${it.connectionId ? html`<p><small>Connection <code>${it.connectionId}</code></small></p>` : ''}
${hurry(nonce, it.ok && it.notes.length === 0 && it.returnTo === null)}`,
  )
}

const STATUS: Partial<Record<Ending['kind'], number>> = {
  connected: 200,
  reconnected: 200,
  declined: 200,
  provider_unavailable: 502,
  app_refused: 502,
  provider_error: 502,
  exchange_failed: 502,
  other_account: 409,
  connection_gone: 404,
  link_unknown: 404,
  other_browser: 403,
  not_allowed: 403,
  not_our_page: 403,
}

export function signInPages<E extends Env>(
  app: Hono<E>,
  signIn: SignIn,
  { secure, publicUrl, requestIdOf }: { secure: boolean; publicUrl: () => string; requestIdOf: (c: Context<E>) => string },
): void {
  // RFC 6265bis §4.1.3: the prefix makes browsers hold us to Secure and to this host alone.
  const cookie = secure ? '__Host-ar_sign_in' : 'ar_sign_in'
  const send = async (body: Page, status = 200, nonce: string | null = null): Promise<Response> =>
    new Response(String(await body), {
      status,
      headers: {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': nonce === null ? POLICY : `${POLICY}; script-src 'nonce-${nonce}'`,
        'x-frame-options': 'DENY',
        // Not none: a form of ours must be seen to come from ourselves.
        'referrer-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin-allow-popups',
      },
    })
  const ended = (it: Ending, status = STATUS[it.kind] ?? 400) => {
    const nonce = randomBytes(16).toString('base64')
    return send(endingPage(it, nonce), status, nonce)
  }

  app.get('/v1/oauth/start', async (c) => {
    const ticket = c.req.query('ticket') ?? ''
    const it = await signIn.look(ticket)
    return 'kind' in it ? ended(it) : send(invitationPage(it, ticket))
  })
  app.post('/v1/oauth/start', bodyLimit({ maxSize: MAX_FORM, onError: () => ended(signIn.refuse('malformed'), 413) }), async (c) => {
    // Another site must not press our button: whoever goes on has read who asks (Fetch Metadata; the Origin for older browsers).
    const site = c.req.header('sec-fetch-site')
    const origin = c.req.header('origin')
    const ours = origin === undefined || origin === publicUrl() || URL.parse(origin)?.host === c.req.header('host')
    if (!ours || (site !== undefined && site !== 'same-origin')) return ended(signIn.refuse('not_our_page'))
    const form = await c.req.parseBody()
    const it = await signIn.begin(typeof form.ticket === 'string' ? form.ticket : '', getCookie(c, cookie) ?? null)
    if ('kind' in it) return ended(it)
    // Lax: the provider sends the browser back by a link, and that is the one foreign request that may carry it.
    setCookie(c, cookie, it.browser, { path: '/', httpOnly: true, sameSite: 'Lax', secure, maxAge: MARK_S })
    return c.redirect(it.url, 303)
  })
  app.get('/v1/oauth/callback', async (c) =>
    ended(await signIn.finish(new URL(c.req.url).searchParams, getCookie(c, cookie) ?? null, requestIdOf(c))),
  )
}
