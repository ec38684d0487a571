import { type Logger, pino } from 'pino'

export type { Logger }

/** JSON lines on standard error; standard output belongs to what a person or a script reads. */
export const createLog = (level: string, destination = 2): Logger =>
  pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label) => ({ level: label }) } },
    pino.destination({ dest: destination, sync: true }),
  )
