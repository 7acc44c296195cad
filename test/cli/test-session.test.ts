/** Tests how `sallyport test` puts browsers with and without sessions to a policy, as a user calls it. */
import { describe, expect, test } from 'vitest'
import { testCommand } from '../../src/cli/test.ts'
import { runCommand } from '../support/gateway/command.ts'
import { sessionText } from '../tools/session-support.ts'
import { folder } from '../tools/support.ts'

const files = folder()
files.write('sallyport.yaml', sessionText())

let written = 0
async function run(tests: readonly string[], ...args: readonly string[]) {
  const text = `config: sallyport.yaml\ntests:\n${tests.map(each => `  - { name: it, ${each} }\n`).join('')}`
  return runCommand(testCommand, [files.write(`${written++}.test.yaml`, text), '--no-files', ...args])
}

interface Report {
  readonly files: ReadonlyArray<{ readonly tests: ReadonlyArray<Readonly<Record<string, unknown>>> }>
  readonly coverage: ReadonlyArray<{
    readonly routes: ReadonlyArray<{
      readonly route: string
      readonly items: ReadonlyArray<{ readonly item: string; readonly state: string }>
    }>
  }>
}

async function report(...tests: readonly string[]): Promise<Report> {
  return JSON.parse((await run(tests, '--json')).stdout) as Report
}

const ALICE = 'session: { sub: alice, scope: orders:read }'

