import { type Logger, pino } from 'pino'

export type { Logger }

/** JSON lines to a file or a descriptor; standard output belongs to what a person or a script reads. */
/** `clean` gets each line before it is written, and gives the line that is. */
export function createLog(level: string, dest: string | number, clean: (line: string) => string = (line) => line): Logger {
  // Written by the system in the background: a slow disk must not hold up a request. What is buffered is flushed at exit.
  const file = pino.destination({ dest, sync: false, minLength: 0, mkdir: true, mode: 0o600 })
  return pino(
    { level, base: null, timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label) => ({ level: label }) } },
    { write: (line: string) => void file.write(clean(line)) },
  )
}
