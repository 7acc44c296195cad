/**
 * Fits the limits on connections to the file descriptors that this process may have (RLIMIT_NOFILE).
 *
 * A process without a free descriptor accepts nobody, not even on its admin listener, and cannot reach a service. So
 * some are kept back, and the limits are lowered to what the rest allows: a connection takes one, from a client as well
 * as to a service. When the process starts, Node has raised the soft limit to the hard one.
 */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema/schema.ts'

/** For listeners, log, watched folders, key servers and health checks, and 64 connections of the admin listener. */
const KEPT_BACK = 128

interface Limits {
  readonly limits: Pick<Config['limits'], 'connections' | 'requests'>
  readonly upstreams: Readonly<Record<string, Pick<Config['upstreams'][string], 'connections'>>>
  readonly workers: number
  readonly listen?: unknown
  readonly decide?: unknown
}

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
 * Lowers limits, for all workers together. Connections to services get half of the room, or less if they need less.
 *
 * A service never has more connections than there are requests, and the idle ones of another service count as well.
 * Where services get fewer connections, there are no more requests than these: they would wait for nothing.
 *
 * With two listeners, each of them may have as many connections as the limit says.
 *
 * @param descriptors how many each process may have
 * @returns the configuration itself when it fits
 */
export function fitted<C extends Limits>(config: C, descriptors: number | undefined): C {
  if (descriptors === undefined) return config
  const { connections, requests } = config.limits
  const services = Object.entries(config.upstreams).map(
    ([id, upstream]) => [id, upstream, Math.min(upstream.connections, requests)] as const,
  )
  const wanted = services.reduce((sum, [, , most]) => sum + most, 0)
  const least = services.length
  const room = Math.max(2 * least, 2, descriptors - KEPT_BACK) * config.workers
  const listeners = config.listen !== undefined && config.decide !== undefined ? 2 : 1
  if (connections * listeners + wanted <= room) return config
  const granted = Math.min(wanted, Math.max(Math.floor(room / 2), room - connections * listeners))
  const left = Math.max(1, Math.floor((room - granted) / listeners))
  if (granted === wanted) return { ...config, limits: { ...config.limits, connections: left } }
  const share = (most: number): number => 1 + Math.floor(((most - 1) * (granted - least)) / (wanted - least))
  return {
    ...config,
    limits: {
      ...config.limits,
      requests: Math.min(requests, granted),
      connections: Math.min(connections, left),
    },
    upstreams: Object.fromEntries(
      services.map(([id, upstream, most]) => [id, { ...upstream, connections: share(most) }]),
    ),
  }
}
