/** Is it us? A connection to one of our own listeners would be somebody's way around who may ask us for what. */
import { networkInterfaces } from 'node:os'
import { readings } from './addresses.ts'

const UNSPECIFIED = new Set(['0.0.0.0', '::'])

/** Does a connection to this address and port end at one of our own listeners? `0.0.0.0` and `::` stand for every address of the machine. */
export function isOwn(address: string, port: number, listeners: readonly { address: string; port: number }[]): boolean {
  const near = listeners.filter((one) => one.port === port).flatMap((one) => readings(one.address))
  if (near.length === 0) return false
  const there = readings(address)
  if (there.some((one) => near.includes(one))) return true
  const local = () => {
    const interfaces = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
    return new Set(interfaces.flatMap((one) => readings(one.address)))
  }
  const onThisMachine = (one: string) => UNSPECIFIED.has(one) || one === '::1' || one.startsWith('127.') || local().has(one)
  return (near.some((one) => UNSPECIFIED.has(one)) || there.some((one) => UNSPECIFIED.has(one))) && there.some(onThisMachine)
}
