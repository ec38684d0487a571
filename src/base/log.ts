import { type Logger, pino } from 'pino'

export type { Logger }

/** JSON lines to a file or a descriptor; standard output belongs to what a person or a script reads. */
export const createLog = (level: string, dest: string | number): Logger =>
  pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label) => ({ level: label }) } },
    // Written by the system in the background: a slow disk must not hold up a request. What is buffered is flushed at exit.
    pino.destination({ dest, sync: false, minLength: 0, mkdir: true, mode: 0o600 }),
  )
