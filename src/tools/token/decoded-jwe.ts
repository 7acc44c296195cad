/**
 * Takes an encrypted token apart for a person to look at: its header, and with the keys what is inside.
 *
 * RFC 7516 §3.1. The header is all that can be read without a key. Nothing is verified.
 */
import type { TokenDecrypter } from '../../authenticate/decryption.ts'
import { parseCompactJwe, requireNestedJwt } from '../../authenticate/encrypted/jwe-header.ts'
import { Denial } from '../../errors.ts'
import { denialText } from '../explain/denial-text.ts'
import { jsonPart } from '../text/json-part.ts'
import { shown } from '../text/shown.ts'
import { type DecodedToken, decodedToken } from './decoded-token.ts'

export interface DecodedJwe {
  /** It is undefined when it cannot be read. */
  readonly header: unknown
  /** What was encrypted; undefined when nobody opened it. */
  readonly inside: DecodedToken | undefined
  /** The ids of the providers whose key opened it, as one text. */
  readonly openedBy: string | undefined
  /** The reason why the gateway would refuse it as far as that was tried; undefined when it would not. */
  readonly problem: string | undefined
}

/** @param open decrypts the token; undefined: only the header is looked at */
export async function decodedJwe(token: string, nowMs: number, open: TokenDecrypter | undefined): Promise<DecodedJwe> {
  const header = shown(jsonPart(token.split('.', 1)[0] ?? ''))
  try {
    if (open === undefined) {
      requireNestedJwt(parseCompactJwe(token))
      return { header, inside: undefined, openedBy: undefined, problem: undefined }
    }
    const { jws, providers } = await open(token)
    return { header, inside: decodedToken(jws, nowMs), openedBy: [...providers].join(', '), problem: undefined }
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return { header, inside: undefined, openedBy: undefined, problem: denialText(error) }
  }
}
