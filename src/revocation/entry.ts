/**
 * Says what a revocation is, and reads one from JSON or YAML: the file, the admin API, the store and the command line
 * all have this one shape.
 *
 * An entry names an issuer and exactly one of `jti`, `sub`, `sid`, `client` and `all: true`. Times are whole seconds
 * since the epoch (RFC 7519 §2, NumericDate). A person may write RFC 3339 instead.
 */
import * as z from 'zod'

/** What a token can be revoked by: its id, its subject, its session, its client, or nothing but its issuer. */
export const REVOCATION_KINDS = ['jti', 'sub', 'sid', 'client', 'all'] as const
export type RevocationKind = (typeof REVOCATION_KINDS)[number]

/** What an entry is about. Two entries about the same are one. */
export interface RevocationSubject {
  readonly issuer: string
  readonly kind: RevocationKind
  /** Empty for `all`. */
  readonly value: string
}

/** An entry as it was written. */
export interface WrittenEntry extends RevocationSubject {
  /** Tokens issued later are not meant. Undefined: for `jti` there is no such time, else it is that of the entry. */
  readonly before: number | undefined
  /** When the entry may be forgotten; undefined: its source says. */
  readonly until: number | undefined
  readonly reason: string | undefined
}

/** An entry with its times filled in. */
export interface RevocationEntry extends RevocationSubject {
  /** Tokens issued up to this second are revoked, and those without `iat`; undefined: whenever they were issued. */
  readonly before: number | undefined
  /** Last second in which the entry counts; infinite: as long as its source holds it. */
  readonly until: number
  readonly reason: string | undefined
}

/** The end of the year 9999. Later times are mistakes: one in milliseconds would be past the year 50,000. */
const LATEST_SECONDS = 253_402_300_799
const LONGEST_VALUE = 1024
const LONGEST_REASON = 200

const secondsOrElse = (error: string) => z.int({ error }).min(0, { error }).max(LATEST_SECONDS, { error })
const seconds = secondsOrElse('must be whole seconds since the epoch, like `1767225600`')

const TIME = 'must be whole seconds since the epoch, or a time like `2026-01-01T00:00:00Z`'
const time = z.union([secondsOrElse(TIME), z.iso.datetime({ offset: true, error: TIME })], { error: TIME })

const name = z
  .string()
  .regex(/^[^\p{Cc}]+$/u, { error: 'must be text of one line that is not empty' })
  .max(LONGEST_VALUE, { error: `must be at most ${LONGEST_VALUE} characters` })

function entrySchema<Time extends z.ZodType<number | string>>(times: Time) {
  return z
    .strictObject({
      issuer: name.describe('`iss` of the tokens.'),
      jti: name.optional().describe('The one token with this `jti`.'),
      sub: name.optional().describe('All tokens of this subject.'),
      sid: name.optional().describe('All tokens of this session.'),
      client: name.optional().describe('All tokens of this client: `client_id`, else `azp`.'),
      all: z.literal(true, { error: 'must be `true`' }).optional().describe('All tokens of the issuer.'),
      before: times.optional().describe('Only tokens issued up to this second.'),
      until: times.optional().describe('When the entry may be forgotten.'),
      reason: z
        .string()
        .regex(/^[^\p{Cc}]*$/u, { error: 'must be text of one line' })
        .max(LONGEST_REASON, { error: `must be at most ${LONGEST_REASON} characters` })
        .optional()
        .describe('A note for people.'),
    })
    .transform((written, context): WrittenEntry => {
      const kinds = REVOCATION_KINDS.filter(kind => written[kind] !== undefined)
      const [kind] = kinds
      if (kind === undefined || kinds.length > 1) {
        const seen = kinds.length === 0 ? 'none of them' : kinds.map(each => `\`${each}\``).join(' and ')
        context.issues.push({
          code: 'custom',
          message: `must have exactly one of \`jti\`, \`sub\`, \`sid\`, \`client\` and \`all\`, not ${seen}`,
          input: written,
        })
        return z.NEVER
      }
      return {
        issuer: written.issuer,
        kind,
        value: kind === 'all' ? '' : (written[kind] ?? ''),
        before: secondsOf(written.before),
        until: secondsOf(written.until),
        reason: written.reason,
      }
    })
}

/** For programs: the admin API and the store. */
export const entryOfPrograms = entrySchema(seconds)
/** For people: the file and the command line. */
export const entryOfPeople = entrySchema(time)

/** Reads a time that a person writes. @returns whole seconds since the epoch */
export const timeOfPeople = time.transform(written => secondsOf(written) ?? 0)

/** The end of a second counts as that second. */
function secondsOf(written: number | string | undefined): number | undefined {
  return typeof written === 'string' ? Math.floor(Date.parse(written) / 1000) : written
}

/** Says what an entry is about, in the words of the file: `sub alice of https://auth.example.com/`. */
export function subjectText({ kind, value, issuer }: RevocationSubject): string {
  return kind === 'all' ? `all tokens of ${issuer}` : `${kind} ${value} of ${issuer}`
}

/**
 * Fills in the times of an entry: without `before` it is about tokens issued up to now, and without `until` it is kept
 * for `keepSeconds`, or until a `before` in the future is over by as long.
 */
export function withTimes(written: WrittenEntry, nowSeconds: number, keepSeconds: number): RevocationEntry {
  const before = written.kind === 'jti' ? written.before : (written.before ?? nowSeconds)
  return { ...written, before, until: written.until ?? Math.max(nowSeconds, before ?? 0) + keepSeconds }
}
