/** Makes what a stranger sent fit for the operator's log: printable, short, and on one line. */

const MAX_CHARACTERS = 200

/** Returns the text with everything but printable ASCII shown as `?`, cut after 200 characters. */
export function evidenceText(value: string): string {
  const text = value.slice(0, MAX_CHARACTERS).replace(/[^\x20-\x7e]/g, '?')
  return value.length > MAX_CHARACTERS ? `${text}...` : text
}
