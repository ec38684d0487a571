import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import type { Stub } from '../../../test/fakes/stub.ts'
import activecampaign from './index.ts'
import { keys, replies, startActiveCampaign } from './vendor.stub.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startActiveCampaign()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const as = (api_key: string) =>
  toolContext(activecampaign, { credentials: { account_url: 'https://youraccount.api-us1.com', api_key }, config: { api_base: stub.url } })
async function call(name: string, input: object, ctx = as(keys.admin)): Promise<Record<string, unknown>> {
  const tool = activecampaign.tools[`activecampaign_${name}`]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const sent = () => stub.requests.map(({ method, path }) => `${method} ${path}`)
const body = () => JSON.parse(stub.requests[0]?.body ?? '{}')

describe('the address that the key goes to', () => {
  const fields = activecampaign.auth.kind === 'api_key' ? (activecampaign.auth.services.api_key?.fields ?? []) : []
  const format = fields.find((it) => it.name === 'account_url')?.format?.pattern
  it.each(['https://youraccount.api-us1.com', 'https://youraccount.api-us1.com/', 'https://your-account-2.activehosted.com'])(
    'may be %s',
    (url) => {
      expect(url).toMatch(format as RegExp)
    },
  )

  it.each([
    'http://youraccount.api-us1.com',
    'https://api-us1.com',
    'https://youraccount.api-evil.com',
    'https://youraccount.api-us1.com.evil.com',
    'https://youraccount.api-us1.com/api/3',
    'https://youraccount.api-us1.com:8443',
    'https://user@youraccount.api-us1.com',
    'https://evil.com/.api-us1.com',
    'https://evil.com#.api-us1.com',
    'https://a.b.api-us1.com',
    'https://-a.api-us1.com',
    'youraccount.api-us1.com',
    'https://youraccount.api-us1.com\nhttps://evil.com',
  ])('[connectors.no-key-elsewhere] may not be %j', (url) => {
    expect(url).not.toMatch(format as RegExp)
  })

  it('is the base of all calls, without its last slash', () => {
    const { base } = activecampaign
    expect(typeof base === 'function' && base({ account_url: 'https://youraccount.api-us1.com/' })).toBe('https://youraccount.api-us1.com')
  })
})

describe('who the key is', () => {
  it('[connectors.unknown-scopes] the check reads the user; permissions of a group are not told', async () => {
    expect(await activecampaign.auth.check(as(keys.admin))).toEqual({
      account: { id: '1', label: 'johndoe@example.com' },
      granted_scopes: null,
    })
  })

  it('an answer without a user proves nothing', async () => {
    stub.next({ kind: 'reply', reply: { status: 200, body: {} } })
    await expect(activecampaign.auth.check(as(keys.admin))).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
  })
})

describe('a 403', () => {
  const denied = ['POST /api/3/accounts', 'GET /api/3/users/me']

  it('[connectors.403-told-apart] of a living key says that its user may not do this, and does not send for a person', async () => {
    await expect(call('create_account', { name: 'New' }, as(keys.reader))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      message: "ActiveCampaign takes the key, but does not allow this to the key's user (403): Forbidden",
      details: { status: 403, reason: 'denied' },
      maybeDone: false,
    })
    expect(sent()).toEqual(denied)
  })

  it('[connectors.403-told-apart] of a dead key is a rejected credential', async () => {
    await expect(call('create_account', { name: 'New' }, as(keys.deleted))).rejects.toMatchObject({
      code: 'CREDENTIAL_REJECTED',
      message: 'ActiveCampaign refuses the key (403): Forbidden',
      details: { status: 403 },
    })
    expect(sent()).toEqual(denied)
  })

  it('[connectors.403-told-apart] that cannot be looked into blames nobody', async () => {
    stub.next({ kind: 'reply', reply: replies.forbidden() }, { kind: 'reply', reply: replies.tooMany(60) })
    await expect(call('create_account', { name: 'New' })).rejects.toMatchObject({
      code: 'UPSTREAM_ERROR',
      retryAfter: 60,
      maybeDone: false,
    })
  })

  it('[connectors.page-is-no-verdict] as a web page of something in between says nothing of the key', async () => {
    stub.next({ kind: 'html', status: 403 })
    await expect(call('create_account', { name: 'New' })).rejects.toMatchObject({ code: 'UPSTREAM_ERROR' })
    expect(sent()).toEqual(['POST /api/3/accounts'])
  })
})

