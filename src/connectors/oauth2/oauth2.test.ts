import { describe, expect, it } from 'vitest'
import { intake } from '../../vault/intake.ts'
import { conceal } from '../../vault/secret.ts'
import family from './index.ts'

const { provider } = family
const { client_credentials } = provider.manual
const whole = {
  token_endpoint: 'https://login.example.com/oauth/token',
  client_id: 'acme app',
  client_secret: 'a b~c%d+e:f',
  api_hosts: 'api.example.com, files.example.com:8443',
}
const enter = (given: Record<string, string>) =>
  intake(
    provider.title,
    client_credentials?.fields ?? [],
    Object.fromEntries(Object.entries(given).map(([name, value]) => [name, conceal(value)])),
    false,
  )

describe('any OAuth server', () => {
  it('knows nothing by itself: an app or whoever enters a client names it all', () => {
    const { issuer, endpoints, services, identityScopes, apiHosts, rotates } = provider
    expect({ issuer, endpoints, services, identityScopes, apiHosts, rotates }).toEqual({
      issuer: null,
      endpoints: null,
      services: {},
      identityScopes: [],
      apiHosts: [],
      rotates: 'unknown',
    })
    expect(family.connectors).toEqual([])
  })

  it('takes a client of its own; the secret alone is secret', () => {
    const taken = enter({ ...whole, scope: 'things.read things.write', audience: 'https://api.example.com/' })
    expect(Object.keys(taken.secret)).toEqual(['client_secret'])
    const { client_secret: _, ...open } = whole
    expect(taken.public).toEqual({ ...open, scope: 'things.read things.write', audience: 'https://api.example.com/' })
  })

  it.each([
    ['token_endpoint', ''],
    ['token_endpoint', 'login.example.com/token'],
    ['token_endpoint', 'file:///etc/passwd'],
    ['token_endpoint', 'https://user:pass@login.example.com/token'],
    ['token_endpoint', 'https://login.example.com/token#x'],
    ['client_id', ''],
    ['client_secret', 'schlüssel'],
    ['api_hosts', ''],
    ['api_hosts', 'https://api.example.com'],
    ['api_hosts', 'API.example.com'],
    ['api_hosts', '*.example.com'],
  ])('refuses %s %j by its name', (field, value) => {
    expect(() => enter({ ...whole, [field]: value })).toThrow(`credentials.${field}`)
  })
})
