import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import whatsapp from './index.ts'
import { regained } from './judge.ts'
import { form, KINDS } from './media.ts'
import { componentsOf } from './templates.ts'
import { error, FOREIGN_PHONE, type Meta, PHONE, people, SECOND_PHONE, startMeta, tokens, WABA } from './vendor.stub.ts'

let stub: Meta
beforeAll(async () => {
  stub = await startMeta()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const ids = { business_account_id: WABA, phone_number_id: PHONE }
const as = (access_token: string, more: Record<string, string> = ids, config: object = {}) =>
  toolContext(whatsapp, { credentials: { access_token, ...more }, config: { api_base: stub.url, ...config } })
async function call(name: string, input: object, ctx = as(tokens.both)): Promise<Record<string, unknown>> {
  const tool = whatsapp.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const sent = () => stub.requests.map(({ method, path, query }) => `${method} ${path}${query.size > 0 ? `?${query}` : ''}`)
const lastBody = () => JSON.parse(stub.requests.at(-1)?.body ?? '')
const fits = (name: string, input: object) => whatsapp.tools[name]?.input.safeParse(input).success
const TO = '+15550123456'

describe('whose token it is', () => {
  it('reads the number, and the permissions where Meta tells them', async () => {
    expect(await whatsapp.auth.check(as(tokens.both))).toEqual({
      account: { id: PHONE, label: 'Lucky Shrub (+1 555-078-3880)' },
      granted_scopes: ['whatsapp_business_management', 'whatsapp_business_messaging', 'business_management'],
      warnings: [],
    })
    expect(sent()).toEqual([
      `GET /v25.0/${PHONE}?fields=id%2Cdisplay_phone_number%2Cverified_name%2Cquality_rating`,
      `GET /v25.0/${WABA}/phone_numbers?fields=id&limit=100`,
      'GET /v25.0/me/permissions',
    ])
  })

  it('[connectors.unknown-scopes] a token of which Meta lists no permission has permissions that are not told, not none', async () => {
    expect(await whatsapp.auth.check(as(tokens.untold))).toMatchObject({ granted_scopes: null })
  })

  it('without a number the business account stands for it', async () => {
    const checked = await whatsapp.auth.check(as(tokens.both, { business_account_id: WABA }))
    expect(checked.account).toEqual({ id: WABA, label: 'Lucky Shrub Ltd' })
  })

  it('tells ids that do not exist from a dead token and from a missing permission', async () => {
    const problem = (token: string, more: Record<string, string>) => expect(whatsapp.auth.check(as(token, more))).rejects
    await problem(tokens.both, { ...ids, phone_number_id: '999999' }).toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
    await problem(tokens.both, { ...ids, business_account_id: '888888' }).toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
    await problem(tokens.both, { ...ids, phone_number_id: FOREIGN_PHONE }).toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: expect.stringContaining(`none of the business account ${WABA}`),
    })
    await problem(tokens.messaging, ids).toMatchObject({
      code: 'SCOPE_MISSING',
      details: { reason: 'permission', required_scopes: ['whatsapp_business_management'] },
    })
    await problem(tokens.revoked, ids).toMatchObject({ code: 'CREDENTIAL_REJECTED', hint: expect.stringContaining('password') })
    await problem(tokens.expired, ids).toMatchObject({ code: 'CREDENTIAL_REJECTED', hint: expect.stringContaining('expired') })
  })

  it('a version that has ended is warned of, one that nobody knows is refused', async () => {
    expect((await whatsapp.auth.check(as(tokens.both, ids, { graph_version: 'v20.0' }))).warnings).toEqual([
      'Meta answered with Graph API v21.0, because v20.0 has ended: set graph_version in the profile.',
    ])
    await expect(whatsapp.auth.check(as(tokens.both, ids, { graph_version: 'v99.0' }))).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    expect(whatsapp.config.safeParse({ graph_version: '25' }).success).toBe(false)
    expect(whatsapp.config.safeParse({ graph_version: 'v25.0/../x' }).success).toBe(false)
  })
})

describe('messages', () => {
  it('a text goes out as Meta takes it, with the key of the call to be found again', async () => {
    const answer = await call('send_message', { to: TO, body: 'Hello', preview_url: true, reply_to_message_id: 'wamid.HBgL=' })
    expect(answer).toMatchObject({ contacts: [{ wa_id: '15550123456' }], messages: [{ id: expect.stringMatching(/^wamid\./) }] })
    expect(sent()).toEqual([`POST /v25.0/${PHONE}/messages`])
    expect(lastBody()).toEqual({
      messaging_product: 'whatsapp',
      recipient_type: 'individual',
      to: TO,
      type: 'text',
      text: { body: 'Hello', preview_url: true },
      context: { message_id: 'wamid.HBgL=' },
      biz_opaque_callback_data: 'run_1/step_1',
    })
  })

  it.each(['send_message', 'send_media', 'send_template_message'])('%s sends from the number that a call names', async (name) => {
    const example = whatsapp.tools[name]?.example as object
    await call(name, { ...example, phone_number_id: SECOND_PHONE })
    await call(name, example)
    expect(stub.requests.map((it) => it.path.split('/')[2])).toEqual([SECOND_PHONE, PHONE])
    await expect(call(name, example, as(tokens.both, { business_account_id: WABA }))).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it.each(['1/../2', '', 'me', '12a', '-1'])('[connectors.path-stays] %j is no phone number id', (phone_number_id) => {
    expect(fits('send_message', { to: TO, body: 'x', phone_number_id })).toBe(false)
  })

  it.each([
    ['+1 (555) 012-3456', true],
    ['15550123456', true],
    ['Ada', false],
    ['+1', false],
    ['+15550123456\n', false],
  ])('%j as recipient: %s', (to, good) => {
    expect(fits('send_message', { to, body: 'x' })).toBe(good)
  })

  it.each([
    [people.closed, 'UPSTREAM_INVALID', 131047, /send_template_message/],
    [people.gone, 'UPSTREAM_INVALID', 131026, /no WhatsApp/],
    [people.unlisted, 'UPSTREAM_INVALID', 131030, /test number/],
  ])('to %s it is %s (%i), with a hint', async (to, code, error_code, hint) => {
    await expect(call('send_message', { to, body: 'x' })).rejects.toMatchObject({
      code,
      details: { error_code, status: 400, fbtrace_id: 'AXsgnV2Cm3ZMGF3dF_cfYIn' },
      hint: expect.stringMatching(hint),
      maybeDone: false,
    })
  })

  it('keeps what Meta says, title and details', async () => {
    await expect(call('send_message', { to: people.closed, body: 'x' })).rejects.toMatchObject({
      message:
        'WhatsApp did not accept the request (400): (#131047) Re-engagement message – Message failed to send because more than 24 hours have passed since the customer last replied to this number.',
    })
  })

  it('too many messages to one person wait six seconds for the run, and are not sent again here', async () => {
    const ctx = as(tokens.both)
    await expect(call('send_message', { to: people.often, body: 'x' }, ctx)).rejects.toMatchObject({
      code: 'UPSTREAM_RATE_LIMITED',
      retryAfter: 6,
      details: { reason: 'recipient', error_code: 131056 },
    })
    expect(ctx.waits).toEqual([])
    expect(stub.requests).toHaveLength(1)
  })

  it('a token that may only look at things cannot send, and is told what it lacks', async () => {
    await expect(call('send_message', { to: TO, body: 'x' }, as(tokens.management))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { required_scopes: ['whatsapp_business_messaging'] },
    })
  })

  it('trouble of Meta after a send leaves it open whether it was done', async () => {
    stub.next({ kind: 'reply', reply: error(500, 131000, '(#131000) Something went wrong') })
    await expect(call('send_message', { to: TO, body: 'x' })).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', maybeDone: true })
  })
})

describe('media', () => {
  const bytes = Buffer.from('%PDF-1.4 short')
  const pdf = { to: TO, media_type: 'document', media_base64: bytes.toString('base64'), mime_type: 'application/pdf' }

  it('bytes are uploaded first, and sent by the id that Meta gave', async () => {
    await call('send_media', { ...pdf, filename: 'invoice.pdf', caption: 'Thanks', phone_number_id: SECOND_PHONE })
    expect(sent()).toEqual([`POST /v25.0/${SECOND_PHONE}/media`, `POST /v25.0/${SECOND_PHONE}/messages`])
    const [[id, file] = []] = [...stub.uploads]
    expect(file).toEqual({ type: 'application/pdf', name: 'invoice.pdf', content: '%PDF-1.4 short' })
    expect(lastBody().document).toEqual({ id, caption: 'Thanks', filename: 'invoice.pdf' })
  })

  it('an id that was uploaded before is sent as it is; a foreign one is refused by Meta', async () => {
    await call('send_media', pdf)
    const id = [...stub.uploads.keys()][0]
    await call('send_media', { to: TO, media_type: 'audio', media_id: id })
    expect(lastBody().audio).toEqual({ id })
    await expect(call('send_media', { to: TO, media_type: 'audio', media_id: '1' })).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
  })

  it('a file that Meta did not take is not sent', async () => {
    stub.next({ kind: 'reply', reply: error(400, 131053, '(#131053) Media upload error') })
    await expect(call('send_media', pdf)).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    expect(stub.requests).toHaveLength(1)
  })

  it('files that are too large, or of a kind that WhatsApp does not take, do not leave', async () => {
    const large = Buffer.alloc((KINDS.sticker?.most ?? 0) + 1).toString('base64')
    await expect(call('send_media', { to: TO, media_type: 'sticker', media_base64: large, mime_type: 'image/webp' })).rejects.toMatchObject(
      { code: 'INVALID_INPUT', message: expect.stringContaining('512000') },
    )
    await expect(call('send_media', { ...pdf, media_type: 'image' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      hint: 'It takes image/jpeg, image/png.',
    })
    expect(stub.requests).toEqual([])
  })

  it.each([
    [{ media_type: 'image' }],
    [{ media_type: 'image', media_url: 'https://a.example/x', media_id: '1' }],
    [{ media_type: 'image', media_base64: 'AAAA' }],
    [{ media_type: 'image', media_url: 'https://a.example/x', mime_type: 'image/png' }],
    [{ media_type: 'image', media_url: 'file:///etc/passwd' }],
    [{ media_type: 'audio', media_url: 'https://a.example/x', caption: 'x' }],
    [{ media_type: 'image', media_url: 'https://a.example/x', filename: 'x.png' }],
    [{ media_type: 'document', media_base64: 'AAAA', mime_type: 'text/plain', filename: 'a"\r\nx: y' }],
    [{ media_type: 'document', media_base64: 'AAAA', mime_type: 'text/plain\r\nx: y' }],
  ])('%j is refused', (input) => {
    expect(fits('send_media', { to: TO, ...input })).toBe(false)
  })

  it('a form keeps every byte, and its boundary is in none of them', () => {
    const hard = Buffer.from([0x89, 0, 0xff, 13, 10, ...Buffer.from('first')])
    const draws = ['first', 'second']
    const { type, body } = form({ name: 'a.png', type: 'image/png', bytes: hard }, () => draws.shift() as string)
    expect(type).toBe('multipart/form-data; boundary=second')
    const at = body.indexOf(hard)
    expect(body.subarray(0, at).toString()).toMatch(/^--second\r\n[\s\S]*filename="a\.png"\r\ncontent-type: image\/png\r\n\r\n$/)
    expect(body.subarray(at + hard.length).toString()).toBe('\r\n--second--\r\n')
  })
})

describe('templates', () => {
  it('short forms become the components that Meta takes', async () => {
    expect(
      componentsOf(
        ['Sale'],
        ['Ada', '17'],
        [
          { index: 0, text: '4711' },
          { index: 1, payload: 'yes' },
          { index: 2, coupon_code: 'SAVE' },
        ],
      ),
    ).toEqual([
      { type: 'header', parameters: [{ type: 'text', text: 'Sale' }] },
      {
        type: 'body',
        parameters: [
          { type: 'text', text: 'Ada' },
          { type: 'text', text: '17' },
        ],
      },
      { type: 'button', sub_type: 'url', index: 0, parameters: [{ type: 'text', text: '4711' }] },
      { type: 'button', sub_type: 'quick_reply', index: 1, parameters: [{ type: 'payload', payload: 'yes' }] },
      { type: 'button', sub_type: 'copy_code', index: 2, parameters: [{ type: 'coupon_code', coupon_code: 'SAVE' }] },
    ])
  })

  it('components go out as they are, and none where the template has no variable', async () => {
    const components = [
      {
        type: 'body',
        parameters: [
          { type: 'text', text: 'Ada', parameter_name: 'who' },
          { type: 'currency', currency: { fallback_value: '$1', code: 'USD', amount_1000: 1000 } },
        ],
      },
    ]
    const order = { to: TO, template_name: 'order_shipped', language: 'en_US' }
    expect(await call('send_template_message', { ...order, components })).toMatchObject({ messages: [{ message_status: 'accepted' }] })
    expect(lastBody().template).toEqual({ name: 'order_shipped', language: { code: 'en_US' }, components })
    await call('send_template_message', { ...order, template_name: 'hello_world' })
    expect(lastBody().template).toEqual({ name: 'hello_world', language: { code: 'en_US' } })
  })

  it('reaches somebody who has not written for a day', async () => {
    const hello = { to: people.closed, template_name: 'hello_world', language: 'en_US' }
    expect(await call('send_template_message', hello)).toMatchObject({ contacts: [{ input: people.closed }] })
  })

  it.each([
    [{ template_name: 'order_shipped', language: 'de' }, 132001, 404, /list_message_templates/],
    [{ template_name: 'order_shipped', language: 'en_US', body_parameters: ['one'] }, 132000, 400, /as many parameters/],
    [{ template_name: 'promo', language: 'en_US' }, 132015, 400, /paused/],
  ])('%j is refused with %i', async (input, error_code, status, hint) => {
    await expect(call('send_template_message', { to: TO, ...input })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      details: { error_code, status },
      hint: expect.stringMatching(hint),
    })
  })

  it.each([
    [{ body_parameters: ['x'], components: [{ type: 'body', parameters: [] }] }],
    [{ components: [{ type: 'footer', parameters: [] }] }],
    [{ components: [{ type: 'body', parameters: [{ type: 'text', text: 'x', emoji: true }] }] }],
    [{ button_parameters: [{ index: 0, text: 'x', payload: 'y' }] }],
    [{ button_parameters: [{ index: 0 }] }],
    [{ language: 'English' }],
  ])('%j is refused before it leaves', (input) => {
    expect(fits('send_template_message', { to: TO, template_name: 'hello_world', language: 'en_US', ...input })).toBe(false)
  })

  it('are found by status and name, of another business account too', async () => {
    expect(await call('list_message_templates', { status: 'PAUSED' })).toMatchObject({ items: [{ name: 'promo' }], next_after: null })
    expect(await call('list_message_templates', { name: 'hello' })).toMatchObject({ items: [{ name: 'hello_world' }] })
    await expect(call('list_message_templates', { business_account_id: '77777' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })
})

describe('pages and limits', () => {
  it('the last page has a cursor and no next page', async () => {
    const first = await call('list_phone_numbers', { limit: 4 })
    expect(first.next_after).not.toBeNull()
    expect(await call('list_phone_numbers', { limit: 4, after: first.next_after as string })).toMatchObject({
      items: [{ id: '106540352242926' }],
      next_after: null,
    })
  })

  it.each([
    ['{"1":[{"estimated_time_to_regain_access":2},{"estimated_time_to_regain_access":19}]}', 1140],
    ['{"1":[{"estimated_time_to_regain_access":0}]}', undefined],
    ['{"1":[null]}', undefined],
    ['not json', undefined],
    ['null', undefined],
  ])('usage %s is %s seconds', (header, seconds) => {
    expect(regained(new Headers({ 'x-business-use-case-usage': header }))).toBe(seconds)
  })
})
