/** Says that keys of the operator cannot be used. The message says what to do, and holds nothing of what was read. */
export class KeySourceError extends Error {
  override readonly name = 'KeySourceError'
}
