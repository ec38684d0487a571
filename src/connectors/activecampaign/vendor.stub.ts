/**
 * ActiveCampaign's contract as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [errors] developers.activecampaign.com/reference/errors: 402 payment, 403 "could not be authenticated or … is not authorized", 404, 422
 * - [auth] …/reference/authentication: the key in `Api-Token`; GET /users/me in its example; a key is a user's
 * - [limits] …/reference/rate-limits: 5 requests a second for the account; RateLimit-Limit, RateLimit-Remaining; 429 with Retry-After in seconds
 * - [paging] …/reference/pagination: limit and offset, 20 when left out, at most 100; meta.total as text
 * - [contacts] …/reference/create-a-new-contact, update-a-contact-new, list-all-contacts: names, 201, 404 and 422 bodies word for word
 * - [accounts] …/reference/create-an-account-new, update-an-account-new, create-an-account-1: names, 201, 422 bodies word for word
 * - [lists] …/reference/update-list-status-for-contact: list, contact, status 1 and 2
 * - [tags] …/reference/create-contact-tag: contact and tag by id; a second time answers the same link
 * - [seen] in guides of integrators: statuses above 3 are "not a valid choice" (422), a tag's name is "No tag id provided" (422)
 * Not known, so chosen: the bodies of 403 and of an unknown route, the sentences of a 404 for accounts, which group permission a call
 * asks for, and the order of the checks. Stricter than the vendor, which passes over names that it does not know: they are refused.
 */
import type { Asked, Credential, Reply, Route, Stub, Vendor } from '../../../test/fakes/stub.ts'
import { startStub } from '../../../test/fakes/stub.ts'

export const startActiveCampaign = (): Promise<Stub> => startStub(vendor)

/** Made up, in the form that keys have been seen in. */
export const keys = {
  admin: 'a1b2c3d4'.repeat(9),
  /** Its user's group may read and nothing else. */
  reader: 'feed0123'.repeat(9),
  /** Of a user who was deleted. */
  deleted: 'dead0000'.repeat(9),
}

const credentials: Record<string, Credential> = {
  [keys.admin]: { state: 'valid', kind: 'admin', scopes: ['contacts', 'lists', 'accounts'] },
  [keys.reader]: { state: 'valid', kind: 'reader', scopes: [] },
  [keys.deleted]: { state: 'revoked', kind: 'admin', scopes: ['contacts', 'lists', 'accounts'] },
}

const ok = (body: unknown, status = 200): Reply => ({ status, body })
const forbidden = (): Reply => ok({ message: 'Forbidden' }, 403)
const notFound = (what: string, id: unknown): Reply => ok({ message: `No Result found for ${what} with id ${id}` }, 404)
const invalid = (title: string, code: string, pointer: string): Reply =>
  ok({ errors: [{ title, detail: '', code, source: { pointer } }] }, 422)

/** [contacts] [accounts] [limits] Refusals word for word. */
export const replies = {
  payment: (): Reply => ok({ message: 'Payment required' }, 402),
  forbidden,
  duplicateEmail: () => invalid('Email address already exists in the system', 'duplicate', '/data/attributes/email'),
  duplicateName: () =>
    invalid('An account named "Example Account" already exists. Please choose a new name.', 'duplicate', '/data/attributes/name'),
  missingName: () => invalid('The account name was not provided.', 'field_missing', '/data/attributes/name'),
  onAnAccount: () =>
    invalid(
      'This contact is already associated with an account. We currently do not support contacts on multiple accounts.',
      'field_invalid',
      '/data/attributes/account,contact',
    ),
  noContact: () => notFound('Subscriber', 1),
  tooMany: (seconds: number): Reply => ({
    status: 429,
    headers: { 'ratelimit-limit': '5', 'ratelimit-remaining': '0', 'retry-after': String(seconds) },
    body: { message: 'Too Many Requests' },
  }),
}

const user = {
  username: 'admin',
  firstName: 'John',
  lastName: 'Doe',
  email: 'johndoe@example.com',
  phone: '',
  signature: null,
  links: { lists: 'https://:account.api-us1.com/api/3/users/1/lists' },
  id: '1',
}
const contact = (n: number) => ({
  cdate: '2018-09-28T13:50:41-05:00',
  udate: '2018-09-28T13:50:41-05:00',
  email: `person${n}@example.com`,
  phone: '',
  firstName: n % 2 === 0 ? 'Even' : '',
  lastName: '',
  orgid: '0',
  links: { contactTags: `https://:account.api-us1.com/api/3/contacts/${n}/contactTags` },
  id: String(n),
  organization: null,
})
/** Ids have gaps, as deleted contacts leave them. */
const CONTACTS = Array.from({ length: 65 }, (_, i) => contact((i + 1) * 3))
const LISTS = ['8']
const TAGS = ['20']
const isContact = (id: unknown) => String(id) === '113' || CONTACTS.some((it) => it.id === String(id))

/** The object that a body must be wrapped in, with the names that it may have. */
function wrapped(name: string, names: string, work: (it: Record<string, unknown>, asked: Asked) => Reply): Pick<Route, 'body' | 'answer'> {
  return {
    body: [name],
    answer: (asked) => {
      const it = asked.body[name]
      if (typeof it !== 'object' || it === null || asked.req.headers['content-type'] !== 'application/json') return ok({}, 400)
      const stranger = Object.keys(it).find((key) => !names.split(' ').includes(key))
      return stranger === undefined ? work(it as Record<string, unknown>, asked) : unknownField(`${name}.${stranger}`)
    },
  }
}
const unknownField = (name: string): Reply => ok({ message: `${name} is not in the description` }, 400)

