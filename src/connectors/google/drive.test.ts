import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { toolContext } from '../../../test/fakes/context.ts'
import { replies as driveReplies, lone, mediaOf, startDrive } from '../../../test/fakes/drive.ts'
import { replies, tokens } from '../../../test/fakes/google.ts'
import type { Reply, Stub } from '../../../test/fakes/stub.ts'
import type { Tool } from '../contract.ts'
import { missingScopes } from '../scopes.ts'
import { googleDrive } from './drive.ts'
import { found, inside, quoted } from './drive-query.ts'
import { written } from './drive-read.ts'
import { bytesOf, LARGEST_UPLOAD, MimeType, multipart } from './drive-upload.ts'

let stub: Stub
beforeAll(async () => {
  stub = await startDrive()
})
afterAll(() => stub.close())
beforeEach(() => stub.reset())

const FOLDER = 'application/vnd.google-apps.folder'
const DOC = 'application/vnd.google-apps.document'
const as = (access_token: string, config: object = { api_base: stub.url }) =>
  toolContext(googleDrive, { credentials: { access_token }, config: { ...config } })
const toolOf = (name: string): Tool => {
  const tool = googleDrive.tools[name]
  if (tool === undefined) throw new Error(`no tool ${name}`)
  return tool
}
async function call(name: string, input: object, ctx = as(tokens.valid)): Promise<Record<string, unknown>> {
  const tool = toolOf(name)
  return tool.output.parse(await tool.run(ctx, tool.input.parse(input) as never)) as Record<string, unknown>
}
const sent = (n = 0) => {
  const req = stub.requests.at(n)
  if (req === undefined) throw new Error(`no request ${n}`)
  return { ...req, line: `${req.method} ${req.path}`, asked: Object.fromEntries(req.query) }
}
const names = (answer: Record<string, unknown>) => (answer.files as { name: string }[]).map((it) => it.name)

describe('the connector', () => {
  it('has the fifteen tools', () => {
    const named = `add_permission create_folder create_text_file delete_file delete_permission duplicate_file get_file_by_id list_files
      move_file read_file save_file_as_pdf search_files set_public_access trash_file upload_file`
    expect(Object.keys(googleDrive.tools).sort()).toEqual(named.split(/\s+/))
  })

  it('tells whose account it is, by an answer that must be asked for by field', async () => {
    expect(await googleDrive.auth.check(as(tokens.valid))).toEqual({
      account: { id: '0177', label: 'ada@example.com' },
      granted_scopes: null,
    })
    expect(sent().asked).toEqual({ fields: 'user(permissionId,displayName,emailAddress)' })
  })

  it('keeps the account that the connection already has', async () => {
    const account = { id: '110248495921238986420', label: 'ada@example.com' }
    const ctx = toolContext(googleDrive, { credentials: { access_token: tokens.valid }, config: { api_base: stub.url }, account })
    expect((await googleDrive.auth.check(ctx)).account).toEqual(account)
  })

  it.each(['expired', 'revoked'] as const)('an %s token is rejected', async (kind) => {
    await expect(googleDrive.auth.check(as(tokens[kind]))).rejects.toMatchObject({ code: 'CREDENTIAL_REJECTED' })
  })
})

