import { bring } from './index.ts'
import { workflows } from './workflows.ts'

bring(workflows)