const customValues = (it: unknown, field: string, value: string) =>
  it === undefined || (Array.isArray(it) && it.every((one) => one?.[field] !== undefined && one?.[value] !== undefined))

const CONTACT = 'email firstName lastName phone fieldValues'
const ACCOUNT = 'name accountUrl owner fields'

const routes: Route[] = [
  { call: 'GET /api/3/users/me', scopes: [], answer: () => ok({ user }) },
  {
    call: 'GET /api/3/contacts',
    scopes: [],
    query: ['email', 'search', 'listid', 'tagid', 'limit', 'offset', 'id_greater', 'orders[id]'],
    answer: ({ req: { query } }) => {
      const limit = Number(query.get('limit') ?? 20)
      if (limit > 100) return ok({}, 400)
      const email = query.get('email')
      const found = CONTACTS.filter((it) => Number(it.id) > Number(query.get('id_greater') ?? 0) && (email === null || it.email === email))
      if (query.has('id_greater') && query.get('orders[id]') === null) found.reverse()
      const offset = Number(query.get('offset') ?? 0)
      return ok({ scoreValues: [], contacts: found.slice(offset, offset + limit), meta: { total: String(found.length) } })
    },
  },
  {
    call: 'POST /api/3/contacts',
    scopes: ['contacts'],
    ...wrapped('contact', CONTACT, (it) => {
      if (typeof it.email !== 'string') return invalid('Contact email is required', 'field_missing', '/data/attributes/email')
      if (it.email === 'person3@example.com') return replies.duplicateEmail()
      if (!customValues(it.fieldValues, 'field', 'value')) return ok({}, 400)
      return ok({ fieldValues: it.fieldValues ?? [], contact: { ...contact(113), ...it, fieldValues: undefined } }, 201)
    }),
  },
  {
    call: 'PUT /api/3/contacts/{id}',
    scopes: ['contacts'],
    ...wrapped('contact', CONTACT, (it, { at }) =>
      isContact(at.id) ? ok({ fieldValues: [], contact: { ...contact(Number(at.id)), ...it } }) : notFound('Subscriber', at.id),
    ),
  },
  {
    call: 'POST /api/3/contactLists',
    scopes: ['lists'],
    ...wrapped('contactList', 'list contact status sourceid', (it) => {
      if (![1, 2].includes(Number(it.status))) {
        return invalid('The value you selected is not a valid choice.', 'field_invalid', '/data/attributes/status')
      }
      if (!isContact(it.contact)) return notFound('Subscriber', it.contact)
      if (!LISTS.includes(String(it.list))) return notFound('List', it.list)
      const link = { id: '628', contact: Number(it.contact), list: Number(it.list), status: Number(it.status), sourceid: 4 }
      return ok({ contacts: [contact(Number(it.contact))], contactList: link })
    }),
  },
  {
    call: 'POST /api/3/contactTags',
    scopes: ['contacts'],
    ...wrapped('contactTag', 'contact tag', (it) => {
      if (!/^\d+$/.test(String(it.tag))) return invalid('No tag id provided', 'field_missing', '/data/attributes/tag')
      if (!isContact(it.contact)) return notFound('Subscriber', it.contact)
      if (!TAGS.includes(String(it.tag))) return notFound('Tag', it.tag)
      return ok({ contacts: [contact(Number(it.contact))], contactTag: { contact: it.contact, tag: it.tag, id: '4544' } })
    }),
  },
  {
    call: 'POST /api/3/accountContacts',
    scopes: ['accounts'],
    ...wrapped('accountContact', 'contact account jobTitle', (it) => {
      if (!Number.isInteger(it.account))
        return invalid('The account attribute was not provided', 'field_missing', '/data/attributes/account')
      if (it.contact === 3) return replies.onAnAccount()
      return ok({ accountContact: { ...it, links: {}, id: '1' } }, 201)
    }),
  },
  {
    call: 'POST /api/3/accounts',
    scopes: ['accounts'],
    ...wrapped('account', ACCOUNT, (it) => {
      if (typeof it.name !== 'string' || it.name === '') return replies.missingName()
      if (it.name === 'Example Account') return replies.duplicateName()
      if (!customValues(it.fields, 'customFieldId', 'fieldValue')) return ok({}, 400)
      return ok({ account: { accountUrl: null, ...it, links: [], id: '2' } }, 201)
    }),
  },
  {
    call: 'PUT /api/3/accounts/{id}',
    scopes: ['accounts'],
    ...wrapped('account', ACCOUNT, (it, { at }) =>
      at.id === '1'
        ? ok({ account: { name: 'Example Account', accountUrl: null, ...it, links: [], id: '1' } })
        : notFound('Account', at.id),
    ),
  },
]

const vendor: Vendor = {
  routes,
  credentials,
  credentialOf: (req) => (req.headers['api-token'] as string | undefined) ?? null,
  demand: () => null,
  unauthorized: forbidden,
  unknownRoute: () => ok({ message: 'No route' }, 404),
  unknownField,
  scopeMissing: forbidden,
  always: () => ({ 'ratelimit-limit': '5', 'ratelimit-remaining': '4' }),
}
