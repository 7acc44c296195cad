/**
 * What the store is asked about sessions, in its own words: the keys, the fields, and the scripts that it runs whole.
 *
 * A session is a hash. `g` is its generation, `d` the sealed record, `n` a sealed label for those who list sessions,
 * and the others are its use, as decimals. Scripts use only commands that {@link COMMANDS} lists.
 */
import type { Reply } from '../store/connection.ts'
import { script } from '../store/script.ts'
import type { SessionUse } from './session.ts'

/** Name of the hash, behind the prefix of the store. */
export function sessionName(handle: string): string {
  return `session:${handle}`
}

/** Name of the lock, behind the prefix of the store. */
export function lockName(handle: string): string {
  return `session-lock:${handle}`
}

/** What a gateway has to be allowed, the commands inside of scripts included. */
export const COMMANDS = ['SET', 'GET', 'DEL', 'HMGET', 'HSET', 'PEXPIRE', 'EVAL', 'EVALSHA'] as const
/** What a command that lists and ends sessions has to be allowed. */
export const LISTING_COMMANDS = ['SCAN', 'HMGET', 'DEL'] as const

export const LOCK_MS = 3_000

const USE = ['lastUsed', 'seen', 'seenAt', 'seenBefore', 'endsAt'] as const

/** What a hash has besides its sealed label. */
export const FIELDS = ['g', 'd', ...USE] as const

/** The values of {@link USE}. One that is infinite is empty. */
export function useValues({ lastUsedAtMs, seen, seenAtMs, seenBefore, endsAtMs }: SessionUse): readonly string[] {
  return [lastUsedAtMs, seen, seenAtMs, seenBefore, endsAtMs].map(each => (Number.isFinite(each) ? String(each) : ''))
}

/** @returns undefined when these are no values of {@link useValues} */
export function useIn([lastUsed, seen, seenAt, seenBefore, endsAt]: readonly Reply[]): SessionUse | undefined {
  const use = {
    lastUsedAtMs: decimalIn(lastUsed),
    seen: decimalIn(seen),
    seenAtMs: decimalIn(seenAt),
    seenBefore: decimalIn(seenBefore),
    endsAtMs: endsAt === '' ? Number.POSITIVE_INFINITY : decimalIn(endsAt),
  }
  // What no cookie can say was written by somebody else.
  return Object.values(use).some(Number.isNaN) || use.seen > HIGHEST_GENERATION ? undefined : use
}

/** A cookie has four bytes for it. */
const HIGHEST_GENERATION = 2 ** 32 - 1

function decimalIn(value: Reply | undefined): number {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN
}

/**
 * Arguments: lifetime, then fields and values, the generation first. A session that is there stays as it is, unless it
 * is of an earlier generation: somebody with an older copy has written it back.
 */
export const CREATE = script(`
local g = redis.call('HMGET', KEYS[1], 'g')[1]
if g and tonumber(g) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
`)

/** Merges the use in arguments 2 to 6 into that of the store, and lets the session live for argument 1. */
const MERGE = `
local was = redis.call('HMGET', KEYS[1], 'lastUsed', 'seen', 'seenAt', 'endsAt')
local function n(text) return tonumber(text or '') or 0 end
if n(ARGV[2]) > n(was[1]) then redis.call('HSET', KEYS[1], 'lastUsed', ARGV[2]) end
if n(ARGV[3]) > n(was[2]) or (n(ARGV[3]) == n(was[2]) and n(ARGV[4]) < n(was[3])) then
  redis.call('HSET', KEYS[1], 'seen', ARGV[3], 'seenAt', ARGV[4], 'seenBefore', ARGV[5])
end
if ARGV[6] ~= '' and (not was[4] or was[4] == '' or n(ARGV[6]) < n(was[4])) then
  redis.call('HSET', KEYS[1], 'endsAt', ARGV[6])
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
`

/** Arguments: generation, record, label. It is for the same record under another key. */
export const RESEAL = script(`
if redis.call('HMGET', KEYS[1], 'g')[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'd', ARGV[2], 'n', ARGV[3])
return 1
`)

export const NOTE = script(`
if not redis.call('HMGET', KEYS[1], 'g')[1] then return 0 end
${MERGE}
return 1
`)

/**
 * Arguments besides those of {@link MERGE}: owner of the lock, generation before, generation, record, label. A lock
 * that nobody has is no obstacle: nobody redeems the refresh token, and the generation says that nobody has.
 */
export const COMMIT = script(`
local g = redis.call('HMGET', KEYS[1], 'g')[1]
if not g then return 'gone' end
local owner = redis.call('GET', KEYS[2])
if g ~= ARGV[8] or (owner and owner ~= ARGV[7]) then return 'moved' end
redis.call('HSET', KEYS[1], 'g', ARGV[9], 'd', ARGV[10], 'n', ARGV[11])
${MERGE}
return 'written'
`)

/** Arguments: owner, how long the lock lasts. */
export const RENEW = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

/** Argument: owner. */
export const RELEASE = script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)
