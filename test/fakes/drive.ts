/**
 * Google Drive's contract (v3) as a stub that enforces it. Written from the vendor's own texts, apart from the connector:
 * - [client] @googleapis/drive 26.0.1, Google's generated client: paths, parameters, fields that can be written, scopes of each method
 * - [errors] developers.google.com "Resolve errors" of the Drive API: bodies of 400, 403, 404, 429
 * - [search] "Search for files and folders": the language of q, `contains` on names by the beginning of words, escapes
 * - [uploads] "Upload file data": multipart/related, the metadata first
 * - [seen] bodies that client programs quote: fileNotDownloadable, exportSizeLimitExceeded, fileNotExportable, transferOwnership, parents
 * Not known, so chosen: the sentence for a wrong page token or page size, and the order of Google's checks.
 */
import { type Found, select } from './drive-search.ts'
import { error, google, tokens } from './google.ts'
import type { Asked, Credential, Recorded, Reply, Route, Stub } from './stub.ts'

const at = (name: string) => `https://www.googleapis.com/auth/${name}`
const words = (text: string) => text.split(' ').filter((it) => it !== '')

/** [client] What each method accepts, as Google's client prints it. */
const WRITE = words('drive drive.appdata drive.file').map(at)
const CHANGE = words('drive drive.appdata drive.file drive.metadata drive.scripts').map(at)
const COPY = words('drive drive.appdata drive.file drive.photos.readonly').map(at)
const SHARE = words('drive drive.file').map(at)
const EXPORT = words('drive drive.file drive.meet.readonly drive.readonly').map(at)
const READ = words(
  'drive drive.appdata drive.file drive.meet.readonly drive.metadata drive.metadata.readonly drive.photos.readonly drive.readonly',
).map(at)

const ABOUT = READ.filter((it) => !it.endsWith('meet.readonly'))

/** Tokens with one scope each, besides those of all of Google's stubs. */
export const lone = {
  file: `ya29.${'File000000'.repeat(6)}`,
  metadata: `ya29.${'FileFacts0'.repeat(6)}`,
  readonly: `ya29.${'ReadFiles0'.repeat(6)}`,
  spreadsheets: `ya29.${'Rows000000'.repeat(6)}`,
}
const live = (...names: string[]): Credential => ({ state: 'valid', kind: 'access token', scopes: ['openid', ...names.map(at)] })
export const credentials: Readonly<Record<string, Credential>> = {
  [tokens.valid]: live('drive', 'spreadsheets', 'drive.metadata.readonly'),
  [tokens.narrow]: live(),
  [tokens.expired]: { ...live('drive', 'spreadsheets'), state: 'expired' },
  [tokens.revoked]: { ...live('drive', 'spreadsheets'), state: 'revoked' },
  [lone.file]: live('drive.file'),
  [lone.metadata]: live('drive.metadata.readonly'),
  [lone.readonly]: live('drive.readonly'),
  [lone.spreadsheets]: live('spreadsheets'),
}

const FOLDER = 'application/vnd.google-apps.folder'
const DOC = 'application/vnd.google-apps.document'
const SHEET = 'application/vnd.google-apps.spreadsheet'
/** [client] "the exported content is limited to 10 MB". */
const MOST_EXPORTED = 10 * 1024 * 1024

interface Kept extends Found {
  content: string
}
const kept = (id: string, name: string, mimeType: string, parent: string, more: Partial<Kept> = {}): Kept => ({
  kind: 'drive#file',
  id,
  name,
  mimeType,
  parents: [parent],
  trashed: false,
  createdTime: '2026-01-05T10:00:00.000Z',
  modifiedTime: '2026-02-06T11:00:00.000Z',
  webViewLink: `https://drive.google.com/file/d/${id}/view`,
  owners: [{ kind: 'drive#user', displayName: 'Ada', emailAddress: 'ada@example.com', me: true, permissionId: '0177' }],
  content: '',
  ...more,
  ...(mimeType.startsWith('application/vnd.google-apps') ? {} : { size: more.size ?? String(Buffer.byteLength(more.content ?? '')) }),
})

