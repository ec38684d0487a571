import { bring } from './index.ts'
import { rotation } from './rotation.ts'

bring(rotation)
