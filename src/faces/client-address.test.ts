import { expect, it } from 'vitest'
import { clientAddress } from './client-address.ts'

const from = (remoteAddress: string | undefined, forwarded?: string, proxies: string[] = []) =>
  clientAddress({ incoming: { socket: { remoteAddress } } }, new Headers(forwarded ? { 'x-forwarded-for': forwarded } : {}), proxies)

it('[sign-in.client-address] without a proxy of ours it is the socket, whatever the request says', () => {
  expect(from('192.0.2.1')).toBe('192.0.2.1')
  expect(from('::ffff:192.0.2.1', '203.0.113.9')).toBe('192.0.2.1')
  expect(from('192.0.2.1', '203.0.113.9', ['192.0.2.2'])).toBe('192.0.2.1')
  expect(from(undefined, '203.0.113.9', ['192.0.2.2'])).toBe(null)
})

it('[sign-in.client-address] behind proxies of ours it is the last address that is none of them', () => {
  const proxies = ['127.0.0.1', '10.0.0.2', '2001:db8::2']
  expect(from('127.0.0.1', '203.0.113.9', proxies)).toBe('203.0.113.9')
  expect(from('::ffff:127.0.0.1', '1.1.1.1, 203.0.113.9, 10.0.0.2', proxies)).toBe('203.0.113.9') // the first was the client's own idea
  expect(from('2001:db8:0::2', '2001:DB8::00ff', proxies)).toBe('2001:db8::ff')
  for (const nonsense of ['', 'unknown', '203.0.113.9, <script>', '10.0.0.2'])
    expect(from('127.0.0.1', nonsense, proxies)).toBe('127.0.0.1')
})