/** What lies in the drive at the beginning of each test. */
const seed = (): Kept[] => [
  kept('root-id', 'My Drive', FOLDER, ''),
  kept('f-reports', 'Reports', FOLDER, 'root-id'),
  kept('f-2026', '2026', FOLDER, 'f-reports'),
  kept('f-may', 'May', FOLDER, 'f-2026'),
  kept('notes', 'notes.txt', 'text/plain', 'f-reports', { content: 'Grüße\n' }),
  kept('json', 'rates.json', 'application/json', 'f-2026', { content: '{ "rate":  1.50 }\n' }),
  kept('deep', 'deep.txt', 'text/plain', 'f-may', { content: 'deep' }),
  kept('zero', 'zero.bin', 'application/octet-stream', 'f-reports', { content: 'a\u0000b' }),
  kept('quinn', "quinn's paper\\essay", 'text/plain', 'root-id', { content: 'essay' }),
  kept('doc', 'Letter', DOC, 'root-id', { content: 'Dear Ada' }),
  kept('long-doc', 'Long letter', DOC, 'root-id', { content: 'x'.repeat(MOST_EXPORTED + 1) }),
  kept('sheet-1', 'Budget', SHEET, 'root-id'),
  kept('link', 'Shortcut', 'application/vnd.google-apps.shortcut', 'root-id', {
    shortcutDetails: { targetId: 'notes', targetMimeType: 'text/plain' },
  }),
  kept('big', 'film.mp4', 'video/mp4', 'root-id', { size: '900000000' }),
  kept('foreign', 'theirs.txt', 'text/plain', 'their-root', { content: 'theirs' }),
  kept('shared', 'team.txt', 'text/plain', '0ADrive', { content: 'team', driveId: '0ADrive' }),
  kept('old', 'old.txt', 'text/plain', 'root-id', { trashed: true, content: 'old' }),
  ...Array.from({ length: 65 }, (_, i) => kept(`many-${i + 1}`, `Invoice ${i + 1}.pdf`, 'application/pdf', 'f-invoices')),
  ...Array.from({ length: 65 }, (_, i) => kept(`grid-${i + 1}`, `Plan ${i + 1}`, SHEET, 'f-plans')),
]

let files = seed()
let count = 0
export const forget = () => {
  files = seed()
  count = 0
}

const legacy = (status: number, reason: string, message: string, where?: string) =>
  error(status, message, { reason, ...(where === undefined ? {} : { location: where, locationType: 'parameter' }) })
const noFile = (id: string) => legacy(404, 'notFound', `File not found: ${id}.`, 'fileId')
const invalid = (where: string) => legacy(400, 'invalid', 'Invalid Value', where)
const noRights = (id: string) => legacy(403, 'insufficientFilePermissions', `The user does not have sufficient permissions for file ${id}.`)
export const replies = {
  notGranted: () => legacy(403, 'appNotAuthorizedToFile', 'The user has not granted the app 407408718192 write access to the file notes.'),
  sharingLimit: () => legacy(403, 'sharingRateLimitExceeded', 'Rate limit exceeded. User message: "Sorry, you have shared too much."'),
}

/** [client] Standard parameters that every method takes. */
const STANDARD = 'alt fields prettyPrint quotaUser'
/** [client] What can be written of a file. */
const FILE =
  'appProperties createdTime description folderColorRgb id mimeType modifiedTime name originalFilename parents properties starred trashed writersCanShare'
const route = (call: string, scopes: readonly string[], query: string, body: string, answer: Route['answer']): Route => ({
  call,
  scopes,
  query: words(`${STANDARD} ${query}`),
  body: words(body),
  answer: (asked) => {
    const reply = answer(asked)
    return reply.status < 300 && typeof reply.body === 'object' ? { ...reply, body: partial(reply.body as object, asked) } : reply
  },
})

/** What a method answers with when no `fields` are named ("Return specific fields"). */
const USUAL: Record<string, string> = {
  'drive#file': 'kind,id,name,mimeType',
  'drive#fileList': 'kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)',
  'drive#permission': 'kind,id,type,role',
}
const partial = (body: object, { req }: Asked): object =>
  pick(req.query.get('fields') ?? USUAL[(body as { kind: string }).kind] ?? '*', body)

