/**
 * Prints the configuration of a proxy that asks us, made from the compiled policy.
 *
 * A new caller is one file beside this one, and one row in the table. Equal configurations give equal texts.
 */
import type { Caller } from '../../decision/callers.ts'
import { caddySnippet } from './caddy.ts'
import { envoySnippet } from './envoy.ts'
import { nginxSnippet } from './nginx.ts'
import type { Site } from './site.ts'
import { traefikSnippet } from './traefik.ts'

const SNIPPETS: Readonly<Record<Caller, (site: Site) => string>> = {
  nginx: nginxSnippet,
  caddy: caddySnippet,
  traefik: traefikSnippet,
  envoy: envoySnippet,
}

/** @throws {Unwritable} the proxy has no way to say it */
export function snippet(caller: Caller, site: Site): string {
  return SNIPPETS[caller](site)
}
