/** `npm run build`: packages as locked and dist/ as built from src/; does nothing when both are up to date. */
import { prepare, script } from './bootstrap.mjs'

await script(() => prepare())