/** Google's partial responses: `id,owners(emailAddress)` and `sheets.properties`. */
export function pick<T>(fields: string, value: T): T {
  if (Array.isArray(value)) return value.map((it) => pick(fields, it)) as T
  if (fields === '*' || typeof value !== 'object' || value === null) return value
  const out: Record<string, unknown> = {}
  // Commas inside of parentheses belong to the inner list.
  for (const [, name = '', inner] of fields.matchAll(/([^,()]+)(?:\(((?:[^()]|\([^()]*\))*)\))?,?/g)) {
    const [first = '', ...rest] = name.trim().split(/[./]/)
    const deeper = [rest.join('.'), inner].filter(Boolean)
    const had = (value as Record<string, unknown>)[first]
    if (had === undefined) continue
    const kept = pick(deeper.length === 2 ? `${deeper[0]}(${deeper[1]})` : (deeper[0] ?? '*'), had)
    out[first] = typeof out[first] === 'object' && !Array.isArray(kept) ? { ...(out[first] as object), ...(kept as object) } : kept
  }
  return out as T
}

/** A file that the request may see. Without supportsAllDrives what lies in a shared drive is not there. */
function onFile(work: (file: Kept, asked: Asked) => Reply, writes = false): Route['answer'] {
  return (asked) => {
    const id = String(asked.at.id) === 'root' ? 'root-id' : String(asked.at.id)
    const file = files.find((it) => it.id === id)
    if (file === undefined || (file.driveId !== undefined && asked.req.query.get('supportsAllDrives') !== 'true')) return noFile(id)
    return writes && file.parents.includes('their-root') ? noRights(id) : work(file, asked)
  }
}
const shown = ({ content: _, ...file }: Kept): Reply => ({ status: 200, body: file })

export const listFiles = route(
  'GET /drive/v3/files',
  READ,
  'corpora driveId includeItemsFromAllDrives includeLabels includePermissionsForView orderBy pageSize pageToken q spaces supportsAllDrives',
  '',
  ({ req: { query } }) => {
    const all = query.get('includeItemsFromAllDrives') === 'true'
    if (all && query.get('supportsAllDrives') !== 'true') return invalid('includeItemsFromAllDrives')
    if (query.get('corpora') === 'allDrives' && !all) return invalid('corpora')
    const size = Number(query.get('pageSize') ?? 100)
    if (!Number.isInteger(size) || size < 1) return invalid('pageSize')
    const q = query.get('q') ?? ''
    const token = query.get('pageToken')
    const [from, of] = token === null ? [0, q] : tokenOf(token)
    // The token belongs to the search that it came from.
    if (!Number.isInteger(from) || of !== q) return invalid('pageToken')
    const found = select(
      q,
      files.filter((it) => it.id !== 'root-id' && (all || it.driveId === undefined)),
    )
    if (found === null) return invalid('q')
    const to = from + Math.min(size, 1000)
    const page = found.slice(from, to).map(({ content: _, ...it }: Partial<Kept>) => it)
    const more = to < found.length ? { nextPageToken: `~!!~${Buffer.from(JSON.stringify([to, q])).toString('base64')}` } : {}
    return { status: 200, body: { kind: 'drive#fileList', incompleteSearch: false, files: page, ...more } }
  },
)
function tokenOf(token: string): [number, string] {
  try {
    return JSON.parse(Buffer.from(token.replace(/^~!!~/, ''), 'base64').toString())
  } catch {
    return [Number.NaN, '']
  }
}

export const createFile = route('POST /drive/v3/files', WRITE, 'ignoreDefaultVisibility supportsAllDrives', FILE, ({ body, req }) => {
  const { name = 'Untitled', mimeType = 'application/octet-stream', parents = ['root-id'] } = body as Partial<Kept>
  const parent = files.find((it) => it.id === parents[0] || (parents[0] === 'root' && it.id === 'root-id'))
  if (parent === undefined) return noFile(String(parents[0]))
  if (parents.length > 1) return legacy(400, 'invalid', 'A file can only have one parent.', 'parents')
  count += 1
  const file = kept(`new-${count}`, name, mimeType, parent.id, { content: mediaOf(req)?.content ?? '' })
  files.push(file)
  return shown(file)
})

