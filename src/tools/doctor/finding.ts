/** What a check of `sallyport doctor` says: what it saw, and what to do about it. Make one with the functions below. */

export const OUTCOMES = ['ok', 'warn', 'fail', 'skipped'] as const

export type Outcome = (typeof OUTCOMES)[number]

/** What is looked at, in the words of the findings. */
export const CHECK_NAMES = [
  ...(['file', 'watch', 'writable', 'memory', 'node', 'descriptors', 'port', 'admin', 'probe'] as const),
  ...(['provider', 'dns', 'tcp', 'proxy', 'tls', 'discovery', 'issuer', 'clock', 'keys', 'asking', 'login'] as const),
  ...(['upstream', 'bypass', 'store', 'traces', 'through', 'forged', 'path'] as const),
] as const

export type CheckName = (typeof CHECK_NAMES)[number]

/** A place in our documents, as a path from the root of the project. */
type Link = `${string}.md#${string}`

/** What was found, before it is known of what. */
export interface Verdict {
  readonly outcome: Outcome
  /** One line: what was seen, or why nothing was looked at. It holds no secret. */
  readonly seen: string
  /** One line: what to do. It is there for what is not well. */
  readonly remedy?: string
  readonly link?: Link
}

export interface Finding extends Verdict {
  readonly check: CheckName
  /** Of what, such as `provider main`; undefined for what there is one of. */
  readonly subject: string | undefined
}

export function ok(seen: string): Verdict {
  return { outcome: 'ok', seen }
}

export function warn(seen: string, remedy: string, link: Link): Verdict {
  return { outcome: 'warn', seen, remedy, link }
}

export function fail(seen: string, remedy: string, link: Link): Verdict {
  return { outcome: 'fail', seen, remedy, link }
}

/** @param seen says what is missing to look at it */
export function skipped(seen: string): Verdict {
  return { outcome: 'skipped', seen }
}

export function finding(check: CheckName, subject: string | undefined, verdict: Verdict): Finding {
  return { check, subject, ...verdict }
}
