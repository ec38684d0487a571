import { type Checked, exchange, fail, type Tool, type ToolContext, tool, z } from '../contract.ts'
import { account, accountOf, hasPhone, page, paged, phoneOf, read, send, versionOf } from './call.ts'
import { judgeFor } from './judge.ts'
import { PhoneNumber } from './shapes.ts'

/** Of a hundred numbers each: an account may have 20 at first, and some hundreds on request ("Business phone numbers"). */
const MOST_PAGES = 10
const FIELDS = 'id,display_phone_number,verified_name,quality_rating'
const Account = z.looseObject({ id: z.string(), name: z.string().optional() })
const Permissions = z.looseObject({ data: z.array(z.looseObject({ permission: z.string(), status: z.string() })) })

export const numbers: Record<string, Tool> = {
  list_phone_numbers: tool({
    about:
      'Lists the phone numbers of the WhatsApp business account with their ids, names, quality and state. Use an id of it as ' +
      'phone_number_id of a tool that sends.',
    effect: 'read',
    repeatable: true,
    scopes: ['whatsapp_business_management'],
    input: z.strictObject({ ...paged, business_account_id: account }),
    output: z.object({ items: z.array(PhoneNumber), next_after: z.string().nullable() }),
    example: { limit: 10 },
    run: async (ctx, { business_account_id, ...query }) => {
      const { body } = await send(ctx, {
        path: '/{business_account_id}/phone_numbers',
        at: { business_account_id: accountOf(ctx, business_account_id) },
        query,
        needs: 'whatsapp_business_management',
      })
      return page(body) as { items: z.output<typeof PhoneNumber>[]; next_after: string | null }
    },
  }),
}

/**
 * The number (or, where none was entered, the business account) tells whether the token lives and sees it; then whether the number is one
 * of the account's, since a mix-up of two accounts would be noticed at the first message only.
 */
export async function check(ctx: ToolContext): Promise<Checked> {
  const at = { id: hasPhone(ctx) ? phoneOf(ctx) : accountOf(ctx) }
  const fields = hasPhone(ctx) ? FIELDS : 'id,name'
  const { body, headers } = await send(ctx, { path: '/{id}', at, query: { fields }, needs: 'whatsapp_business_management' })
  return {
    account: hasPhone(ctx) ? await numberOf(ctx, body) : accountNamed(body),
    granted_scopes: await granted(ctx),
    warnings: aged(ctx, headers),
  }
}

async function numberOf(ctx: ToolContext, body: unknown): Promise<Checked['account']> {
  const { id, verified_name, display_phone_number } = read(PhoneNumber, body)
  if (!(await belongs(ctx, id)))
    fail('UPSTREAM_INVALID', `The number ${display_phone_number} is none of the business account ${accountOf(ctx)}.`, {
      hint: 'Take phone_number_id and business_account_id from the same page: Meta app → WhatsApp → API Setup.',
    })
  return { id, label: verified_name === undefined ? display_phone_number : `${verified_name} (${display_phone_number})` }
}

async function belongs(ctx: ToolContext, id: string): Promise<boolean> {
  let after: string | null = null
  for (let n = 0; n < MOST_PAGES; n++) {
    const { body } = await send(ctx, {
      path: '/{id}/phone_numbers',
      at: { id: accountOf(ctx) },
      query: { fields: 'id', limit: 100, after },
      needs: 'whatsapp_business_management',
    })
    const { items, next_after } = page(body)
    if (items.some((it) => (it as { id?: unknown } | null)?.id === id)) return true
    if (next_after === null) return false
    after = next_after
  }
  // An account of so many numbers is not one that somebody mixes up by hand.
  return true
}

function accountNamed(body: unknown): Checked['account'] {
  const { id, name } = read(Account, body)
  return { id, label: name ?? id }
}

/**
 * What was granted to the app in the name of the token's user. Meta describes that for users; where its answer names no permission of
 * WhatsApp, although the call before went through, it does not tell of this token.
 */
async function granted(ctx: ToolContext): Promise<string[] | null> {
  const path = `/${versionOf(ctx)}/me/permissions`
  const { body, verdict } = await exchange(ctx, { path, vendor: 'WhatsApp', judge: judgeFor(null) })
  const told = verdict === null ? Permissions.safeParse(body).data : undefined
  const names = (told?.data ?? []).filter((it) => it.status === 'granted').map((it) => it.permission)
  return names.some((it) => it.startsWith('whatsapp_')) ? names : null
}

/** [versions] Calls to a version that has ended are served by the oldest one that lives, and the answer says which. */
function aged(ctx: ToolContext, headers: Headers): string[] {
  const served = headers.get('facebook-api-version')
  const asked = versionOf(ctx)
  if (served === null || served === asked) return []
  return [`Meta answered with Graph API ${served}, because ${asked} has ended: set graph_version in the profile.`]
}
