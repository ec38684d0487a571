/** The pages that a person sees at the fake provider: who are you, and may the app do this? Plain forms, for browsers and for `fetch`. */
import type { Context, Next } from 'koa'
import { interactionPolicy, type Provider } from 'oidc-provider'

const { Check, Prompt, base } = interactionPolicy
const PATH = /^\/interaction\/[\w-]+$/
/** Of the protocol: no consent page offers to leave them out. */
const FIXED = ['openid', 'offline_access']

export const emailOf = (account: string): string => `${account}@example.com`
/** A hint or a login may be the address. */
const accountIn = (text: string): string => text.trim().replace(/@example\.com$/, '')

/** Asks for the account also when the request wants another one than is signed in, and when it says `prompt=select_account`. */
export function policy() {
  const prompts = base()
  prompts.get('login')?.checks.add(
    new Check('login_hint', 'another account is signed in', 'login_required', ({ oidc }) => {
      const hint = oidc.params?.login_hint
      const signedIn = oidc.session?.accountId
      return typeof hint === 'string' && signedIn !== undefined && signedIn !== accountIn(hint) && !oidc.result?.login
    }),
  )
  prompts.add(new Prompt({ name: 'select_account', requestable: true }), 0)
  return prompts
}

/** `consented` hears of each grant that a person has just made, and of the request that led to it. */
export function pages(provider: Provider, consented: (grantId: string, params: Record<string, unknown>) => void) {
  return async (ctx: Context, next: Next): Promise<void> => {
    if (!PATH.test(ctx.path)) return next()
    const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res)
    const form = ctx.method === 'POST' ? await formOf(ctx) : new URLSearchParams()
    const finish = (result: Record<string, unknown>) => {
      ctx.respond = false
      return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: !('login' in result) })
    }
    const account = accountIn(form.get('account') ?? '')
    if (account !== '') return finish({ select_account: {}, login: { accountId: account } })
    const decision = form.get('decision')
    if (decision === 'deny') return finish({ error: 'access_denied', error_description: 'The person said no' })
    const asked = String(params.scope ?? '')
      .split(' ')
      .filter(Boolean)
    if (decision === 'allow') {
      const allowed = asked.filter((scope) => FIXED.includes(scope) || form.getAll('scope').includes(scope))
      const grant = new provider.Grant({ accountId: session?.accountId, clientId: String(params.client_id) })
      grant.addOIDCScope(allowed)
      grant.rejectOIDCScope(asked.filter((scope) => !allowed.includes(scope)))
      const grantId = await grant.save()
      consented(grantId, params)
      return finish({ consent: { grantId } })
    }
    const who = prompt.name === 'consent' && decision !== 'another' ? session?.accountId : undefined
    ctx.type = 'html'
    ctx.body = who === undefined ? loginPage(accountIn(String(params.login_hint ?? ''))) : consentPage(who, String(params.client_id), asked)
  }
}

const safe = (text: string): string => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
const page = (name: string, body: string): string =>
  `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>${name}</title></head>` +
  `<body><h1>${name}</h1><form method="post" data-page="${name}">${body}</form></body></html>`

const loginPage = (hint: string): string =>
  page('Sign in', `<label>Account <input name="account" value="${safe(hint)}" required></label><button>Next</button>`)

function consentPage(account: string, client: string, scopes: string[]): string {
  const boxes = scopes.map((scope) => {
    const state = FIXED.includes(scope) ? 'checked disabled' : 'checked'
    return `<li><label><input type="checkbox" name="scope" value="${safe(scope)}" ${state}> ${safe(scope)}</label></li>`
  })
  const button = (value: string, label: string) => `<button name="decision" value="${value}">${label}</button>`
  return page(
    'Consent',
    `<p>You are <strong data-account="${safe(account)}">${safe(emailOf(account))}</strong>. ${safe(client)} asks for:</p>` +
      `<ul>${boxes.join('')}</ul>${button('allow', 'Allow')}${button('deny', 'Deny')}${button('another', 'Use another account')}`,
  )
}

/** What the authorization endpoint says when it cannot send the browser back. */
export const errorPage = (out: { error: string; error_description?: string | undefined }): string =>
  page('Error', `<p data-error="${safe(out.error)}">${safe(out.error)}: ${safe(out.error_description ?? '')}</p>`)

async function formOf(ctx: Context): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of ctx.req) chunks.push(chunk as Buffer)
  return new URLSearchParams(Buffer.concat(chunks).toString())
}
