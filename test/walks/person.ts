/** Somebody with a browser: keeps the cookie that the server gives, and says what a page of ours says. */
import type { Answer, TestRuntime } from '../harness.ts'

export interface Person {
  email: string
  /** Headers of the next request. */
  headers(): Record<string, string>
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  ok(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer['body']>
}

export const PASSWORD = 'nineteen red lanterns'
const NAMES = /^(?:__Host-)?ar_session=/

export function person(rt: TestRuntime, email = '', cookie = ''): Person {
  let kept = cookie
  const headers = () => ({ cookie: kept, origin: rt.url, 'content-type': 'application/json' })
  const api: Person['api'] = async (method, path, body, more) => {
    const answer = await rt.api(method, path, body, { ...headers(), ...more })
    const given = answer.headers.getSetCookie().find((it) => NAMES.test(it))
    if (given) kept = given.split(';')[0]?.replace(/=$/, '') ?? ''
    return answer
  }
  return {
    email,
    headers,
    api,
    async ok(method, path, body, more) {
      const answer = await api(method, path, body, more)
      if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`)
      return answer.body
    },
  }
}

export async function owner(rt: TestRuntime): Promise<Person> {
  const { cookie = '' } = await rt.session()
  return person(rt, 'owner@example.com', cookie)
}

export const tokenIn = (link: string): string => link.split('#t=')[1] ?? ''

/** Somebody new, invited by `by` and come in. */
export async function newcomer(rt: TestRuntime, by: Person, name: string, say: object = {}): Promise<Person> {
  const email = `${name}@example.com`
  const { link } = await by.ok('POST', '/v1/invitations', { email, ...say })
  const it = person(rt, email)
  await it.ok('POST', '/v1/invitations/accept', { token: tokenIn(link), name, password: PASSWORD })
  return it
}