describe('searching', () => {
  it('asks for names, without the bin, and for the fields that are told', async () => {
    const answer = await call('search_files', { query: 'notes' })
    expect(names(answer)).toEqual(['notes.txt'])
    expect(answer.files).toMatchObject([{ id: 'notes', parents: ['f-reports'], size: '8', owners: [{ emailAddress: 'ada@example.com' }] }])
    expect(sent().line).toBe('GET /drive/v3/files')
    expect(sent().asked).toEqual({
      q: "name contains 'notes' and trashed = false",
      fields: expect.stringMatching(/^nextPageToken,incompleteSearch,files\(id,name,mimeType,/),
      pageSize: '100',
    })
  })

  it.each([
    [{ query: 'old' }, "name contains 'old' and trashed = false", []],
    [{ query: 'Dear', search_by: 'full_text' }, "fullText contains 'Dear' and trashed = false", ['Letter']],
    [{ query: FOLDER, search_by: 'mime_type' }, `mimeType = '${FOLDER}' and trashed = false`, ['Reports', '2026', 'May']],
    [{ query: 'Letter', mime_type: DOC }, `name contains 'Letter' and mimeType = '${DOC}' and trashed = false`, ['Letter', 'Long letter']],
  ])('%j is %s', async (input, q, found) => {
    expect(names(await call('search_files', input))).toEqual(found)
    expect(sent().asked.q).toBe(q)
  })

  it('reads shared drives when told to', async () => {
    expect(names(await call('search_files', { query: 'team' }))).toEqual([])
    expect(names(await call('search_files', { query: 'team', include_team_drives: true }))).toEqual(['team.txt'])
    expect(sent(1).asked).toMatchObject({ supportsAllDrives: 'true', includeItemsFromAllDrives: 'true', corpora: 'allDrives' })
  })

  it.each([
    ["quinn's paper\\essay", "'quinn\\'s paper\\\\essay'"],
    ["x' or name contains 'a", "'x\\' or name contains \\'a'"],
    ["\\' or trashed = true or name = '", "'\\\\\\' or trashed = true or name = \\''"],
    ['no such\\', "'no such\\\\'"],
  ])('%s cannot leave its quotes', async (value, literal) => {
    expect(quoted(value)).toBe(literal)
    const all = await Promise.all([
      call('search_files', { query: value }),
      call('search_files', { query: value, search_by: 'full_text' }),
      call('search_files', { query: 'notes', mime_type: value }),
      call('list_files', { folder_id: value }),
    ])
    expect(all.map(names)).toEqual([value.startsWith('quinn') ? [value] : [], value.startsWith('quinn') ? [value] : [], [], []])
  })

  it('refuses half of a character', () => {
    expect(() => quoted('a\ud800')).toThrow('not well-formed')
  })

  it('joins conditions so that none weakens another', () => {
    expect(found("name = 'a'", undefined, "mimeType = 'b'")).toBe("name = 'a' and mimeType = 'b' and trashed = false")
    expect(found(inside(['a', "b'"]))).toBe("('a' in parents or 'b\\'' in parents) and trashed = false")
  })
})

describe('pages', () => {
  it.each([
    ['search_files', { query: 'Invoice' }],
    ['list_files', { folder_id: 'f-invoices' }],
    ['list_files', { folder_id: 'f-invoices', recursive: true }],
  ])('[connectors.pages] %s %j walks three pages to the end', async (name, input) => {
    const seen: string[] = []
    let page_token: unknown
    for (let n = 1; n <= 3; n++) {
      const page = await call(name, { ...input, page_size: 30, ...(page_token === undefined ? {} : { page_token }) })
      seen.push(...names(page))
      page_token = page.next_page_token
      expect(page_token === null).toBe(n === 3)
    }
    expect(new Set(seen).size).toBe(65)
  })

  it('a page token of another search is refused by Google, one that is none by us', async () => {
    const { next_page_token } = await call('search_files', { query: 'Invoice', page_size: 30 })
    await expect(call('search_files', { query: 'notes', page_token: next_page_token })).rejects.toMatchObject({ code: 'UPSTREAM_INVALID' })
    await expect(call('list_files', { recursive: true, page_token: 'bm9uZQ' })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: 'page_token is not one of a recursive list_files.',
    })
  })
})

describe('listing folders', () => {
  it('lists My Drive when no folder is named', async () => {
    expect(names(await call('list_files', {}))).toContain('Reports')
    expect(sent().asked.q).toBe("('root' in parents) and trashed = false")
  })

  it('goes down level by level', async () => {
    const answer = await call('list_files', { folder_id: 'f-reports', recursive: true })
    expect(names(answer)).toEqual(['2026', 'notes.txt', 'zero.bin', 'May', 'rates.json', 'deep.txt'])
    expect(answer.next_page_token).toBeNull()
    expect(stub.requests.map((it) => it.query.get('q'))).toEqual(
      ['f-reports', 'f-2026', 'f-may'].map((it) => `('${it}' in parents) and trashed = false`),
    )
  })

  it('goes no deeper than it is told', async () => {
    expect(names(await call('list_files', { folder_id: 'f-reports', recursive: true, max_depth: 2 }))).not.toContain('deep.txt')
    expect(stub.requests).toHaveLength(2)
  })

  it('goes on where it stopped, level included', async () => {
    const seen: string[] = []
    let page_token: unknown
    do {
      const page = await call('list_files', {
        folder_id: 'f-reports',
        recursive: true,
        page_size: 1,
        ...(page_token ? { page_token } : {}),
      })
      seen.push(...names(page))
      page_token = page.next_page_token
    } while (page_token !== null)
    expect(seen).toEqual(['2026', 'notes.txt', 'zero.bin', 'May', 'rates.json', 'deep.txt'])
  })
})

