import { startCalendar } from '../../../test/fakes/calendar.ts'
import { startDrive } from '../../../test/fakes/drive.ts'
import { startGmail } from '../../../test/fakes/gmail.ts'
import { tokens } from '../../../test/fakes/google.ts'
import { startSheets } from '../../../test/fakes/sheets.ts'
import { type Proof, type Proofs, signedIn } from '../../../test/proof.ts'

const proof = (what: string, contract: Proof['contracts'][number]): Proof => ({
  against: [{ what, by: 'stub from documentation' }],
  contracts: [contract],
})

export default {
  gmail: proof(
    'Gmail API v1',
    signedIn(startGmail, tokens, {
      service: 'gmail',
      reads: { tool: 'get_email', input: { message_id: '18c9a1b2c3d4e5f6' } },
      writes: { tool: 'send_email', input: { to: 'bob@example.com', subject: 'Hi', body: 'Hello' } },
    }),
  ),
  'google-calendar': proof(
    'Calendar API v3',
    signedIn(startCalendar, tokens, {
      service: 'google-calendar',
      reads: { tool: 'get_event_by_id', input: { calendar_id: 'primary', event_id: 'q1w2e3' } },
      writes: { tool: 'create_quick_event', input: { calendar_id: 'primary', text: 'Lunch at noon' } },
    }),
  ),
  'google-drive': proof(
    'Drive API v3',
    signedIn(startDrive, tokens, {
      service: 'google-drive',
      reads: { tool: 'get_file_by_id', input: { file_id: 'notes' } },
      writes: { tool: 'create_folder', input: { name: 'New' } },
    }),
  ),
  'google-sheets': proof(
    'Sheets API v4',
    signedIn(startSheets, tokens, {
      service: 'google-sheets',
      reads: { tool: 'find_worksheet', input: { spreadsheet_id: 'book', title: 'People' } },
      writes: { tool: 'create_spreadsheet', input: { title: 'New' } },
    }),
  ),
} satisfies Proofs
