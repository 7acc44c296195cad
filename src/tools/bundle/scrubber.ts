/**
 * Takes secrets that are known out of a text, whichever way they are written: the last fence before something leaves.
 *
 * Nothing in a bundle should hold one in the first place; what is written by others, such as the message of a check or
 * the path of a request, might.
 */
import { LEFT_OUT } from './secret-looks.ts'

/** A shorter one would take words out of every text. */
const LEAST_CHARACTERS = 4

export function scrubber(secrets: Iterable<string>): (text: string) => string {
  const forms = new Set([...secrets].filter(({ length }) => length >= LEAST_CHARACTERS).flatMap(formsOf))
  // A longer one may begin with a shorter one.
  const sorted = [...forms].toSorted((one, other) => other.length - one.length)
  return text => sorted.reduce((result, form) => result.replaceAll(form, LEFT_OUT), text)
}

function formsOf(secret: string): readonly string[] {
  const bytes = Buffer.from(secret, 'utf8')
  const percent = encodeURIComponent(secret.toWellFormed())
  const encoded = ['base64', 'base64url', 'hex'] as const
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    percent,
    percent.replaceAll(/%../g, octet => octet.toLowerCase()),
    encodeURIComponent(percent),
    new URLSearchParams({ '': secret }).toString().slice(1),
    ...encoded.map(encoding => bytes.toString(encoding)),
    bytes.toString('hex').toUpperCase(),
    ...within(bytes),
  ].filter(({ length }) => length >= LEAST_CHARACTERS)
}

/** What a secret looks like within longer text that is base64: there are three ways to begin. */
function within(bytes: Buffer): readonly string[] {
  if (bytes.length < 8) return []
  return [0, 1, 2].flatMap(offset => {
    const middle = bytes.subarray((3 - offset) % 3)
    const whole = middle.subarray(0, middle.length - (middle.length % 3))
    return [whole.toString('base64'), whole.toString('base64url')]
  })
}