describe('a case', () => {
  test.each([
    [
      'a session gets in',
      `request: GET /api/x, ${ALICE}, expect: allow, headers: { X-Auth-Subject: alice, Cookie: null }`,
    ],
    ['without the scope it does not', 'request: GET /api/x, session: { sub: bob }, expect: scope_missing'],
    ['nobody is refused', 'request: GET /api/x, expect: token_missing'],
    [
      'a tab is sent to the login',
      'request: GET /x?a=1, navigate: true, expect: token_missing, location: /auth/login?return=%2Fx%3Fa%3D1',
    ],
    ['a page changes something', `request: POST /api/x, ${ALICE}, expect: allow`],
    [
      'our own page, by its origin alone',
      `request: POST /api/x, ${ALICE}, origin: "https://shop.example.com", fetchSite: absent, expect: allow`,
    ],
    ['a page that is listed', `request: POST /api/x, ${ALICE}, origin: "https://app.example.com", expect: allow`],
    [
      'a page of another site',
      `request: POST /api/x, ${ALICE}, origin: "https://evil.example.com", expect: csrf_rejected`,
    ],
    [
      'another site that hides its origin',
      `request: POST /api/x, ${ALICE}, fetchSite: cross-site, expect: csrf_rejected`,
    ],
    [
      'a page of another site reads as nobody',
      `request: GET /api/x, ${ALICE}, fetchSite: cross-site, expect: token_missing`,
    ],
    ['a link from another site', `request: GET /x, ${ALICE}, fetchSite: cross-site, navigate: true, expect: allow`],
    [
      'a login that is too weak',
      'request: GET /strict, session: { sub: alice, acr: silver }, expect: step_up_required',
    ],
    [
      'a login that was for this',
      'request: GET /strict, session: { sub: alice, acr: silver }, steppedUp: true, expect: step_up_failed',
    ],
    ['a strong login', 'request: GET /strict, session: { sub: alice, acr: gold }, steppedUp: true, expect: allow'],
    ['a session that is revoked', `request: GET /x, ${ALICE}, revoked: [{ sub: alice }], expect: session_expired`],
    ['one of somebody else', `request: GET /x, ${ALICE}, revoked: [{ sub: bob }], expect: allow`],
    [
      'one that is revoked by its name at the provider',
      'request: GET /x, session: { sub: alice, sid: s1 }, revoked: [{ sid: s1 }], expect: session_expired',
    ],
    ['at another time', `request: GET /x, ${ALICE}, now: 2030-01-01T00:00:00Z, expect: allow`],
    ['a token where both are taken', 'request: GET /api/x, claims: { scope: orders:read }, expect: allow'],
  ])('%s', async (_, line) => {
    const { stdout, code } = await run([line])
    expect(stdout).toContain('1 passed')
    expect(code).toBe(0)
  })

  test.each([
    ['a page of another site', `request: POST /api/x, ${ALICE}, fetchSite: cross-site, expect: allow`, 'decision'],
    [
      'another way to the login',
      'request: GET /x, navigate: true, expect: token_missing, location: /login',
      'location',
    ],
    [
      'a way where nobody is sent',
      'request: GET /strict, navigate: true, expect: token_missing, location: /auth/login?return=%2Fstrict',
      'location',
    ],
    [
      'a session where tokens alone are taken',
      'request: GET /tokens, session: { sub: a }, expect: token_missing',
      'session',
    ],
    ['a session where nobody is asked', 'request: GET /open, session: { sub: a }, expect: allow', 'session'],
  ])('fails for %s', async (_, line, what) => {
    const [found] = (await report(line)).files[0]?.tests ?? []
    expect(found?.mismatches).toEqual([expect.objectContaining({ what })])
  })

  test.each([
    ['session: {}, claims: {}, request: GET /x, expect: allow', 'counts only where no token comes'],
    ['session: {}, provider: main, request: GET /x, expect: allow', 'counts only where no token comes'],
    ['fetchSite: none, request: GET /x, expect: allow', 'needs `session`'],
    ['steppedUp: true, request: GET /x, expect: allow', 'needs `session`'],
    ['session: {}, fetchSite: other, request: GET /x, expect: allow', 'fetchSite'],
    ['origin: "https://*.example.com", request: GET /x, expect: allow', 'write that of one page'],
    [
      'origin: "https://a.example", requestHeaders: { Origin: "https://b.example" }, request: GET /x, expect: allow',
      'sends the header `Origin`',
    ],
    ['navigate: true, request: POST /x, expect: allow', 'needs `GET`'],
    ['location: /auth/login, request: GET /x, expect: token_missing', 'needs `navigate: true`'],
    ['location: /auth/login, navigate: true, request: GET /x, expect: allow', 'a refusal code'],
    ['session: {}, proof: dpop, request: GET /x, expect: allow', 'needs `claims`'],
    ['request: GET /x, expect: login', '(302) is refused with `token_missing`; write that, `navigate: true`'],
    ['session: { claims: { sub: a } }, request: GET /x, expect: allow', 'has the claims themselves'],
  ])('that says %s is an error', async (line, message) => {
    const { stderr, code } = await run([line])
    expect(stderr).toContain(message)
    expect(code).toBe(2)
  })
})

describe('coverage', () => {
  async function items(route: string, ...tests: readonly string[]): Promise<readonly string[]> {
    const found = (await report(...tests)).coverage[0]?.routes.find(each => each.route === route)
    return (found?.items ?? []).map(({ item, state }) => `${state} ${item}`)
  }

  test('counts tokens and sessions apart where a route takes both', async () => {
    const session = `request: GET /api/x, ${ALICE}, expect: allow`
    expect(await items('api', session)).toEqual(
      expect.arrayContaining(['untested allowed with a token', 'covered allowed with a session']),
    )
    const token = 'request: GET /api/x, claims: { scope: orders:read }, expect: allow'
    expect(await items('api', token)).toEqual(
      expect.arrayContaining(['covered allowed with a token', 'untested allowed with a session']),
    )
  })

  test('counts people who are sent to the login when a case says where to', async () => {
    const allowed = `request: GET /x, ${ALICE}, expect: allow`
    const refused = 'request: GET /x, navigate: true, expect: token_missing'
    expect(await items('pages', allowed, refused)).toEqual(
      expect.arrayContaining(['covered allowed', 'covered refused without a token', 'untested sent to the login']),
    )
    expect(await items('pages', allowed, `${refused}, location: /auth/login?return=%2Fx`)).toContain(
      'covered sent to the login',
    )
  })
})
