import { tool, z } from '../contract.ts'
import { drive } from './drive-call.ts'
import { fileId, MAKES, PERMISSION_FIELDS, Permission, text } from './drive-shapes.ts'

const PERMISSIONS = '/drive/v3/files/{file_id}/permissions'
const QUERY = { supportsAllDrives: true, fields: PERMISSION_FIELDS }

export const shares = {
  add_permission: tool({
    about:
      'Gives one person access to a file or folder, with all that is in it, and by default sends them an email. The role owner hands the file over and cannot be taken back. For everybody with the link use set_public_access.',
    effect: 'destroy', // What was seen cannot be unseen.
    repeatable: false,
    scopes: MAKES,
    input: z
      .strictObject({
        file_id: fileId,
        email: z.email(),
        role: z
          .enum(['reader', 'commenter', 'writer', 'fileOrganizer', 'organizer', 'owner'])
          .describe('fileOrganizer and organizer exist in shared drives only'),
        send_notification: z.boolean().optional().describe('Google sends an email unless this is false'),
      })
      .refine(
        (it) => it.role !== 'owner' || it.send_notification !== false,
        'Google always tells the new owner: leave send_notification out.',
      ),
    output: Permission,
    example: { file_id: 'notes', email: 'bob@example.com', role: 'reader', send_notification: false },
    run: async (ctx, { file_id, email, role, send_notification }) => {
      const query = { ...QUERY, sendNotificationEmail: send_notification, transferOwnership: role === 'owner' ? true : undefined }
      const body = { type: 'user', role, emailAddress: email }
      return (await drive(ctx, { method: 'POST', path: PERMISSIONS, at: { file_id }, query, body })).body as Permission
    },
  }),
  set_public_access: tool({
    about:
      'Lets everybody who has the link open a file or folder, with all that is in it, without signing in. To take it away use delete_permission with permission_id anyoneWithLink. For one person use add_permission.',
    effect: 'destroy',
    repeatable: false,
    scopes: MAKES,
    input: z.strictObject({ file_id: fileId, role: z.enum(['reader', 'commenter', 'writer']).optional().describe('reader when left out') }),
    output: Permission,
    example: { file_id: 'notes' },
    run: async (ctx, { file_id, role = 'reader' }) =>
      (await drive(ctx, { method: 'POST', path: PERMISSIONS, at: { file_id }, query: QUERY, body: { type: 'anyone', role } }))
        .body as Permission,
  }),
  delete_permission: tool({
    about: 'Takes away an access that was given to a person, or to everybody with the link (permission_id anyoneWithLink).',
    effect: 'destroy',
    repeatable: true, // A second one finds nothing and changes nothing.
    scopes: MAKES,
    input: z.strictObject({ file_id: fileId, permission_id: text.describe('The id that add_permission or set_public_access answered') }),
    output: z.object({ file_id: z.string(), permission_id: z.string(), deleted: z.literal(true) }),
    example: { file_id: 'notes', permission_id: '0188' },
    run: async (ctx, { file_id, permission_id }) => {
      const query = { supportsAllDrives: true }
      await drive(ctx, {
        method: 'DELETE',
        path: `${PERMISSIONS}/{permission_id}`,
        at: { file_id, permission_id },
        query,
        idempotent: true,
      })
      return { file_id, permission_id, deleted: true as const }
    },
  }),
}
