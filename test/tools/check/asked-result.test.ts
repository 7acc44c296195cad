/** Tests what `check --online` finds out about a provider that asks a server about tokens. */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { checkCommand } from '../../../src/cli/check.ts'
import { runCommand } from '../../support/gateway/command.ts'
import { FAULTS } from '../../support/services/answer-faults.ts'
import {
  type IntrospectionEndpoint,
  MARK,
  saysJson,
  startIntrospectionEndpoint,
} from '../../support/services/introspection-endpoint.ts'
import { startTestUpstream } from '../../support/services/upstream.ts'
import { AUDIENCE, askingConfig, SECRET } from '../introspection-support.ts'
import { folder } from '../support.ts'

const files = folder()

type Asking = Parameters<typeof askingConfig>[2]

async function checked(options: Asking) {
  const file = askingConfig(files, 'online.yaml', options)
  const { code, stdout, stderr } = await runCommand(checkCommand, [file, '--online', '--json'])
  expect(stderr).toBe('')
  expect(stdout).not.toMatch(new RegExp(`${SECRET}|${MARK}`))
  const { online, warnings } = JSON.parse(stdout)
  return { code, provider: online.find(({ id }: { readonly id: string }) => id === 'opaque'), warnings }
}

const of = ({ url, issuer }: IntrospectionEndpoint): NonNullable<Asking> => ({ endpoint: url, issuer })

test('a token that nobody has issued and that is not active proves the endpoint and the credentials', async () => {
  const server = await startIntrospectionEndpoint()
  const keys = ', tokens: { prefixes: [opaque-], minBytes: 60 }'
  const { provider } = await checked({ ...of(server), keys })
  expect(provider).toMatchObject({ outcome: 'ok', detail: `answers at ${server.url}, and takes our credentials` })
  const [question, ...more] = server.questions
  expect(more).toEqual([])
  expect(question?.form.get('token')).toMatch(/^opaque-[\w-]{60,}$/)
  // RFC 6749 §2.3.1: both are form-encoded first.
  const [, sent = ''] = question?.headers.authorization?.split(' ') ?? []
  expect(decodeURIComponent(atob(sent))).toBe(`orders-gateway:${SECRET}`)
})

test('an endpoint is discovered, and signed answers prove their keys', async () => {
  const server = await startIntrospectionEndpoint()
  const { provider } = await checked({ endpoint: '', issuer: server.issuer, keys: ', response: jwt' })
  expect(provider).toMatchObject({
    outcome: 'ok',
    detail: `answers at ${server.url}, and takes our credentials, with signatures that its keys verify`,
  })
})

test('answers that somebody else has signed are a failure', async () => {
  const server = await startIntrospectionEndpoint()
  server.answerWith(async response => {
    const body = await server.signed({ about: { active: false }, by: 'stranger' })
    response.writeHead(200, { 'content-type': 'application/token-introspection+jwt' }).end(body)
  })
  const { code, provider } = await checked({ ...of(server), keys: ', response: jwt' })
  expect([code, provider.outcome]).toEqual([1, 'failed'])
  expect(provider.detail).toMatch(/signature/)
})

test.each([
  ['that is meant for us', { active: true, aud: AUDIENCE }],
  ['that is meant for nobody', { active: true }],
])('a server that calls a token active %s which nobody has issued is a failure', async (_what, answer) => {
  const server = await startIntrospectionEndpoint()
  server.answerWith(saysJson(answer))
  const { code, provider } = await checked(of(server))
  expect(code).toBe(1)
  expect(provider).toMatchObject({ outcome: 'failed', detail: expect.stringContaining('calls every token active') })
})

test.each([
  ['unauthorized', /401/],
  ['forbidden', /403/],
  ['away', /503/],
  ['redirect', /307|redirect/],
  ['wrongType', /content-type|content type|text\/html|JSON/i],
  ['activeText', /active/],
  ['reset', /connection|reset|ECONNRESET/i],
] as const)('a server that does not answer well (%s) is a failure, told in our words', async (fault, words) => {
  const server = await startIntrospectionEndpoint()
  server.answerWith(FAULTS[fault])
  const { code, provider } = await checked(of(server))
  expect([code, provider.outcome]).toEqual([1, 'failed'])
  expect(provider.detail).toMatch(words)
})

test.each([
  [400, true],
  [404, true],
  [500, true],
  [429, false],
  [503, false],
])(
  'where a server answers %i, the message says whether that may be due to the token that was made up',
  async (status, isDue) => {
    const server = await startIntrospectionEndpoint()
    server.answerWith(response => {
      response.writeHead(status).end()
    })
    const { code, provider } = await checked(of(server))
    const hint = '; some servers answer so about a token that nobody has issued'
    expect([code, provider.outcome]).toEqual([1, 'failed'])
    expect(provider.detail.startsWith(`${server.url} answered ${status}`)).toBe(true)
    expect(provider.detail.includes(hint)).toBe(isDue)
  },
)

test('a server that does not answer at all is a failure after the timeout of the provider', async () => {
  const server = await startIntrospectionEndpoint()
  server.answerWith(FAULTS.hang)
  const { provider } = await checked({ ...of(server), keys: ', timeout: 50ms' })
  expect(provider).toMatchObject({ outcome: 'failed', detail: `no complete answer from ${server.url} within 50 ms` })
})

test('an issuer that lacks the slash of its own document is told so, where the endpoint is discovered', async () => {
  const server = await startIntrospectionEndpoint()
  server.metadata.issuer = `${server.issuer}/`
  const { code, provider, warnings } = await checked({ endpoint: '', issuer: server.issuer })
  expect([code, provider.outcome]).toEqual([1, 'failed'])
  expect(warnings).toMatchObject([{ code: 'issuer-slash', message: expect.stringContaining('lacks the slash') }])
  expect((await checked(of(server))).warnings).toEqual([])
})

test('a configuration whose parts all answer passes', async () => {
  const server = await startIntrospectionEndpoint()
  const upstream = await startTestUpstream()
  onTestFinished(() => upstream.close())
  const file = askingConfig(files, 'fine.yaml', of(server))
  writeFileSync(file, readFileSync(file, 'utf8').replace('http://127.0.0.1:3000', upstream.url))
  const { code, stdout } = await runCommand(checkCommand, [file, '--online'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('ok     provider opaque: answers at')])
})
