import { bring } from './index.ts'
import { settings } from './settings.ts'

bring(settings)
