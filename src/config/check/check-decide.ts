/**
 * Judges `decide` together with the other sections: whether anything listens at all, whether the addresses differ,
 * whether anybody can ask, and, where nothing serves traffic, which routes nobody could ever get through.
 */
import { isSameAddress } from '../schema/address.ts'
import type { Draft } from '../schema/draft.ts'
import { writtenExample } from '../schema/foreign-keys.ts'
import type { DecideConfig } from '../schema/schema.ts'
import type { Finding } from './findings.ts'
import { modeFindings } from './listener-mode.ts'

export function decideFindings(draft: Draft): readonly Finding[] {
  const { written, decide } = draft
  if (written === undefined) return []
  return [
    ...(written.has('listen') || written.has('decide')
      ? []
      : [{ path: ['listen'], message: `is missing${writtenExample(['listen'])}` }]),
    ...(decide === undefined
      ? []
      : [...addressFindings(draft, decide), ...askerFindings(decide), ...workerFindings(draft)]),
    ...(written.has('decide') && !written.has('listen') ? undecidableFindings(draft) : []),
  ]
}

function addressFindings({ listen, admin }: Draft, decide: DecideConfig): readonly Finding[] {
  const path = ['decide', 'listen']
  const taken = [
    ['listen', listen?.address],
    ['admin.listen', admin?.listen.address],
  ] as const
  return [
    ...modeFindings(path, decide.listen),
    ...taken.flatMap(([name, address]): readonly Finding[] =>
      address !== undefined && isSameAddress(decide.listen.address, address)
        ? [{ path, message: `is the address of \`${name}\`; give the listener of decisions one of its own` }]
        : [],
    ),
  ]
}

/** A peer on a Unix socket has no address, and one on a port has one. */
function askerFindings({ listen, trustedProxies }: DecideConfig): readonly Finding[] {
  const path = ['decide', 'trustedProxies']
  if ('socketPath' in listen.address)
    return trustedProxies.includes('unix:')
      ? []
      : [{ path, message: 'refuses everybody who connects to the Unix socket; add `unix:`, or leave it out' }]
  return trustedProxies.some(each => each !== 'unix:')
    ? []
    : [
        {
          path,
          message: 'refuses everybody who connects to the port; list the addresses of the proxy, or leave it out',
        },
      ]
}

function workerFindings({ workers }: Draft): readonly Finding[] {
  if (workers === undefined || workers === 1) return []
  const message =
    'share `listen` alone, and `decide` has one process; leave it out, or run `decide` in a gateway of its own'
  return [{ path: ['workers'], message }]
}

/** Only the listener of the traffic reads bodies, and sends people to log in. */
function undecidableFindings({ routes, upstreams }: Draft): readonly Finding[] {
  return [
    ...[...upstreams].flatMap(([id, { exchange }]): readonly Finding[] =>
      exchange === undefined ? [] : [{ path: ['upstreams', id, 'exchange'], at: 'key', message: NO_EXCHANGE }],
    ),
    ...[...routes].flatMap(([index, { mcp, anonymous }]): readonly Finding[] => [
      ...(mcp?.tools === undefined
        ? []
        : [{ path: ['routes', index, 'mcp', 'tools'], at: 'key', message: NO_TOOLS } as const]),
      ...(anonymous === undefined ? [] : [{ path: ['routes', index, 'anonymous'], message: NO_LOGIN }]),
    ]),
  ]
}

const NO_TOOLS =
  'is judged by bodies, which no decision for another proxy reads; add `listen`, and have the proxy forward this path to it'
const NO_EXCHANGE =
  'has a token issued for each caller, which no decision for another proxy does; add `listen`, and have the proxy forward to it'
const NO_LOGIN =
  'sends people to log in, which no decision for another proxy does; add `listen`, and have the proxy forward this path to it'
