/** Puts a gateway between a client and a service, with an introspection endpoint that a test scripts. */
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { atEnd } from '../../support/at-end.ts'
import { bearer, type GatewayParts, startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import {
  CLIENT_ID,
  type EndpointAnswer,
  type IntrospectionEndpoint,
  startIntrospectionEndpoint,
} from '../../support/services/introspection-endpoint.ts'
import { AUDIENCE } from '../../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

/** The time of the system, and what a test lets pass besides. */
export interface ShiftedClock extends Clock {
  pass(ms: number): void
}

export function shiftedClock(): ShiftedClock {
  let shiftMs = 0
  return {
    nowMs: () => systemClock.nowMs() + shiftMs,
    monotonicMs: () => systemClock.monotonicMs() + shiftMs,
    pass(ms) {
      shiftMs += ms
    },
  }
}

export const SECRET = 'secret-of-the-client'

type Settings = Readonly<Record<string, unknown>>

/** The provider of a configuration that asks this endpoint. The secret is in the file `secret`. */
export function opaqueProvider({ issuer, url }: IntrospectionEndpoint, rest: Settings = {}): Record<string, unknown> {
  return {
    type: 'introspection',
    issuer,
    endpoint: url,
    audiences: [AUDIENCE],
    client: { id: CLIENT_ID, auth: 'basic', secretFile: 'secret' },
    ...rest,
  }
}

/** What a server says of a good token. A member that is undefined is left out. */
export function activeAnswer(members: Settings = {}): Settings {
  return { active: true, sub: 'alice', aud: AUDIENCE, scope: 'orders:read', token_type: 'Bearer', ...members }
}

export interface OpaqueStack extends TestGateway {
  readonly endpoint: IntrospectionEndpoint
  readonly upstream: TestUpstream
  readonly clock: ShiftedClock
  /** Status, with the code of a refusal behind it. */
  outcome(path: string, token: string): Promise<string>
  /** How often questions had this result. */
  counted(result: string, provider?: string): Promise<number>
}

export interface StackOptions extends GatewayParts {
  /** Over the plain provider. */
  readonly provider?: Settings
  /** Over the plain configuration. */
  readonly config?: Settings | ((endpoint: IntrospectionEndpoint) => Settings)
  /** Default: one that echoes. Whoever gives one closes it. */
  readonly upstream?: TestUpstream
}

/** It closes by itself at the end of the test. */
export async function startOpaqueStack(options: StackOptions = {}): Promise<OpaqueStack> {
  const { provider, config = {}, files } = options
  const endpoint = await startIntrospectionEndpoint()
  const upstream = options.upstream ?? (await startTestUpstream())
  const clock = shiftedClock()
  const gateway = await startTestGateway(
    {
      providers: { opaque: opaqueProvider(endpoint, provider) },
      upstreams: { app: upstream.url },
      routes: [
        { id: 'orders', path: '/orders/**', require: { scopes: ['orders:read'] } },
        { id: 'writes', path: '/writes/**', require: { scopes: ['orders:write'] } },
        { id: 'report', path: '/report/**', mode: 'report', require: { scopes: ['orders:read'] } },
        { id: 'all', path: '/**' },
      ],
      ...(typeof config === 'function' ? config(endpoint) : config),
    },
    { clock, files: { secret: SECRET, ...files } },
  )
  if (options.upstream === undefined) atEnd(upstream.close)
  atEnd(gateway.close)
  return {
    ...gateway,
    endpoint,
    upstream,
    clock,
    outcome: (path, token) => outcomeOf(gateway, path, bearer(token)),
    async counted(result, id = 'opaque') {
      const name = `sallyport_introspections_total{provider="${id}",result="${result}"}`
      return (await gateway.metrics()).get(name) ?? 0
    },
  }
}

export async function outcomeOf(
  gateway: Pick<TestGateway, 'request'>,
  path: string,
  headers: Record<string, string>,
): Promise<string> {
  const reply = await gateway.request(path, { headers })
  return reply.status === 200 ? '200' : `${reply.status} ${String(reply.json().code)}`
}

/** Keeps questions until they are let go; then, and from then on, the endpoint answers as `answer` says. */
export interface HeldQuestions {
  readonly answer: EndpointAnswer
  release(): void
}

export function heldUntilRelease(answer: EndpointAnswer): HeldQuestions {
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    async answer(response, question) {
      await promise
      await answer(response, question)
    },
    release: resolve,
  }
}

/** A token of its own for each test, which looks like none. */
let made = 0
export function opaqueToken(): string {
  made += 1
  return `opaque-token-of-a-test-${made}`
}