export const about = route('GET /drive/v3/about', ABOUT, '', '', ({ req }) =>
  req.query.has('fields')
    ? {
        status: 200,
        body: {
          kind: 'drive#about',
          user: { kind: 'drive#user', displayName: 'Ada', emailAddress: 'ada@example.com', me: true, permissionId: '0177' },
        },
      }
    : legacy(400, 'required', "The 'fields' parameter is required for this method.", 'fields'),
)

const get = route(
  'GET /drive/v3/files/{id}',
  READ,
  'acknowledgeAbuse includeLabels includePermissionsForView supportsAllDrives',
  '',
  onFile((file, { req, credential }) => {
    if (req.query.get('alt') !== 'media') return shown(file)
    if (!credential.scopes?.some((it) => EXPORT.includes(it))) return noRights(file.id)
    return file.size === undefined
      ? legacy(403, 'fileNotDownloadable', 'Only files with binary content can be downloaded. Use Export with Docs Editors files.', 'alt')
      : { status: 200, headers: { 'content-type': file.mimeType }, body: file.content }
  }),
)

/** [seen] Formats that a document can be had in; the text stands for all of them. */
const FORMATS = words('text/plain text/html text/markdown text/csv application/pdf')
const exported = route(
  'GET /drive/v3/files/{id}/export',
  EXPORT,
  'mimeType',
  '',
  // export knows no supportsAllDrives.
  (asked) => {
    const file = files.find((it) => it.id === asked.at.id)
    if (file === undefined) return noFile(String(asked.at.id))
    const type = asked.req.query.get('mimeType')
    if (type === null) return legacy(400, 'required', 'Required parameter: mimeType', 'mimeType')
    if (file.mimeType !== DOC && file.mimeType !== SHEET)
      return legacy(403, 'fileNotExportable', 'Export only supports Docs Editors files.')
    if (!FORMATS.includes(type)) return legacy(400, 'badRequest', 'The requested conversion is not supported.', 'convertTo')
    if (file.content.length > MOST_EXPORTED) return legacy(403, 'exportSizeLimitExceeded', 'This file is too large to be exported.')
    const text = type === 'text/html' ? `<html><body>${file.content}</body></html>` : file.content
    return { status: 200, headers: { 'content-type': type }, body: type === 'application/pdf' ? `%PDF-1.4\u0000${text}` : text }
  },
)

const UPDATE = 'addParents includeLabels includePermissionsForView keepRevisionForever removeParents supportsAllDrives'
const update = route(
  'PATCH /drive/v3/files/{id}',
  CHANGE,
  UPDATE,
  FILE,
  onFile((file, { req, body }) => {
    if ('parents' in body)
      return legacy(
        403,
        'fieldNotWritable',
        'The parents field is not directly writable in update requests. Use the addParents and removeParents parameters instead.',
      )
    const add = req.query.get('addParents')?.split(',') ?? []
    const unknown = add.find((id) => !files.some((it) => it.id === id && it.mimeType === FOLDER))
    if (unknown !== undefined) return noFile(unknown)
    const drop = req.query.get('removeParents')?.split(',') ?? []
    const parents = [...file.parents.filter((it) => !drop.includes(it)), ...add]
    if (parents.length > 1) return legacy(403, 'cannotAddParent', 'Increasing the number of parents is not allowed')
    Object.assign(file, body, { parents })
    return shown(file)
  }, true),
)

const remove = route(
  'DELETE /drive/v3/files/{id}',
  WRITE,
  'supportsAllDrives',
  '',
  onFile((file) => {
    files = files.filter((it) => it !== file)
    return { status: 204 }
  }, true),
)

const copy = route(
  'POST /drive/v3/files/{id}/copy',
  COPY,
  'copyComments ignoreDefaultVisibility includeLabels supportsAllDrives',
  FILE,
  onFile((file, { body }) => {
    if (file.mimeType === FOLDER) return legacy(403, 'cannotCopyFile', 'This file cannot be copied by the user.')
    count += 1
    const twin = { ...file, id: `new-${count}`, name: `Copy of ${file.name}`, ...body }
    files.push(twin)
    return shown(twin)
  }),
)

