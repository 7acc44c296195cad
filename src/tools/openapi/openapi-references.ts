/**
 * Follows the `$ref` of an OpenAPI document to what it stands for.
 *
 * RFC 6901 §6 (JSON Pointer in a fragment). Only the document itself is read: a reference to another one is refused,
 * since what it stands for may ask for more than what is seen.
 */

export type Members = Readonly<Record<string, unknown>>

/** Returns what the value stands for. @throws {SyntaxError} a reference leads out of the document, or nowhere */
type Resolve = (value: unknown) => unknown

export function referencesOf(document: unknown): Resolve {
  return value => {
    const followed = new Set<unknown>()
    let at = value
    while (Object.hasOwn(members(at), '$ref')) {
      const { $ref: reference, ...beside } = members(at)
      if (followed.has(reference)) throw new SyntaxError(`\`$ref: ${String(reference)}\` leads back to itself`)
      followed.add(reference)
      at = { ...members(target(document, reference)), ...beside }
    }
    return at
  }
}

/** Is true when the value is a reference to another document. */
export function isOutside(value: unknown): boolean {
  const { $ref: reference } = members(value)
  return reference !== undefined && !(typeof reference === 'string' && reference.startsWith('#'))
}

export function members(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {}
}

function target(document: unknown, reference: unknown): unknown {
  if (typeof reference !== 'string' || !reference.startsWith('#'))
    throw new SyntaxError(
      `\`$ref: ${String(reference)}\` leads out of the document: bundle it into one file first, e.g. with \`redocly bundle\``,
    )
  const found = pointer(reference).reduce<unknown>(
    (at, token) => (Object.hasOwn(members(at), token) ? members(at)[token] : undefined),
    document,
  )
  if (found === undefined) throw new SyntaxError(`\`$ref: ${reference}\` leads to nothing in the document`)
  return found
}

function pointer(reference: string): readonly string[] {
  try {
    const [, ...tokens] = decodeURIComponent(reference.slice(1)).split('/')
    return tokens.map(token => token.replaceAll('~1', '/').replaceAll('~0', '~'))
  } catch {
    throw new SyntaxError(`\`$ref: ${reference}\` cannot be read`)
  }
}
