import { connector, z } from '../contract.ts'
import { apiBase } from './call.ts'
import { DRIVE, whose } from './drive-call.ts'
import { finds } from './drive-find.ts'
import { reads } from './drive-read.ts'
import { shares } from './drive-share.ts'
import { writes } from './drive-write.ts'

export const googleDrive = connector({
  slug: 'google-drive',
  title: 'Google Drive',
  about: 'Files and folders of a Google account and its shared drives: find, read, make, copy, move, share and delete them.',
  docs: 'https://developers.google.com/workspace/drive/api/guides/api-specific-auth',
  auth: { kind: 'oauth', provider: 'google', service: 'google-drive', check: whose },
  config: z.strictObject({ api_base: apiBase(DRIVE) }),
  base: DRIVE,
  baseKey: 'api_base',
  hosts: [],
  tools: { ...finds, ...reads, ...writes, ...shares },
})
