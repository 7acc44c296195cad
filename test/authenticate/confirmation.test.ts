import { expect, test } from 'vitest'
import { confirmationOf, isProvable, thumbprintProblem } from '../../src/authenticate/confirmation.ts'
import type { ProofKind } from '../../src/types.ts'

const THUMBPRINT = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I'

test('a token without cnf is bound to nothing', () => {
  expect(confirmationOf({ sub: 'a' })).toBeUndefined()
})

test('a token is bound to the keys that cnf names', () => {
  expect(confirmationOf({ cnf: { jkt: THUMBPRINT, 'x5t#S256': 'b', kid: 'c' } })).toEqual({
    jkt: THUMBPRINT,
    certificateThumbprint: 'b',
  })
})

test.each([[null], [{}], [[]], ['x'], [{ kid: 'x' }]])(
  'a token with cnf %j is bound in a way that is not known',
  cnf => {
    expect(confirmationOf({ cnf })).toEqual({ jkt: undefined, certificateThumbprint: undefined })
  },
)

test('a member of another type is a binding that nobody can prove', () => {
  expect(confirmationOf({ cnf: { jkt: 5 } })?.jkt).toBe('')
  expect(confirmationOf({ cnf: { 'x5t#S256': null } })?.certificateThumbprint).toBe('')
})

test('what is no thumbprint is told apart', () => {
  expect(thumbprintProblem(THUMBPRINT)).toBeUndefined()
  expect(thumbprintProblem('ab'.repeat(32))).toContain('hexadecimal')
  expect(thumbprintProblem(`${'AB:'.repeat(31)}AB`)).toContain('hexadecimal')
  for (const other of ['', THUMBPRINT.slice(1), `${THUMBPRINT}=`, `${THUMBPRINT.slice(0, -1)}J`])
    expect(thumbprintProblem(other)).toContain('no SHA-256')
})

test('a binding can be proven where each of its kinds is judged, and each thumbprint is one', () => {
  const [dpop, both] = [new Set<ProofKind>(['dpop']), new Set<ProofKind>(['dpop', 'certificate'])]
  const provable = (jkt: string | undefined, certificateThumbprint: string | undefined, judged: Set<ProofKind>) =>
    isProvable({ jkt, certificateThumbprint }, judged)
  expect(provable(THUMBPRINT, undefined, dpop)).toBe(true)
  expect(provable(THUMBPRINT, THUMBPRINT, both)).toBe(true)
  expect(provable(THUMBPRINT, THUMBPRINT, dpop)).toBe(false)
  expect(provable(THUMBPRINT, 'x', both)).toBe(false)
  expect(provable('', undefined, both)).toBe(false)
  expect(provable(undefined, undefined, both)).toBe(false)
})
