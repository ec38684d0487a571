import { fail, type ToolContext, tool, z } from '../contract.ts'
import { id, jsonOf, ME, parsed, send, text, write } from './call.ts'

/** "The maximum is 100", and 20 when left out (reference, Pagination). */
const MOST = 100
const USUAL = 20

const anId = z.union([z.string(), z.number()])
const Contact = z.looseObject({
  id: z.string(),
  email: z.string().nullable().optional(),
  firstName: z.string().nullable().optional(),
  lastName: z.string().nullable().optional(),
  phone: z.string().nullable().optional(),
  cdate: z.string().nullable().optional().describe('When it was created'),
  udate: z.string().nullable().optional().describe('When it was last changed'),
})
export const Me = z.looseObject({ user: z.looseObject({ id: z.string(), username: z.string().optional(), email: z.string().optional() }) })
const Changed = z.looseObject({ contact: Contact })

const values = jsonOf(
  z.array(z.strictObject({ field: z.union([z.int(), z.string()]), value: z.union([z.string(), z.number()]) })).min(1),
  '[{"field": "1", "value": "Red"}], where field is the id of a custom field',
)
const person = {
  first_name: z.string().optional(),
  last_name: z.string().optional(),
  phone: z.string().optional(),
  field_values_json: values,
}

interface Person {
  email?: string | undefined
  first_name?: string | undefined
  last_name?: string | undefined
  phone?: string | undefined
  field_values_json?: string | undefined
}
const contactOf = (it: Person) => ({
  email: it.email,
  firstName: it.first_name,
  lastName: it.last_name,
  phone: it.phone,
  fieldValues: parsed(it.field_values_json),
})

const listContacts = tool({
  about:
    'Finds contacts by email, words, list or tag; all contacts without a filter. Answers one page: pass next_offset as offset for more, null means ' +
    'there are none. In accounts with many contacts page by id instead: start with id_greater 0 and pass next_id_greater on.',
  effect: 'read',
  repeatable: true,
  input: z
    .strictObject({
      email: text.optional().describe('The whole address'),
      search: text.optional().describe('In names, organization, phone or email'),
      list_id: id.optional(),
      tag_id: id.optional(),
      limit: z.int().min(1).max(MOST).optional().describe(`Contacts on a page; ${USUAL} when left out`),
      offset: z.int().min(0).optional(),
      id_greater: z.int().min(0).optional().describe('Only contacts with a higher id, in the order of their ids'),
    })
    .refine((it) => it.offset === undefined || it.id_greater === undefined, 'Give offset or id_greater, not both.'),
  output: z.object({
    contacts: z.array(Contact),
    total: z.number().nullable().describe('How many match the filters'),
    next_offset: z.number().nullable(),
    next_id_greater: z.number().nullable(),
  }),
  example: { search: 'example.com', limit: 20 },
  run: async (ctx, { email, search, list_id, tag_id, limit = USUAL, offset, id_greater }) => {
    const byId = id_greater !== undefined
    const query = {
      email,
      search,
      listid: list_id,
      tagid: tag_id,
      limit,
      offset: byId ? undefined : (offset ?? 0),
      id_greater,
      'orders[id]': byId ? 'ASC' : undefined,
    }
    const { body } = await send(ctx, { path: '/api/3/contacts', query })
    return pageOf(body, { limit, offset: offset ?? 0, byId })
  },
})

const Page = z.looseObject({ contacts: z.array(Contact), meta: z.looseObject({ total: anId.optional() }).optional() })

/** `meta.total` is text. Where it is missing, a full page may have a next one. */
function pageOf(body: unknown, at: { limit: number; offset: number; byId: boolean }) {
  const page = Page.safeParse(body)
  if (!page.success) return fail('UPSTREAM_ERROR', 'ActiveCampaign answered with something that is no page of contacts.')
  const { contacts, meta } = page.data
  const total = meta?.total === undefined ? null : Number(meta.total)
  const last = contacts.at(-1)
  const more = last !== undefined && (total === null ? contacts.length >= at.limit : at.offset + contacts.length < total)
  return {
    contacts,
    total,
    next_offset: more && !at.byId ? at.offset + contacts.length : null,
    next_id_greater: more && at.byId ? Number(last.id) : null,
  }
}

export const contacts = {
  activecampaign_get_users_me: tool({
    about:
      'Reads whose API key is connected: the ActiveCampaign user. A cheap way to see that the key lives. It says nothing about contacts.',
    effect: 'read',
    repeatable: true,
    input: z.strictObject({}),
    output: Me,
    example: {},
    run: async (ctx: ToolContext) => me(ctx),
  }),
  activecampaign_create_contact: write('POST /api/3/contacts', {
    about:
      'Creates a contact. Fails with a conflict when the email is there already: find it with activecampaign_list_contacts and change it with ' +
      'activecampaign_update_contact. It is put on no list and gets no tag by this.',
    input: { email: z.email(), ...person },
    output: Changed,
    example: { email: 'jane@example.com', first_name: 'Jane', field_values_json: '[{"field":"1","value":"Red"}]' },
    wrap: 'contact',
    body: contactOf,
  }),
  activecampaign_update_contact: write('PUT /api/3/contacts/{contact_id}', {
    about: 'Changes email, names, phone or custom fields of a contact. What is left out stays as it is. The contact is named by its id.',
    repeatable: true,
    input: { contact_id: id, email: z.email().optional(), ...person },
    output: Changed,
    example: { contact_id: '113', last_name: 'Doe' },
    wrap: 'contact',
    body: contactOf,
  }),
  activecampaign_list_contacts: listContacts,
  activecampaign_subscribe_or_unsubscribe_contact_from_list: write('POST /api/3/contactLists', {
    about:
      'Puts a contact on a list or takes it off. Subscribing somebody who has left the list puts them back on it: only do so when they agreed to it.',
    destroys: true,
    repeatable: true,
    input: { contact_id: id, list_id: id, status: z.enum(['subscribe', 'unsubscribe']) },
    output: z.looseObject({ contactList: z.looseObject({ id: anId, contact: anId, list: anId, status: anId }) }),
    example: { contact_id: '113', list_id: '8', status: 'subscribe' },
    wrap: 'contactList',
    body: ({ contact_id, list_id, status }) => ({
      list: String(list_id),
      contact: String(contact_id),
      status: status === 'subscribe' ? 1 : 2,
    }),
  }),
  activecampaign_add_tag_to_contact: write('POST /api/3/contactTags', {
    about: 'Gives a contact a tag that exists, named by the id of the tag and not by its words. A contact that has the tag keeps it.',
    repeatable: true,
    input: { contact_id: id, tag_id: id },
    output: z.looseObject({ contactTag: z.looseObject({ id: anId, contact: anId, tag: anId }) }),
    example: { contact_id: '113', tag_id: '20' },
    wrap: 'contactTag',
    body: ({ contact_id, tag_id }) => ({ contact: String(contact_id), tag: String(tag_id) }),
  }),
}

/** `{ user }`, as it came. */
export async function me(ctx: ToolContext): Promise<never> {
  return (await send(ctx, { path: ME })).body as never
}
