/** The person's side: streams, questions without echo, and a writer that never repeats a credential. */
import { StringDecoder } from 'node:string_decoder'
import { stripVTControlCharacters, styleText } from 'node:util'
import { FAULTS, type Fault, type FaultCode, fail } from '../base/errors.ts'

/** What the command line takes from the environment; read in config.ts alone. */
export interface CliSettings {
  readonly url: string | null
  readonly token: string | null
  readonly tokenFile: string | null
  readonly color: boolean
  /** Where `login` keeps its file. */
  readonly configDir: string
}

export interface CliDeps {
  settings: CliSettings
  version: string
  fetch: typeof globalThis.fetch
  now: () => number
  /** Milliseconds between two looks at something that goes on. */
  wait: (ms: number) => Promise<void>
  stdin: NodeJS.ReadableStream & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown }
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  stderr: NodeJS.WritableStream & { isTTY?: boolean }
}

export interface Question {
  text: string
  /** False: what is typed is not shown, and hidden from then on. */
  echo: boolean
}

export interface Terminal {
  /** True where a person can be asked. */
  readonly asks: boolean
  /** Of the standard output; null where it is no terminal, and nothing is cut. */
  readonly width: number | null
  /** True once nobody reads any more (`| head`). */
  readonly closed: boolean
  out(text: string): void
  /** To standard error: what is not the answer. */
  note(text: string): void
  style(format: 'bold' | 'dim' | 'red' | 'yellow' | 'green', text: string): string
  /** From now on this value appears in nothing that is written, whoever says it. */
  hide(value: string): void
  /** One answer to each. The terminal's own echo stays off from the first question to the last, also for who types ahead. */
  ask(...questions: readonly Question[]): Promise<string[]>
  /** Everything on standard input; once only. */
  readAll(label: string): Promise<string>
  complain(fault: Fault, json: boolean): void
}

/** Shorter values are also ordinary words (a user name, a port); taking them out would garble honest answers. */
const HIDE_FROM = 12
/** As large as the largest body that the server takes. */
export const MAX_INPUT_BYTES = 1_048_576

export function openTerminal({ stdin, stdout, stderr, settings }: CliDeps): Terminal {
  const hidden: string[] = []
  let closed = false
  let drained = false
  const clean = (text: string) => hidden.reduce((t, value) => t.replaceAll(value, '«secret»'), text)
  for (const stream of [stdout, stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      closed = true
    })
  const write = (stream: NodeJS.WritableStream, text: string) => {
    if (!closed) stream.write(`${clean(text)}\n`)
  }
  const style = (stream: { isTTY?: boolean }) => (format: Parameters<Terminal['style']>[0], text: string) =>
    settings.color && stream.isTTY ? styleText(format, text, { validateStream: false }) : text
  const red = style(stderr)

  const hide = (value: string) => {
    if (value.length < HIDE_FROM) return
    // Also as it stands inside JSON and inside an address.
    for (const form of new Set([value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value.toWellFormed())])) hidden.push(form)
    hidden.sort((a, b) => b.length - a.length)
  }
  const note = (text: string) => write(stderr, text)
  return {
    asks: stdin.isTTY === true && stderr.isTTY === true,
    width: stdout.isTTY ? stdout.columns || 80 : null,
    get closed() {
      return closed
    },
    out: (text) => write(stdout, text),
    note,
    style: style(stdout),
    hide,
    async ask(...questions) {
      const answers: string[] = []
      stdin.setRawMode?.(true)
      try {
        for (const { text, echo } of questions) {
          stderr.write(clean(text))
          const answer = await readLine(stdin, echo ? (c) => stderr.write(c) : () => undefined)
          stderr.write('\n')
          if (answer === null) fail('INVALID_INPUT', 'cancelled')
          if (!echo) hide(answer)
          answers.push(answer)
        }
      } finally {
        stdin.setRawMode?.(false)
        stdin.pause()
      }
      return answers
    },
    async readAll(label) {
      if (drained) fail('INVALID_INPUT', `${label}: @- can be used only once, standard input is already read`)
      drained = true
      const parts: Buffer[] = []
      let size = 0
      for await (const part of stdin) {
        const bytes = Buffer.from(part as Uint8Array | string)
        parts.push(bytes)
        size += bytes.length
        if (size > MAX_INPUT_BYTES) fail('TOO_LARGE', `${label}: standard input holds more than 1 MiB`)
      }
      return Buffer.concat(parts).toString('utf8')
    },
    complain(fault, json) {
      if (json)
        return note(JSON.stringify(fault.cause ?? { error: fault.message, code: fault.code, ...(fault.hint ? { hint: fault.hint } : {}) }))
      note(`${red('red', 'error:')} ${printable(fault.message)}`)
      if (fault.hint) note(`${red('yellow', 'hint:')} ${printable(fault.hint)}`)
    },
  }
}

/** One line, keys as they are typed, so that the terminal itself does not echo. Null when the person gives up. */
function readLine(stdin: CliDeps['stdin'], echo: (char: string) => void): Promise<string | null> {
  return new Promise((resolve) => {
    let line = ''
    const decoder = new StringDecoder()
    const end = (value: string | null) => {
      stdin.off('data', take)
      stdin.off('end', gone)
      stdin.pause()
      resolve(value)
    }
    const gone = () => end(null)
    const take = (chunk: Buffer | string) => {
      // Without the marks that some terminals put around what is pasted.
      const typed = [...decoder.write(Buffer.from(chunk)).replaceAll(/\x1b\[20[01]~/g, '')]
      for (const [at, char] of typed.entries()) {
        if (char === '\r' || char === '\n') {
          end(line)
          const rest = typed.slice(at + 1).join('')
          if (rest) stdin.unshift(Buffer.from(rest)) // the answer to the next question
          return
        }
        if (char === '\x03' || (char === '\x04' && line === '')) return end(null)
        if (char === '\x7f' || char === '\b') {
          if (line) echo('\b \b')
          line = [...line].slice(0, -1).join('')
        } else if (char >= ' ') {
          line += char
          echo(char)
        }
      }
    }
    stdin.on('data', take)
    stdin.on('end', gone)
    stdin.resume()
  })
}

/** Text of others must not steer the terminal: no escape sequences, no control characters, no reversed reading direction. */
export const printable = (text: string): string =>
  stripVTControlCharacters(text).replaceAll(/[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')

export const exitOf = (code: string): number | undefined => (Object.hasOwn(FAULTS, code) ? FAULTS[code as FaultCode].exit : undefined)