const ROLES = words('owner organizer fileOrganizer writer commenter reader')
const share = route(
  'POST /drive/v3/files/{id}/permissions',
  SHARE,
  'emailMessage moveToNewOwnersRoot sendNotificationEmail supportsAllDrives transferOwnership useDomainAdminAccess',
  'allowFileDiscovery domain emailAddress expirationTime role type view',
  onFile((_, { body, req: { query } }) => {
    if (!ROLES.includes(String(body.role)))
      return legacy(400, 'invalid', 'The specified role is invalid or not supported.', 'permission.role')
    if (body.type === 'anyone') {
      if (query.has('sendNotificationEmail')) return invalid('sendNotificationEmail')
      if (body.role === 'owner') return legacy(403, 'invalidSharingRequest', 'Bad Request. User message: "That role is not for everybody."')
      return {
        status: 200,
        body: { kind: 'drive#permission', id: 'anyoneWithLink', type: 'anyone', role: body.role, allowFileDiscovery: false },
      }
    }
    if (body.type !== 'user') return legacy(400, 'required', 'The permission type field is required.', 'permission.type')
    if (!body.emailAddress) return legacy(400, 'required', 'The emailAddress field is required.', 'permission.emailAddress')
    if (body.role === 'owner' && query.get('transferOwnership') !== 'true')
      return legacy(
        403,
        'forbidden',
        "The transferOwnership parameter must be enabled when the permission role is 'owner'.",
        'transferOwnership',
      )
    if (body.role === 'owner' && query.get('sendNotificationEmail') === 'false') return invalid('sendNotificationEmail')
    return {
      status: 200,
      body: { kind: 'drive#permission', id: '0188', type: 'user', role: body.role, emailAddress: body.emailAddress, displayName: 'Bob' },
    }
  }, true),
)
const unshare = route(
  'DELETE /drive/v3/files/{id}/permissions/{permission}',
  SHARE,
  'supportsAllDrives useDomainAdminAccess',
  '',
  onFile(
    (_, { at }) =>
      ['0188', 'anyoneWithLink'].includes(String(at.permission))
        ? { status: 204 }
        : legacy(404, 'notFound', `Permission not found: ${at.permission}.`, 'permissionId'),
    true,
  ),
)

const upload: Route = {
  ...createFile,
  call: 'POST /upload/drive/v3/files',
  query: [...(createFile.query ?? []), 'uploadType', 'useContentAsIndexableText', 'keepRevisionForever', 'ocrLanguage'],
  answer: (asked) =>
    asked.req.query.get('uploadType') === 'multipart' && mediaOf(asked.req) !== undefined
      ? createFile.answer(asked)
      : legacy(400, 'badContent', 'Media type is not supported.'),
}

/** What was uploaded by a request, in the order of the parts. */
export interface Media {
  type: string
  content: string
}
const media = new WeakMap<Recorded, Media>()
export const mediaOf = (req: Recorded | undefined): Media | undefined => (req === undefined ? undefined : media.get(req))

/** [uploads] Takes a multipart body apart: the metadata become the JSON body that the kernel checks, the rest is kept as media. */
export function takeApart(req: Recorded): Reply | null {
  if (!req.path.startsWith('/upload/')) return null
  const boundary = /^multipart\/related; ?boundary=([\w'()+,./:=?-]{1,70})$/.exec(req.headers['content-type'] ?? '')?.[1]
  const parts = boundary === undefined ? [] : `\r\n${req.body}`.split(`\r\n--${boundary}`)
  const [before, ...rest] = parts
  const [first, second, last] = rest
  if (before !== '' || rest.length !== 3 || !/^--(\r\n)?$/.test(last ?? '')) return legacy(400, 'badContent', 'Malformed multipart body.')
  const split = (part = '') => /^\r\ncontent-type: ?([^\r\n]+)\r\n\r\n(.*)$/is.exec(part)
  const [, kind, json] = split(first) ?? []
  const [, type, content] = split(second) ?? []
  if (!/^application\/json(;|$)/.test(kind ?? '') || json === undefined || type === undefined || content === undefined)
    return legacy(400, 'badContent', 'Malformed multipart body.')
  req.body = json
  media.set(req, { type, content })
  return null
}

export async function startDrive(): Promise<Stub> {
  const stub = await google([about, listFiles, createFile, upload, get, exported, update, remove, copy, share, unshare], {
    demand: takeApart,
    credentials,
  })
  forget()
  return {
    ...stub,
    reset: () => {
      stub.reset()
      forget()
    },
  }
}
