/**
 * Reads text the way the laxest of its readers does, to find what some of them takes for a name of ours.
 *
 * It is for what is kept from a service, never for what is believed.
 */

/** A text that still changes after so many decodings is nobody's name. */
const MAX_DECODINGS = 3

/** @returns the text decoded fully, in the compatibility form and without case, as route/readings.ts reads a path */
export function laxText(written: string): string {
  let bytes = written
  for (let times = 0; times < MAX_DECODINGS && /[+%]/.test(bytes); times++)
    bytes = formDecoded(bytes.replaceAll(/%u([0-9A-Fa-f]{4})/gi, (_, hex: string) => utf8Of(Number.parseInt(hex, 16))))
  return Buffer.from(bytes, 'latin1').toString('utf8').normalize('NFKC').toUpperCase().toLowerCase()
}

/** Decodes as a form is decoded, byte by byte. What is not encoded well stays as it is. */
export function formDecoded(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function utf8Of(codeUnit: number): string {
  return Buffer.from(String.fromCharCode(codeUnit)).toString('latin1')
}
