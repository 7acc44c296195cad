/**
 * Reads the content of `credentialsFile`: `user:password` on one line, for Basic authorization at the proxy.
 *
 * RFC 7617 §2: the user has no colon, neither part has control characters, and both are sent as UTF-8. One line break
 * at the end of the file is not part of the password; blanks are.
 */

/** With Base64 this fits a header that every proxy takes. */
const MOST_BYTES = 4096

/** Says what is wrong with the content, and never repeats it; undefined when nothing is. */
export function credentialsProblem(content: Buffer): string | undefined {
  const text = textOf(content)
  if (text === '') return 'is empty; write `user:password` into it, or leave the key out'
  if (content.length > MOST_BYTES) return `is larger than ${MOST_BYTES} bytes; write \`user:password\` into it`
  return /^[^\p{Cc}:\ufffd]+:[^\p{Cc}\ufffd]*$/u.test(text)
    ? undefined
    : 'does not hold `user:password` on one line; write it so, in UTF-8'
}

/** @param content without a {@link credentialsProblem} @returns the value of `Proxy-Authorization` */
export function basicAuthorization(content: Buffer): string {
  return `Basic ${Buffer.from(textOf(content)).toString('base64')}`
}

function textOf(content: Buffer): string {
  return content.toString('utf8').replace(/\r?\n$/, '')
}
