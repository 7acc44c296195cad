/**
 * Takes out of a text whatever looks like a secret: tokens, keys, passwords in URLs, queries.
 *
 * It rather takes out too much than too little: whoever reads a bundle can ask for what is missing.
 */

export const LEFT_OUT = '(left out)'

/** Matches names under which a secret would stand. */
export const SECRET_NAME = /pass|pwd|secret|token|key|credential|cookie|auth|private|signature|assertion|dpop/i

type Change = readonly [pattern: RegExp, replacement: string]

const CHANGES: readonly Change[] = [
  // PEM and OpenSSH keys and certificates.
  [/-----BEGIN [^-]+-----[\s\S]*?(?:-----END [^-]+-----|$)/g, LEFT_OUT],
  // JSON Web Tokens in compact form, and what is left of them.
  [/\beyJ[\w+/=%-]*(?:\.[\w+/=%-]*)*/g, LEFT_OUT],
  // What stands before the host of a URL, and its query and fragment.
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@'"]*@/gi, `$1${LEFT_OUT}@`],
  [/([a-z][a-z0-9+.-]*:\/\/[^\s?#'"`,;]*)[?#][^\s'"`,;]*/gi, `$1?${LEFT_OUT}`],
  // Values of `Authorization`, of cookies and of parameters.
  [/\b(bearer|basic|dpop)\s+[\w+/=.~-]{6,}/gi, `$1 ${LEFT_OUT}`],
  [
    /\b([\w-]*(?:password|passwd|secret|token|api[_-]?key|cookie)["']?\s*[=:]\s*["']?)(?=[^\s"'&,;(])[^\s"'&,;]{4,}/gi,
    `$1${LEFT_OUT}`,
  ],
  // Tokens of services that are known by how they begin.
  [
    /\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|sk_live_|AKIA|ASIA|AIza|hvs\.|ya29\.|npm_|dop_v1_)[\w-]{8,}/g,
    LEFT_OUT,
  ],
]

const LEAST_RANDOM_CHARS = 12
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const WORD = /[\w+=-]{20,}/g
const BASE64 = /(?<![\w/.-])[A-Za-z0-9+/]{32,}={0,2}(?![\w/.-])/g

export function withoutSecrets(text: string): string {
  const changed = CHANGES.reduce((result, [pattern, replacement]) => result.replaceAll(pattern, replacement), text)
  return changed
    .replaceAll(BASE64, word => (isRandom(word) ? LEFT_OUT : word))
    .replaceAll(WORD, word => (isRandom(word) ? LEFT_OUT : word))
}

/** Words of people have few digits, and are long only where they are put together. A UUID names a tenant or a pod. */
function isRandom(word: string): boolean {
  if (UUID.test(word)) return false
  const digits = word.replaceAll(/\D/g, '').length
  const parts = word.split(/[_\-=+/]/)
  const isMixed = /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word)
  const withDigits = parts.filter(part => /\d/.test(part))
  // A temporary folder has a random end, which is short.
  const isDense = withDigits.join('').length >= LEAST_RANDOM_CHARS
  return digits >= 3 && (withDigits.some(part => part.length >= 16) || (isMixed && isDense))
}
