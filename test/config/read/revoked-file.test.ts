/** The file of revocations: what is right in it, and the place of what is not. */
import { expect, test } from 'vitest'
import { readRevokedFile, revokedFileProblem } from '../../../src/config/read/revoked-file.ts'

const ISSUER = 'https://auth.example.com/'

test('entries have the shape of all sources, and times for people', () => {
  const { entries, problems } = readRevokedFile(`
- { issuer: ${ISSUER}, sub: alice, before: 2026-01-01T00:00:00Z, reason: left the company }
- { issuer: ${ISSUER}, jti: t1 }
- { issuer: ${ISSUER}, sid: s1, before: 1767225600, until: 1767229200 }
- { issuer: ${ISSUER}, client: shop, before: 2026-01-01T01:00:00+01:00 }
- { issuer: ${ISSUER}, all: true, before: 1767225600 }
`)
  expect(problems).toEqual([])
  const until = Number.POSITIVE_INFINITY
  const times = { before: 1_767_225_600, until, reason: undefined }
  expect(entries).toEqual([
    { issuer: ISSUER, kind: 'sub', value: 'alice', ...times, reason: 'left the company' },
    { issuer: ISSUER, kind: 'jti', value: 't1', ...times, before: undefined },
    { issuer: ISSUER, kind: 'sid', value: 's1', ...times, until: 1_767_229_200 },
    { issuer: ISSUER, kind: 'client', value: 'shop', ...times },
    { issuer: ISSUER, kind: 'all', value: '', ...times },
  ])
})

test.each(['', '# nobody', '[]'])('%j revokes nobody', text => {
  expect(readRevokedFile(text)).toEqual({ entries: [], problems: [] })
})

test.each([
  ['- { issuer: a, sub: alice }', 1, 'before: is missing'],
  ['- { issuer: a, sub: alice, sid: s1, before: 1 }', 1, 'not `sub` and `sid`'],
  ['- { issuer: a }', 1, 'not none of them'],
  ['- { sub: alice, before: 1 }', 1, 'issuer: is missing'],
  ['- { issuer: a, jti: 7 }', 1, 'jti: must be text'],
  ['- { issuer: a, jti: "" }', 1, 'jti: must be text of one line'],
  ['- { issuer: a, all: false, before: 1 }', 1, 'all: must be `true`'],
  ['- { issuer: a, sub: x, before: soon }', 1, 'before: must be whole seconds'],
  ['- { issuer: a, sub: x, before: 1767225600000 }', 1, 'before: must be whole seconds'],
  ['\n- { issuer: a, subject: x, before: 1 }', 2, 'subject: is not a known key'],
  ['issuer: a', 1, 'must be a list'],
  ['- { issuer: a, jti: t, jti: u }', 1, 'jti'],
  ['- [', 1, 'not valid YAML'],
])('%j is told at its place', (text, line, message) => {
  const { entries, problems } = readRevokedFile(text)
  expect(entries).toEqual([])
  expect(problems.map(problem => problem.message).join('\n')).toContain(message)
  expect(problems[0]?.line).toBe(line)
})

test('a long list of problems is cut, and says so', () => {
  const text = Array.from({ length: 8 }, (_, index) => `- { issuer: a, sub: user-${index} }`).join('\n')
  const problem = revokedFileProblem(text)
  expect(problem).toContain('1:3 [0].before: is missing')
  expect(problem).toMatch(/; and 3 more$/)
  expect(revokedFileProblem('[]')).toBeUndefined()
})
