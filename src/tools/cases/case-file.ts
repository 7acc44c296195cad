/**
 * Reads a file of test cases: which requests a policy must let pass, which it must refuse, and with what.
 *
 * The file is read like a configuration: unknown keys are errors, and every problem is reported at once with its place.
 */

import type { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Finding, findings, problemText } from '../../config/check/findings.ts'
import { problemReport } from '../../config/check/report.ts'
import type { Environment } from '../../config/read/environment.ts'
import { readSource } from '../../config/read/source.ts'
import { ConfigError } from '../../errors.ts'
import { fileFailureText } from '../../lib/failure-text.ts'
import type { Claims, RequestFacts } from '../../types.ts'
import type { WrittenAnswer } from '../engine/answering.ts'
import type { FetchSite } from '../engine/browser-request.ts'
import type { ProofFaults } from '../engine/prover.ts'
import { readCertificate } from '../engine/shown-certificate.ts'
import type { WrittenMessage } from '../engine/tool-call.ts'
import { requestOf } from './case-problems.ts'
import { type CaseEntry, caseFileSchema } from './case-schema.ts'

export interface TestCase {
  readonly name: string
  readonly request: RequestFacts
  /** Whether the case says that the request is a preflight. */
  readonly isPreflight: boolean
  /** The message that is the body; undefined where the case says nothing of it. */
  readonly message: WrittenMessage | undefined
  readonly claims: Claims | undefined
  /** What the server says of the token; undefined where none is asked. */
  readonly introspection: WrittenAnswer | undefined
  readonly provider: string | undefined
  /** As whom a browser is logged in; undefined: its cookie is not sent. */
  readonly session: Claims | undefined
  /** What the browser says of the page that sends the request. */
  readonly origin: string | undefined
  readonly fetchSite: FetchSite | undefined
  readonly navigate: boolean
  /** Whether the login of the session was asked for what the route requires, just now. */
  readonly steppedUp: boolean
  /** They are in force besides what the configuration's own file says. */
  readonly revoked: readonly CaseEntry[]
  readonly revocation: 'stale' | undefined
  /** When the request arrives, in seconds since the epoch; undefined: as of the real time. */
  readonly now: number | undefined
  /** How the key is proven that the token is bound to; undefined for a token that is not bound by it. */
  readonly proof: 'dpop' | 'none' | ProofFaults | undefined
  /** Which certificate is shown; undefined for a token that is not bound by it. */
  readonly certificate: X509Certificate | 'none' | undefined
  /** How often the request is sent; undefined: once. */
  readonly repeat: number | undefined
  readonly expect: string
  /** Where a browser must be sent. */
  readonly location: string | undefined
  readonly reported: string | undefined
  readonly route: string | undefined
  readonly headers: Readonly<Record<string, string | null>>
  /** The line on which the case begins; the first line of a file is 1. */
  readonly line: number
}

interface CaseFile {
  readonly file: string
  /** The path is absolute; it is undefined when the file names no configuration. */
  readonly configFile: string | undefined
  readonly cases: readonly TestCase[]
}

/** Reads and checks the file. @throws {ConfigError} with every problem */
export function readCaseFile(file: string, env: Environment): CaseFile {
  const text = fileText(file)
  const source = readSource(text, env)
  const parsed = caseFileSchema.safeParse(source.value ?? {}, { error: problemText })
  const found = source.isBroken || parsed.success ? source.findings : [...source.findings, ...findings(parsed.error)]
  if (!parsed.success || found.length > 0) throw caseFileError(file, text, found, source.position)
  const { config, tests } = parsed.data
  const certificates = certificatesOf(tests, dirname(file))
  const unread = certificates.flatMap((each, index): Finding[] =>
    typeof each === 'object' && 'problem' in each
      ? [{ path: ['tests', index, 'certificate'], message: each.problem }]
      : [],
  )
  if (unread.length > 0) throw caseFileError(file, text, unread, source.position)
  return {
    file,
    configFile: config === undefined ? undefined : resolve(dirname(file), config),
    cases: tests.map(({ request, requestHeaders, preflight, mcp, ...rest }, index) => ({
      ...rest,
      isPreflight: preflight !== undefined,
      message: mcp && { method: mcp.method, tool: mcp.tool },
      claims: rest.claims,
      introspection: rest.introspection,
      provider: rest.provider,
      session: rest.session,
      origin: rest.origin,
      fetchSite: rest.fetchSite,
      location: rest.location,
      repeat: rest.repeat,
      revocation: rest.revocation,
      now: rest.now,
      proof: rest.proof,
      certificate: certificates[index] as TestCase['certificate'],
      reported: rest.reported,
      route: rest.route,
      request: requestOf({ request, requestHeaders, preflight }),
      line: source.position({ path: ['tests', index], message: '' }).line,
    })),
  }
}

interface Unread {
  readonly problem: string
}

function certificatesOf(
  tests: ReadonlyArray<{ readonly certificate?: string | undefined }>,
  folder: string,
): ReadonlyArray<TestCase['certificate'] | Unread> {
  return tests.map(({ certificate }) => {
    if (certificate === undefined || certificate === 'none') return certificate
    try {
      return readCertificate(readFileSync(resolve(folder, certificate), 'utf8'))
    } catch (error) {
      return { problem: error instanceof SyntaxError ? error.message : `cannot be read: ${fileFailureText(error)}` }
    }
  })
}

function fileText(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\ufeff/, '')
  } catch (error) {
    const message = `the file cannot be read: ${fileFailureText(error)}; check the path and the permissions`
    const problems = [{ path: [], message }]
    throw new ConfigError(problems, problemReport(file, '', problems))
  }
}

function caseFileError(
  file: string,
  text: string,
  found: readonly Finding[],
  position: (finding: Finding) => { readonly line: number; readonly column: number },
): ConfigError {
  const problems = found
    .map(finding => ({ path: finding.path, message: finding.message, ...position(finding) }))
    .toSorted((a, b) => a.line - b.line || a.column - b.column)
  return new ConfigError(problems, problemReport(file, text, problems))
}
