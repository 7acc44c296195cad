/**
 * Fits what clients may open to the file descriptors that this process may have (RLIMIT_NOFILE).
 *
 * A process without a free descriptor accepts nobody, not even on its admin listener, and cannot reach a service. So
 * some are kept back, and the limits are lowered to what the rest allows: a connection takes one, and so does a request
 * at its service. When the process starts, Node has raised the soft limit to the hard one.
 */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema/schema.ts'

/** For listeners, log, watched folders, key servers and health checks, and 64 connections of the admin listener. */
const KEPT_BACK = 128

type Limits = Pick<Config['limits'], 'connections' | 'requests'>

/** @returns how many descriptors this process may have; undefined where that is not known, or where there is no end */
export function descriptorLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    // Only Linux has this file.
    return undefined
  }
}

/**
 * Lowers limits, for all workers together. Requests get half of the room, or less if they need less.
 *
 * @param descriptors how many each process may have
 * @returns the limits themselves when they fit
 */
export function fittedLimits<L extends Limits>(limits: L, workers: number, descriptors: number | undefined): L {
  if (descriptors === undefined) return limits
  const room = Math.max(2, descriptors - KEPT_BACK) * workers
  const { connections, requests } = limits
  if (connections + requests <= room) return limits
  const fewerRequests = Math.min(requests, Math.max(Math.floor(room / 2), room - connections))
  return { ...limits, requests: fewerRequests, connections: Math.min(connections, room - fewerRequests) }
}
