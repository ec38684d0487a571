import { family } from '../contract.ts'
import { gmail } from './gmail.ts'
import { google } from './provider.ts'

export default family({ provider: google, connectors: [gmail] })
