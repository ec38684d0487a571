import { connector, family, z } from '../contract.ts'
import { custom } from './custom.ts'
import { images, UPLOAD_HOST } from './images.ts'
import { check, members } from './member.ts'
import { posts } from './posts.ts'
import { linkedinProvider } from './provider.ts'

export const linkedin = connector({
  slug: 'linkedin',
  title: 'LinkedIn',
  about: 'Posts as a LinkedIn member or as a company page, image uploads, the pages of a member, and any other call of the API.',
  docs: 'https://learn.microsoft.com/en-us/linkedin/shared/authentication/getting-access',
  auth: { kind: 'oauth', provider: linkedinProvider.slug, service: 'member', check },
  config: z.strictObject({
    linkedin_version: z
      .string()
      .regex(/^20\d{2}(0[1-9]|1[0-2])$/, 'must be a month, such as 202609')
      .optional()
      .describe('Version of the API (LinkedIn-Version), such as 202609. LinkedIn ends each one after a year.'),
    api_base: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Another address than https://api.linkedin.com; uploads then go there too'),
  }),
  base: 'https://api.linkedin.com',
  baseKey: 'api_base',
  hosts: [UPLOAD_HOST],
  tools: { ...members, ...posts, ...images, ...custom },
})

export default family({ provider: linkedinProvider, connectors: [linkedin] })