describe('reading', () => {
  it.each([
    ['notes', { mime_type: 'text/plain', encoding: 'utf-8', content: 'Grüße\n', size: 8 }],
    // Byte for byte, although it is JSON: spaces and 1.50 stay.
    ['json', { mime_type: 'application/json', encoding: 'utf-8', content: '{ "rate":  1.50 }\n' }],
    ['zero', { mime_type: 'application/octet-stream', encoding: 'base64', content: 'YQBi' }],
    ['shared', { content: 'team' }],
    ['doc', { name: 'Letter', mime_type: 'text/markdown', encoding: 'utf-8', content: 'Dear Ada' }],
  ])('reads %s', async (file_id, wanted) => {
    expect(await call('read_file', { file_id })).toMatchObject({ id: file_id, ...wanted })
  })

  it("downloads what is stored and exports what is Google's own", async () => {
    await call('read_file', { file_id: 'notes' })
    expect(sent(0).asked).toEqual({ fields: 'id,name,mimeType,size', supportsAllDrives: 'true' })
    expect(sent(1).line).toBe('GET /drive/v3/files/notes')
    expect(sent(1).asked).toEqual({ alt: 'media', supportsAllDrives: 'true' })
    expect(sent(1).headers.accept).toBe('*/*')
    stub.reset()
    expect(await call('read_file', { file_id: 'doc', export_mime_type: 'text/html' })).toMatchObject({
      content: expect.stringMatching(/^<html>/),
    })
    expect(sent(1).line).toBe('GET /drive/v3/files/doc/export')
    expect(sent(1).asked).toEqual({ mimeType: 'text/html' })
  })

  it('bytes that are no text are base64', async () => {
    const bytes = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe])
    const ctx = as(tokens.valid)
    const fetch: typeof ctx.fetch = async (url, init) => {
      const answer = await ctx.fetch(url, init)
      return url.includes('alt=media') ? new Response(bytes, { headers: { 'content-type': 'image/png' } }) : answer
    }
    expect(await call('read_file', { file_id: 'notes' }, { ...ctx, fetch })).toMatchObject({
      encoding: 'base64',
      content: bytes.toString('base64'),
      size: 6,
    })
  })

  it.each([
    ['', 'utf-8', ''],
    ['\ufeffa', 'utf-8', '\ufeffa'],
    ['a\u0000', 'base64', 'YQA='],
  ])('%j is %s', (text, encoding, content) => {
    expect(written(Buffer.from(text))).toEqual({ encoding, content })
  })

  it('what is too large is not even asked for', async () => {
    await expect(call('read_file', { file_id: 'big' })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message: 'The content has 900000000 bytes; at most 3000000 are read.',
      details: { size: 900_000_000, max_bytes: 3_000_000 },
    })
    expect(stub.requests).toHaveLength(1)
    await expect(call('read_file', { file_id: 'notes', max_bytes: 7 })).rejects.toMatchObject({ hint: 'Raise max_bytes, up to 3000000.' })
    await expect(call('read_file', { file_id: 'doc', max_bytes: 7 })).rejects.toMatchObject({ details: { size: 8, max_bytes: 7 } })
    expect(await call('read_file', { file_id: 'notes', max_bytes: 8 })).toMatchObject({ size: 8 })
  })

  it.each([
    ['f-reports', {}, /has no content/, /list_files/],
    ['link', {}, /has no content/, /shortcutDetails/],
    ['notes', { export_mime_type: 'application/pdf' }, /Only Google's own documents/, /Leave export_mime_type out/],
  ])('%s %j is refused before it is asked for', async (file_id, more, message, hint) => {
    await expect(call('read_file', { file_id, ...more })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    })
    expect(stub.requests).toHaveLength(1)
  })

  it.each([
    ['long-doc', {}, 'Google exports documents of up to 10 MB, and this one is larger (403).'],
    ['doc', { export_mime_type: 'image/webp' }, 'Google did not accept the request (400): The requested conversion is not supported.'],
    ['link', { export_mime_type: 'application/pdf' }, 'Google does not export files of this type (403).'],
  ])("Google's refusal to export %s %j is no lack of rights", async (file_id, more, message) => {
    await expect(call('read_file', { file_id, ...more })).rejects.toMatchObject({
      code: 'UPSTREAM_INVALID',
      message,
    })
  })

  it('a download that breaks off is made again', async () => {
    const ctx = as(tokens.valid)
    let n = 0
    const fetch: typeof ctx.fetch = (url, init) => {
      if (url.includes('alt=media') && n++ === 0) stub.next({ kind: 'cut-body' })
      return ctx.fetch(url, init)
    }
    expect(await call('read_file', { file_id: 'notes' }, { ...ctx, fetch })).toMatchObject({ content: 'Grüße\n' })
    expect(n).toBe(2)
  })
})

