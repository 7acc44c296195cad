/** Reads what a command line refers to: tokens and claims, given as they are, from a file, or from standard input. */
import { readFileSync } from 'node:fs'
import { readSource } from '../config/read/source.ts'
import type { Claims } from '../types.ts'
import { UsageError } from './command.ts'

export const TOKEN_HELP = 'the token itself, @FILE, or - for standard input (which keeps it out of the shell’s history)'

/** @throws {UsageError} the file cannot be read */
export function tokenText(given: string): string {
  if (given === '-') return fileText(0, 'standard input').trim()
  const text = given.startsWith('@') ? fileText(given.slice(1), given.slice(1)) : given
  // Copied from a header or a curl line, as often as not.
  return text.trim().replace(/^(authorization:\s*)?bearer\s+/i, '')
}

/** JSON or YAML, in a file or, starting with `{`, as it is. @throws {UsageError} */
export function claimsObject(given: string): Claims {
  const text = given.startsWith('{') ? given : given === '-' ? fileText(0, 'standard input') : fileText(given, given)
  const { value, findings } = readSource(text, {})
  const [problem] = findings
  if (problem !== undefined) throw new UsageError(`the claims cannot be read: ${problem.message}`)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError('the claims must be an object of members, as in {"sub": "alice"}')
  return value as Claims
}

function fileText(file: string | number, name: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    throw new UsageError(`${name} cannot be read (${code})`)
  }
}
