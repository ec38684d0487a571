/** A mark in the data directory while a restore is under way: what bears it is not started, and goes on being restored. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../base/errors.ts'

const FILE = 'restoring.json'

export interface Marker {
  /** Of this restore; the database bears it once all is in it. */
  id: string
  began: string
}

export function readMarker(dataDir: string): Marker | null {
  const path = join(dataDir, FILE)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Marker) : null
}
/** Whole or not at all, also when the machine dies. */
export async function writeMarker(dataDir: string, marker: Marker): Promise<void> {
  const path = join(dataDir, FILE)
  const file = await open(`${path}.new`, 'w', 0o600)
  await file.writeFile(JSON.stringify(marker))
  await file.sync()
  await file.close()
  await rename(`${path}.new`, path)
}
export const dropMarker = (dataDir: string): void => rmSync(join(dataDir, FILE), { force: true })

/** Faults: CONFLICT. Before anything else of a start. */
export function refuseHalfRestored(dataDir: string): void {
  const marker = readMarker(dataDir)
  if (marker)
    throw new Fault('CONFLICT', `a restore into ${dataDir} was begun at ${marker.began} and is not finished`, {
      hint: 'Run the same agentruntime restore again: it goes on or begins anew by itself.',
    })
}