describe('uploading', () => {
  it('sends what is said of the file first, then the file', async () => {
    const answer = await call('create_text_file', { file_name: 'hello.txt', content: 'Grüße\r\n--x\n', parent_folder: 'f-reports' })
    expect(answer).toMatchObject({ id: 'new-1', name: 'hello.txt', mimeType: 'text/plain', parents: ['f-reports'], size: '13' })
    expect(sent().line).toBe('POST /upload/drive/v3/files')
    expect(sent().asked).toMatchObject({ uploadType: 'multipart', supportsAllDrives: 'true' })
    expect(JSON.parse(sent().body)).toEqual({ name: 'hello.txt', mimeType: 'text/plain', parents: ['f-reports'] })
    expect(mediaOf(stub.requests[0])).toEqual({ type: 'text/plain; charset=UTF-8', content: 'Grüße\r\n--x\n' })
  })

  it.each([
    ['text/csv', 'text/csv', 'text/csv; charset=UTF-8'],
    ['text/plain; charset=utf-8', 'text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
    [DOC, DOC, 'text/plain; charset=UTF-8'],
    ['application/vnd.google-apps.spreadsheet', 'application/vnd.google-apps.spreadsheet', 'text/csv; charset=UTF-8'],
  ])('a text file of type %s', async (mime_type, mimeType, type) => {
    await call('create_text_file', { file_name: 'a', content: 'a,b\n', mime_type })
    expect(JSON.parse(sent().body)).toEqual({ name: 'a', mimeType })
    expect(mediaOf(stub.requests[0])).toEqual({ type, content: 'a,b\n' })
  })

  it('decodes base64, and leaves the type to Drive when none is given', async () => {
    await call('upload_file', { file_name: 'hello.bin', file_base64: 'SGVsbG8K' })
    expect(JSON.parse(sent().body)).toEqual({ name: 'hello.bin' })
    expect(mediaOf(stub.requests[0])).toEqual({ type: 'application/octet-stream', content: 'Hello\n' })
  })

  it('sends bytes as they are', async () => {
    const bytes = Buffer.from([0x89, 0x50, 0xff, 0x00, 0x0d, 0x0a])
    const ctx = as(tokens.valid)
    const bodies: unknown[] = []
    const fetch: typeof ctx.fetch = (url, init) => {
      bodies.push(init?.body)
      return ctx.fetch(url, init)
    }
    await call('upload_file', { file_name: 'a.png', file_base64: bytes.toString('base64'), mime_type: 'image/png' }, { ...ctx, fetch })
    expect((bodies[0] as Buffer).includes(Buffer.concat([Buffer.from('image/png\r\n\r\n'), bytes, Buffer.from('\r\n--')]))).toBe(true)
  })

  it.each(['SGVsbG8', 'SGVs bG8K', 'data:text/plain;base64,SGVsbG8K', 'SGVsbG8_', '####'])('%s is not base64', async (file_base64) => {
    await expect(call('upload_file', { file_name: 'a', file_base64 })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: 'file_base64 is not base64.',
    })
    expect(stub.requests).toEqual([])
  })

  it('draws a boundary until none of the parts has it', () => {
    const drawn = ['in-the-name', 'in-the-text', 'free']
    const { type, body } = multipart(
      { name: 'in-the-name' },
      'text/plain',
      Buffer.from('a\r\n--in-the-text--\r\n'),
      () => drawn.shift() ?? '',
    )
    expect(type).toBe('multipart/related; boundary=free')
    expect(body.toString()).toBe(
      [
        ...['--free', 'content-type: application/json; charset=UTF-8', '', '{"name":"in-the-name"}'],
        ...['--free', 'content-type: text/plain', '', 'a\r\n--in-the-text--\r\n', '--free--', ''],
      ].join('\r\n'),
    )
  })

  it('takes 5 MB and not a byte more', async () => {
    expect(multipart({}, 'text/plain', Buffer.alloc(LARGEST_UPLOAD)).body.length).toBeGreaterThan(LARGEST_UPLOAD)
    await expect(call('create_text_file', { file_name: 'a', content: 'x'.repeat(LARGEST_UPLOAD + 1) })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: 'The content has 5242881 bytes; uploads of this connector may have 5242880.',
    })
    expect(stub.requests).toEqual([])
  })

  it.each(['text/plain\r\nx-evil: 1', 'x-evil: 1\r\ntext/plain', 'text', 'text/plain; a="b"', 'text/ plain', ''])(
    '%j is no MIME type',
    (type) => {
      expect(MimeType.safeParse(type).success).toBe(false)
      expect(toolOf('upload_file').input.safeParse({ file_name: 'a', file_base64: 'YQ==', mime_type: type }).success).toBe(false)
    },
  )

  it('reads every base64 that Node writes', () => {
    for (let n = 1; n < 9; n++) expect(bytesOf(Buffer.alloc(n, 7).toString('base64'))).toEqual(Buffer.alloc(n, 7))
  })

  it('stores a document as PDF, under its own name unless told otherwise', async () => {
    expect(await call('save_file_as_pdf', { file_id: 'doc' })).toMatchObject({ name: 'Letter.pdf', mimeType: 'application/pdf' })
    expect(stub.requests.map((it) => `${it.method} ${it.path}`)).toEqual([
      'GET /drive/v3/files/doc',
      'GET /drive/v3/files/doc/export',
      'POST /upload/drive/v3/files',
    ])
    expect(sent(1).asked).toEqual({ mimeType: 'application/pdf' })
    expect(mediaOf(stub.requests[2])).toEqual({ type: 'application/pdf', content: '%PDF-1.4\u0000Dear Ada' })
    await call('save_file_as_pdf', { file_id: 'doc', file_name: 'ada.pdf', parent_folder: 'f-2026' })
    expect(JSON.parse(sent(-1).body)).toEqual({ name: 'ada.pdf', mimeType: 'application/pdf', parents: ['f-2026'] })
  })

  it.each(['notes', 'f-reports'])('%s cannot be had as PDF', async (file_id) => {
    await expect(call('save_file_as_pdf', { file_id })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(stub.requests).toHaveLength(1)
  })
})