describe('what goes over the wire', () => {
  it('wraps a contact, and turns the JSON of its custom fields into values', async () => {
    const field_values_json = '[{"field":"1","value":"The Value"},{"field":6,"value":"2008-01-20"}]'
    const answer = await call('create_contact', {
      email: 'johndoe@example.com',
      first_name: 'John',
      phone: '7223224241',
      field_values_json,
    })
    expect(body()).toEqual({
      contact: {
        email: 'johndoe@example.com',
        firstName: 'John',
        phone: '7223224241',
        fieldValues: [
          { field: '1', value: 'The Value' },
          { field: 6, value: '2008-01-20' },
        ],
      },
    })
    expect(answer).toMatchObject({ contact: { id: '113', email: 'johndoe@example.com' } })
  })

  it('an update sends what was given and nothing else', async () => {
    await call('update_contact', { contact_id: 113, last_name: 'Doe' })
    expect(sent()).toEqual(['PUT /api/3/contacts/113'])
    expect(body()).toEqual({ contact: { lastName: 'Doe' } })
  })

  it.each([
    ['subscribe', 1],
    ['unsubscribe', 2],
  ])('%s is status %i', async (status, number) => {
    const answer = await call('subscribe_or_unsubscribe_contact_from_list', { contact_id: '113', list_id: 8, status })
    expect(body()).toEqual({ contactList: { list: '8', contact: '113', status: number } })
    expect(answer).toMatchObject({ contactList: { status: number } })
  })

  it('an account takes its custom fields from JSON, and its owner as a number', async () => {
    await call('create_account', {
      name: 'New',
      owner_id: '7',
      fields_json: '[{"customFieldId":20,"fieldValue":1234,"fieldCurrency":"GBP"}]',
    })
    expect(body()).toEqual({
      account: { name: 'New', owner: 7, fields: [{ customFieldId: 20, fieldValue: 1234, fieldCurrency: 'GBP' }] },
    })
  })

  it.each([
    ['create_contact', { email: 'a@example.com', field_values_json: '{"field":"1"}' }],
    ['create_contact', { email: 'a@example.com', field_values_json: 'red' }],
    ['create_contact', { email: 'nobody' }],
    ['create_account', { name: 'New', fields_json: '[{"customFieldId":"nine","fieldValue":"x"}]' }],
    ['update_contact', { contact_id: '../accounts/1', last_name: 'x' }],
    ['update_account', { account_id: 0, name: 'x' }],
    ['list_contacts', { limit: 101 }],
    ['list_contacts', { offset: 20, id_greater: 5 }],
    ['list_contacts', { tag: 'vip' }],
  ])('[connectors.path-stays] %s refuses %j before anything is sent', async (name, input) => {
    await expect(call(name, input)).rejects.toThrow()
    expect(stub.requests).toEqual([])
  })

  it.each([
    ['create_contact', { email: 'person3@example.com' }, 'UPSTREAM_CONFLICT', /already exists in the system/],
    ['update_contact', { contact_id: 7, last_name: 'x' }, 'UPSTREAM_NOT_FOUND', /No Result found for Subscriber with id 7/],
    [
      'subscribe_or_unsubscribe_contact_from_list',
      { contact_id: 113, list_id: 9, status: 'subscribe' },
      'UPSTREAM_NOT_FOUND',
      /List with id 9/,
    ],
    ['add_tag_to_contact', { contact_id: 113, tag_id: 21 }, 'UPSTREAM_NOT_FOUND', /Tag with id 21/],
    ['add_contact_to_account', { contact_id: 3, account_id: 1 }, 'UPSTREAM_INVALID', /already associated with an account/],
    ['create_account', { name: 'Example Account' }, 'UPSTREAM_CONFLICT', /Please choose a new name/],
    ['update_account', { account_id: 2, name: 'x' }, 'UPSTREAM_NOT_FOUND', /Account with id 2/],
  ])('%s with %j keeps the reason', async (name, input, code, message) => {
    await expect(call(name, input)).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
  })
})

describe('pages of contacts', () => {
  it('filters by the names that ActiveCampaign has', async () => {
    await call('list_contacts', { email: 'person6@example.com', search: 'x', list_id: 8, tag_id: '20', limit: 5, offset: 10 })
    expect(Object.fromEntries(stub.requests[0]?.query ?? [])).toEqual({
      email: 'person6@example.com',
      search: 'x',
      listid: '8',
      tagid: '20',
      limit: '5',
      offset: '10',
    })
  })

  it('by id sees every contact once, in the order of ids', async () => {
    const seen: string[] = []
    let at: number | null = 0
    while (at !== null) {
      const page = await call('list_contacts', { id_greater: at, limit: 30 })
      seen.push(...(page.contacts as { id: string }[]).map((it) => it.id))
      at = page.next_id_greater as number | null
    }
    expect(seen).toEqual(Array.from({ length: 65 }, (_, i) => String((i + 1) * 3)))
    expect(stub.requests.every((it) => it.query.get('orders[id]') === 'ASC' && !it.query.has('offset'))).toBe(true)
  })

  it('where the total is not told, a full page may have a next one and a short one has not', async () => {
    const page = (n: number) => ({ status: 200, body: { contacts: Array.from({ length: n }, (_, i) => ({ id: String(i + 1) })) } })
    stub.next({ kind: 'reply', reply: page(2) }, { kind: 'reply', reply: page(1) })
    expect(await call('list_contacts', { limit: 2 })).toMatchObject({ total: null, next_offset: 2 })
    expect(await call('list_contacts', { limit: 2, offset: 2 })).toMatchObject({ total: null, next_offset: null })
  })

  it('nobody found is an empty page and the last one', async () => {
    expect(await call('list_contacts', { email: 'nobody@example.com' })).toEqual({
      contacts: [],
      total: 0,
      next_offset: null,
      next_id_greater: null,
    })
  })
})

describe('trying again', () => {
  it('a change that may be made twice is made again after a wait, a new account is left to the run', async () => {
    stub.next({ kind: 'reply', reply: replies.tooMany(1) })
    const ctx = as(keys.admin)
    await call('update_account', { account_id: 1, name: 'x' }, ctx)
    expect(ctx.waits).toEqual([1000])
    expect(stub.requests).toHaveLength(2)
    stub.reset()
    stub.next({ kind: 'reply', reply: replies.tooMany(1) })
    await expect(call('create_account', { name: 'New' })).rejects.toMatchObject({ code: 'UPSTREAM_RATE_LIMITED', retryAfter: 1 })
    expect(stub.requests).toHaveLength(1)
  })
})
