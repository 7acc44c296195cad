/** Reads the tokens and claims of a command line, which are given as they are, in a file, or on standard input. */

import type { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isatty } from 'node:tty'
import { problemReport } from '../config/check/report.ts'
import { readRevokedFile } from '../config/read/revoked-file.ts'
import { readSource } from '../config/read/source.ts'
import { ConfigError } from '../errors.ts'
import { fileFailureText } from '../lib/failure-text.ts'
import type { RevocationEntry } from '../revocation/entry.ts'
import { type WrittenAnswer, writtenAnswer } from '../tools/engine/answering.ts'
import { readCertificate } from '../tools/engine/shown-certificate.ts'
import { type PastedToken, PasteError, pastedToken } from '../tools/token/pasted-token.ts'
import type { Claims } from '../types.ts'
import { type CommandIo, UsageError } from './command.ts'

export const TOKEN_HELP = 'the token itself, @FILE, or - for standard input (which keeps it out of the shell’s history)'

/** Reads a token, out of whatever it was copied with. @throws {UsageError} the file cannot be read, or has no token */
export function tokenText(given: string, { stderr }: Pick<CommandIo, 'stderr'>): string {
  if (given === '-' && isatty(0)) stderr('paste the token, then Enter and Ctrl-D\n')
  const { token, hint } = pasted(
    given === '-'
      ? fileText(0, 'standard input')
      : given.startsWith('@')
        ? fileText(given.slice(1), given.slice(1))
        : given,
  )
  if (token === '') throw new UsageError(`there is no token in ${given === '-' ? 'standard input' : placeOf(given)}`)
  if (token === given && isFile(given)) throw new UsageError(`${given} is a file; write @${given}`)
  if (hint !== undefined) stderr(`${hint}\n`)
  return token
}

function pasted(text: string): PastedToken {
  try {
    return pastedToken(text)
  } catch (error) {
    throw error instanceof PasteError ? new UsageError(error.message) : error
  }
}

function placeOf(given: string): string {
  return given.startsWith('@') ? given.slice(1) : 'what is given; is a variable of the shell empty?'
}

/** No name of a file is longer than this, and a path is rarely. */
function isFile(text: string): boolean {
  return text.length < 256 && existsSync(text)
}

/** Reads a DPoP proof, as it is or in a file. @throws {UsageError} the file cannot be read */
export function proofText(given: string): string {
  const text = given.startsWith('@') ? fileText(given.slice(1), given.slice(1)) : given
  return text.trim().replace(/^dpop:\s*/i, '')
}

/** Reads claims in JSON or YAML: as they are given when they begin with `{`, else from a file. @throws {UsageError} */
export function claimsObject(given: string, { name, example } = CLAIMS): Claims {
  if (/^\s*["']?\w+["']?\s*[:=]\s/.test(given) && !existsSync(given))
    throw new UsageError(`${name} stand in braces, as in ${example}; anything else is the name of a file`)
  const isInline = given.startsWith('{')
  const text = isInline ? given : given === '-' ? fileText(0, 'standard input') : fileText(given, given)
  const { value, findings } = readSource(text, {})
  const [problem] = findings
  // Of `{"sub":"alice"}` without quotes around it, a shell leaves `{sub:alice}`, which YAML takes for one name.
  const isTorn =
    isInline && Object.entries(Object(value)).some(([key, each]) => key.includes(':') && each === undefined)
  if (isTorn || (isInline && problem !== undefined))
    throw new UsageError(
      `${name} cannot be read: ${isTorn ? 'a blank is missing after a colon' : problem?.message}. Put them in single quotes, as in '${example}'`,
    )
  if (problem !== undefined) throw new UsageError(`${name} cannot be read: ${problem.message}`)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`${name} must be an object of members, as in ${example}`)
  return value as Claims
}

/** Reads the answer of a server about a token, as {@link claimsObject} reads claims. @throws {UsageError} */
export function introspectionAnswer(given: string): WrittenAnswer {
  const value = claimsObject(given, ANSWER)
  const answer = writtenAnswer(value)
  if (answer !== undefined) return answer
  if (Object.hasOwn(value, 'token_introspection'))
    throw new UsageError('give what is in `token_introspection`: signed answers are verified before anybody reads that')
  throw new UsageError(
    'the answer must have `active`, and that must be true or false; the gateway takes anything else for no answer',
  )
}

const CLAIMS = { name: 'the claims', example: '{"sub": "alice"}' }
const ANSWER = { name: 'the answer', example: '{"active": true, "sub": "alice"}' }

/**
 * Reads a file of revocations.
 *
 * @throws {UsageError} it cannot be read
 * @throws {ConfigError} with all of its problems
 */
export function revokedEntries(file: string): readonly RevocationEntry[] {
  const text = fileText(file, file)
  const { entries, problems } = readRevokedFile(text)
  if (problems.length === 0) return entries
  const placed = problems.map(problem => ({ ...problem, path: [] }))
  throw new ConfigError(placed, problemReport(file, text, placed))
}

/** Reads a certificate. @throws {UsageError} the file cannot be read, or holds none */
export function certificateIn(file: string): X509Certificate {
  try {
    return readCertificate(fileText(file, file))
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${file} ${error.message}`)
    throw error
  }
}

function fileText(file: string | number, name: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`${name} cannot be read: ${fileFailureText(error)}`)
  }
}