describe('changing', () => {
  it.each([
    ['create_folder', { name: 'A' }, { name: 'A', mimeType: FOLDER }],
    ['create_folder', { name: 'A', parent_folder: 'f-2026' }, { name: 'A', mimeType: FOLDER, parents: ['f-2026'] }],
    ['duplicate_file', { file_id: 'notes' }, {}],
    ['duplicate_file', { file_id: 'notes', name: 'n', parent_folder: 'f-2026' }, { name: 'n', parents: ['f-2026'] }],
    ['trash_file', { file_id: 'notes' }, { trashed: true }],
  ])('%s %j sends %j', async (name, input, body) => {
    expect(await call(name, input)).toMatchObject(body)
    expect(JSON.parse(sent().body)).toEqual(body)
    expect(sent().asked).toMatchObject({ supportsAllDrives: 'true', fields: expect.stringMatching(/^id,name,mimeType,parents,/) })
  })

  it('moves a file out of where it lies', async () => {
    expect(await call('move_file', { file_id: 'notes', folder_id: 'f-2026' })).toMatchObject({ parents: ['f-2026'] })
    expect(sent(0).asked).toEqual({ fields: 'parents', supportsAllDrives: 'true' })
    expect(sent(1).line).toBe('PATCH /drive/v3/files/notes')
    expect(sent(1).asked).toMatchObject({ addParents: 'f-2026', removeParents: 'f-reports' })
    // Once more: it is there already.
    expect(await call('move_file', { file_id: 'notes', folder_id: 'f-2026' })).toMatchObject({ parents: ['f-2026'] })
    expect(sent(-1).query.has('addParents') || sent(-1).query.has('removeParents')).toBe(false)
  })

  it('deletes, and says so', async () => {
    expect(await call('delete_file', { file_id: 'notes' })).toEqual({ file_id: 'notes', deleted: true })
    expect(sent().line).toBe('DELETE /drive/v3/files/notes')
    await expect(call('delete_file', { file_id: 'notes' })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
  })

  it.each(['get_file_by_id', 'move_file', 'trash_file', 'delete_file'])(
    '%s finds files in shared drives unless told not to',
    async (name) => {
      const input = { file_id: 'shared', ...(name === 'move_file' ? { folder_id: 'f-2026' } : {}) }
      await expect(call(name, { ...input, include_team_drives: false })).rejects.toMatchObject({ code: 'UPSTREAM_NOT_FOUND' })
      await call(name, input)
    },
  )

  it('an id cannot lead to another path', async () => {
    await call('get_file_by_id', { file_id: 'a/../../about?x' }).catch(() => undefined)
    expect(stub.requests[0]?.path).toBe('/drive/v3/files/a%2F..%2F..%2Fabout%3Fx')
    await expect(call('get_file_by_id', { file_id: '..' })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})

describe('sharing', () => {
  it.each([
    [{ role: 'reader' }, {}],
    [{ role: 'writer', send_notification: false }, { sendNotificationEmail: 'false' }],
    [{ role: 'owner' }, { transferOwnership: 'true' }],
    [
      { role: 'owner', send_notification: true },
      { transferOwnership: 'true', sendNotificationEmail: 'true' },
    ],
  ])('with a person: %j', async (how, asked) => {
    const answer = await call('add_permission', { file_id: 'notes', email: 'bob@example.com', ...how })
    expect(answer).toEqual({ id: '0188', type: 'user', role: how.role, emailAddress: 'bob@example.com', displayName: 'Bob' })
    expect(sent().line).toBe('POST /drive/v3/files/notes/permissions')
    expect(JSON.parse(sent().body)).toEqual({ type: 'user', role: how.role, emailAddress: 'bob@example.com' })
    expect(sent().asked).toEqual({ supportsAllDrives: 'true', fields: 'id,type,role,emailAddress,displayName', ...asked })
  })

  it('with everybody who has the link, and back', async () => {
    expect(await call('set_public_access', { file_id: 'notes' })).toEqual({ id: 'anyoneWithLink', type: 'anyone', role: 'reader' })
    expect(JSON.parse(sent().body)).toEqual({ type: 'anyone', role: 'reader' })
    expect(await call('delete_permission', { file_id: 'notes', permission_id: 'anyoneWithLink' })).toMatchObject({ deleted: true })
    expect(sent(1).line).toBe('DELETE /drive/v3/files/notes/permissions/anyoneWithLink')
  })

  it('a new owner is always told', () => {
    const input = { file_id: 'a', email: 'bob@example.com', role: 'owner', send_notification: false }
    expect(toolOf('add_permission').input.safeParse(input).error?.issues[0]?.message).toMatch(/leave send_notification out/)
  })
})

describe('what a refusal means', () => {
  it.each([
    ['get_file_by_id', { file_id: 'gone' }, 'UPSTREAM_NOT_FOUND', 'File not found: gone.'],
    ['trash_file', { file_id: 'foreign' }, 'UPSTREAM_INVALID', 'The user does not have sufficient permissions for file foreign.'],
    ['delete_permission', { file_id: 'notes', permission_id: '9' }, 'UPSTREAM_NOT_FOUND', 'Permission not found: 9.'],
    ['duplicate_file', { file_id: 'f-2026' }, 'UPSTREAM_INVALID', 'This file cannot be copied by the user.'],
    ['create_folder', { name: 'a', parent_folder: 'gone' }, 'UPSTREAM_NOT_FOUND', 'File not found: gone.'],
  ])('%s %j is %s', async (name, input, code, message) => {
    await expect(call(name, input)).rejects.toMatchObject({ code, message: expect.stringContaining(message) })
  })

  it.each<[string, Reply, string]>([
    ['a file that the app was not given', driveReplies.notGranted(), 'UPSTREAM_INVALID'],
    ['too much sharing', driveReplies.sharingLimit(), 'UPSTREAM_RATE_LIMITED'],
    ['a rate limit', replies.limited('userRateLimitExceeded'), 'UPSTREAM_RATE_LIMITED'],
    ['an API that is switched off', replies.apiDisabled(), 'UPSTREAM_INVALID'],
    ['the rules of an organization', replies.domainPolicy(), 'UPSTREAM_INVALID'],
  ])('a 403 for %s', async (_, reply, code) => {
    stub.next({ kind: 'reply', reply })
    const fault = await call('create_folder', { name: 'a' }).catch((error: unknown) => error)
    expect(fault).toMatchObject({ code, details: { status: 403 }, maybeDone: false })
    if (code === 'UPSTREAM_RATE_LIMITED') expect((fault as { retryAfter: number }).retryAfter).toBeGreaterThan(0)
  })

  it('a missing scope is told as such, with those that would do', async () => {
    await expect(call('create_folder', { name: 'a' }, as(lone.metadata))).rejects.toMatchObject({
      code: 'SCOPE_MISSING',
      details: { accepted_scopes: expect.arrayContaining(['https://www.googleapis.com/auth/drive.file']) },
    })
  })
})

describe('repeats', () => {
  const changes = Object.entries(googleDrive.tools).filter(([, tool]) => tool.effect !== 'read')
  it.each(changes)('[connectors.no-double-write] %s is made again only where that does no harm', async (name, tool) => {
    const ctx = as(tokens.valid)
    const writes: string[] = []
    const fetch: typeof ctx.fetch = (url, init) => {
      if (init?.method !== 'GET' && writes.push(url) === 1) stub.next({ kind: 'reply', reply: { status: 503 } })
      return ctx.fetch(url, init)
    }
    const work = call(name, tool.example as object, { ...ctx, fetch })
    if (tool.repeatable) await work
    else await expect(work).rejects.toMatchObject({ code: 'UPSTREAM_ERROR', details: { status: 503 } })
    expect(writes).toHaveLength(tool.repeatable ? 2 : 1)
  })
})

describe('scopes', () => {
  const auth = (name: string) => `https://www.googleapis.com/auth/${name}`
  const granted = { [lone.file]: 'drive.file', [lone.metadata]: 'drive.metadata.readonly', [lone.readonly]: 'drive.readonly' }

  it.each(Object.keys(googleDrive.tools))('%s asks for no more and no less than Google does', async (name) => {
    const tool = toolOf(name)
    for (const [token, scope] of Object.entries(granted)) {
      stub.reset()
      const enough = missingScopes(tool, [auth(scope)]).length === 0
      const work = call(name, tool.example as object, as(token))
      if (enough) await work
      else
        await expect(work, scope).rejects.toMatchObject({
          code: expect.stringMatching(/SCOPE_MISSING|UPSTREAM_INVALID/),
          details: { status: 403 },
        })
    }
    expect(missingScopes(tool, [auth('drive')])).toEqual([])
  })

  it('names the least one when all are missing', () => {
    expect(missingScopes(toolOf('search_files'), [])).toEqual([auth('drive.metadata.readonly')])
    expect(missingScopes(toolOf('read_file'), [])).toEqual([auth('drive.readonly')])
    expect(missingScopes(toolOf('create_folder'), [])).toEqual([auth('drive.file')])
  })
})

describe('input', () => {
  it.each(Object.keys(googleDrive.tools))('%s refuses what it does not know', (name) => {
    const { input, example } = toolOf(name)
    expect(input.safeParse({ ...(example as object), surprise: 1 }).error?.issues[0]).toMatchObject({
      code: 'unrecognized_keys',
      keys: ['surprise'],
    })
  })

  it.each([
    ['search_files', { query: '' }],
    ['search_files', { query: 'a', page_size: 1001 }],
    ['list_files', { max_depth: 0 }],
    ['read_file', { file_id: 'a', max_bytes: 3_000_001 }],
    ['add_permission', { file_id: 'a', email: 'bob', role: 'reader' }],
    ['add_permission', { file_id: 'a', email: 'bob@example.com', role: 'admin' }],
    ['set_public_access', { file_id: 'a', role: 'owner' }],
  ])('%s refuses %j', (name, input) => {
    expect(toolOf(name).input.safeParse(input).success).toBe(false)
  })
})
