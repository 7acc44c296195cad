/** Reads a part of a token that is JSON in base64url; undefined when it cannot be read. Nothing is verified. */
export function jsonPart(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    return undefined
  }
}
