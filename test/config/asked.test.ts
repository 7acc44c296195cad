import { expect, test } from 'vitest'
import { askedOf } from '../../src/config/asked.ts'
import type { RouteConfig } from '../../src/config/schema/schema.ts'
import { load, SMALL } from './support.ts'

function asked(lines: string): string {
  const [, route] = load(`${SMALL}  - { ${lines} }\n`).routes
  return askedOf(route as RouteConfig)
}

const ASKED = asked('id: a, path: /a')

test.each(['timeout: 5s', 'streams: { onExpiry: keep }', 'methods: [GET]', 'pathAllow: [semicolon]'])(
  '%s asks nothing',
  line => expect(asked(`id: b, path: /b, ${line}`)).toBe(ASKED),
)

test.each([
  'access: public',
  'mode: report',
  'require: { scopes: [s] }',
  'providers: [main]',
  'audiences: [x]',
  'upstream: app',
])('%s asks something else', line => expect(asked(`id: a, path: /a, ${line}`)).not.toBe(ASKED))
