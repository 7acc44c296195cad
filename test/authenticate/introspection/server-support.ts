/** Makes servers that are asked, and tells how a question ended. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { type AnsweringServer, QuestionFailure } from '../../../src/authenticate/introspection/answer.ts'
import { introspectionServer } from '../../../src/authenticate/introspection/server.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { CLIENT_ID, type IntrospectionEndpoint } from '../../support/services/introspection-endpoint.ts'

export type ServerOptions = Parameters<typeof introspectionServer>[0]

/** Writes a file that is gone when the test ends. */
export function fileOf(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-introspection-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'file')
  writeFileSync(file, content, { mode: 0o600 })
  return file
}

/** It is in the secret, so that a test can look for it where it must not be. */
export const SECRET = 'secret-of-the-client'

/** @returns a client of the endpoint, which is closed when the test ends */
export function clientOf(
  { issuer, url }: IntrospectionEndpoint,
  options: Partial<ServerOptions> = {},
): AnsweringServer {
  const server = introspectionServer({
    issuer,
    endpoint: url,
    client: options.client ?? { id: CLIENT_ID, auth: 'basic', secretFile: fileOf(SECRET) },
    response: 'json',
    clock: systemClock,
    clockToleranceSeconds: 5,
    allowInsecureHttp: false,
    connections: 4,
    ...options,
  })
  onTestFinished(() => server.close())
  return server
}

/** A signal that nothing ends. */
export const never = new AbortController().signal

/** @returns how a question failed, or the answer, if it did not */
export async function failureOf(asked: Promise<unknown>): Promise<Partial<QuestionFailure> & { message: string }> {
  try {
    return { message: `answered ${JSON.stringify(await asked)}` }
  } catch (error) {
    if (!(error instanceof QuestionFailure)) throw error
    const { result, message, retryAfterSeconds, cause } = error
    return { result, message, retryAfterSeconds, ...(cause === undefined ? {} : { cause }) }
  }
}
