/** What Drive's tools have in common: the scopes that do, the fields that are asked for, and what they are. */
import { z } from '../contract.ts'
import { anyOf } from './call.ts'

/**
 * Alternatives, the least first, out of those that Google's client names for the methods. `drive.file` shows only what this app made or
 * was given. Left out are scopes for other things than somebody's files: appdata, photos, meet, scripts.
 */
export const SEES = [anyOf('drive.metadata.readonly', 'drive.metadata', 'drive.file', 'drive.readonly', 'drive')]
export const READS = [anyOf('drive.readonly', 'drive.file', 'drive')]
export const MAKES = [anyOf('drive.file', 'drive')]
export const CHANGES = [anyOf('drive.file', 'drive.metadata', 'drive')]

/** Without `fields` Google answers with little more than the name. */
const ASKED = {
  ...{ id: z.string(), name: z.string(), mimeType: z.string(), parents: z.array(z.string()).optional() },
  size: z.string().optional().describe('Bytes, as text; folders and shortcuts have none'),
  createdTime: z.string().optional(),
  modifiedTime: z.string().optional(),
  trashed: z.boolean().optional(),
  webViewLink: z.string().optional().describe('Opens it in a browser'),
  driveId: z.string().optional().describe('The shared drive that it lies in'),
  description: z.string().optional(),
  md5Checksum: z.string().optional(),
  owners: z.array(z.looseObject({ emailAddress: z.string().optional() })).optional(),
  shortcutDetails: z.looseObject({ targetId: z.string().optional(), targetMimeType: z.string().optional() }).optional(),
}
export const File = z.looseObject(ASKED)
export type File = z.output<typeof File>
export const FIELDS = Object.keys(ASKED).join(',')

export const Page = z.looseObject({
  files: z.array(File).default([]),
  nextPageToken: z.string().optional(),
  incompleteSearch: z.boolean().default(false),
})
export const PAGE_FIELDS = `nextPageToken,incompleteSearch,files(${FIELDS})`

export const Permission = z.looseObject({
  id: z.string(),
  type: z.string(),
  role: z.string(),
  emailAddress: z.string().optional(),
  displayName: z.string().optional(),
})
export type Permission = z.output<typeof Permission>
export const PERMISSION_FIELDS = 'id,type,role,emailAddress,displayName'

/** Google's maximum for pageSize. */
const MOST_ON_PAGE = 1000
export const text = z.string().min(1)
export const fileId = text.describe('Id of a file or folder, from search_files or list_files; in a link it stands after /d/ or /folders/')
export const parent = text.optional().describe('Id of the folder to put it in; My Drive when left out')
export const pageSize = z.int().min(1).max(MOST_ON_PAGE).optional().describe('Files on a page; 100 when left out')
export const pageToken = text.optional().describe('next_page_token of the page before, with the same other arguments')
export const alsoShared = z.boolean().optional().describe('Also look in shared drives; not done when left out, because it takes longer')
export const evenShared = z.boolean().optional().describe('Whether the file may lie in a shared drive; true when left out')
