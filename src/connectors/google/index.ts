import { family } from '../contract.ts'
import { googleCalendar } from './calendar.ts'
import { googleDrive } from './drive.ts'
import { gmail } from './gmail.ts'
import { google } from './provider.ts'
import { googleSheets } from './sheets.ts'

export default family({ provider: google, connectors: [gmail, googleCalendar, googleDrive, googleSheets] })
