/**
 * Says in one text what a route asks of a request: routes with the same text need not be told apart.
 *
 * A key of a route that is new counts until somebody decides otherwise, and the compiler asks for that decision.
 */
import type { RouteConfig } from './schema/schema.ts'

/** Which keys are asked. The others say which requests there are, or what happens to one that got in. */
const IS_ASKED = {
  id: false,
  path: false,
  methods: false,
  timeout: false,
  streams: false,
  pathAllow: false,
  access: true,
  mode: true,
  require: true,
  providers: true,
  audiences: true,
  credentials: true,
  passAuthorization: true,
  upstream: true,
  revocation: true,
  cors: true,
  resource: true,
  mcp: true,
  rateLimits: true,
  anonymous: true,
} satisfies Record<keyof RouteConfig, boolean>

export function askedOf(route: RouteConfig): string {
  const asked = Object.entries(route).filter(([key]) => IS_ASKED[key as keyof RouteConfig])
  return JSON.stringify(asked.toSorted(([one], [other]) => (one < other ? -1 : 1)))
}
