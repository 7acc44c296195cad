/**
 * Writes the command line that decides a refused request once more, ready to be pasted into a shell.
 *
 * What the caller sent as a secret is not kept, so the line names files for it (`--token @token.txt`), which whoever
 * reports the refusal has. Claims are those of a person, and never stand in it. Attack: a path is what a stranger
 * wrote, and a shell would run `$(…)` in it. So everything is quoted, and what a terminal or the command would read
 * otherwise than it was sent gets no line at all.
 */
import { DENIALS, type DenialCode, type DenialSpec, STAGES } from '../errors.ts'

interface AskedAgain {
  readonly code: DenialCode
  readonly method: string
  readonly path: string
  readonly host: string
  /** Whether somebody was known by then, and what the token was bound to. */
  readonly caller: Caller | undefined
  readonly evidence: Readonly<Record<string, unknown>> | undefined
  /** Whether the gateway itself answers there, which may depend on the host. */
  readonly isEndpoint: boolean
}

/** What is known of a principal that says how to present its like. */
export interface Caller {
  readonly isSession: boolean
  readonly needsProof: boolean
  readonly needsCertificate: boolean
}

/** What is refused there depends on load, on a bug, or on bytes of the head that nobody remembers. */
const NOT_ASKED_AGAIN: ReadonlySet<DenialSpec['stage']> = new Set(['anywhere', 'receive', 'head'])

/** @returns undefined where no line asks for the same */
export function explainLine(asked: AskedAgain): string | undefined {
  const { code, method, path, host, isEndpoint } = asked
  const { stage }: DenialSpec = DENIALS[code]
  if (NOT_ASKED_AGAIN.has(stage)) return undefined
  // A path that was cut ends in a character that is not ASCII. For fish a backslash before a quote takes that back.
  if (!/^[A-Z][A-Z-]*$/.test(method) || !/^(?:\/[\x21-\x5b\x5d-\x7e]*|\*)$/.test(path)) return undefined
  const words = ['sallyport', 'explain', method, quoted(path)]
  const dependsOnHost = isEndpoint || code === 'route_unknown'
  // A host that is not shown as it was sent ends in another decision.
  if (dependsOnHost && host.includes('[redacted]')) return undefined
  if (dependsOnHost && isHost(host)) words.push('-H', quoted(`Host: ${host}`))
  const origin = asked.evidence?.seen
  if ((code === 'origin_forbidden' || code === 'cors_refused') && typeof origin === 'string' && isHost(origin))
    words.push('-H', quoted(`Origin: ${origin}`))
  return [...words, ...credentialOf(asked)].join(' ')
}

function credentialOf({ code, caller, isEndpoint }: AskedAgain): readonly string[] {
  const { stage }: DenialSpec = DENIALS[code]
  if (code === 'csrf_rejected' && !isEndpoint) return ['--session', 'claims.json', '--fetch-site', 'cross-site']
  const stages: readonly string[] = STAGES.ofToken
  if (caller === undefined) return stages.includes(stage) ? ['--token', '@token.txt'] : []
  if (caller.isSession) return ['--session', 'claims.json']
  return [
    ...['--token', '@token.txt'],
    ...(caller.needsProof ? ['--proof', '@proof.txt'] : []),
    ...(caller.needsCertificate ? ['--certificate', 'client.pem'] : []),
  ]
}

function isHost(text: string): boolean {
  return /^[\x21-\x5b\x5d-\x7e]{1,300}$/.test(text)
}

/**
 * Every POSIX shell takes what stands between single quotes as it is, and so does fish, but for backslashes. A quote
 * itself stands between double quotes: PowerShell splits such a word, but runs nothing of it.
 */
function quoted(text: string): string {
  return /^[\w/.,:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`
}
