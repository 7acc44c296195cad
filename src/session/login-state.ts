/**
 * Keeps what a login needs on its way to the provider and back: in a sealed cookie of the browser, and nowhere else.
 *
 * RFC 6749 §10.12 (state), OpenID Connect Core 1.0 §3.1.2.1 (nonce), RFC 7636 §4.1 (verifier). All three are made of
 * one random secret. Each login has a cookie of its own, so that several tabs can log in at once.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { isSameSecret } from '../lib/secrets.ts'
import type { AskedOfLogin } from '../types.ts'
import type { LoginCookie } from './cookie-lines.ts'
import { returnTarget } from './return-target.ts'
import type { SessionKeys } from './session.ts'

export const LOGIN_SECONDS = 600

/** A browser of ten tabs can log in in all of them. */
const MOST_LOGINS = 10
const MOST_CLEARED = 20

/** Servers refuse heads of more than 8 or 16 KiB, and somebody may start logins whose targets are long on purpose. */
const MOST_CHARACTERS = 6144

/** By so much the clock of another replica may be ahead. */
const MOST_AHEAD_MS = 60_000

const VERSION = 1
const TIME_BYTES = 4
const SECRET_BYTES = 24
const SECRET_AT = 1 + TIME_BYTES
const REST_AT = SECRET_AT + SECRET_BYTES
const STATE_BYTES = 18
const LABEL_CHARACTERS = 8

/** What the provider is sent, and what its answer is compared with. */
interface LoginSecrets {
  /** 24 characters */
  readonly state: string
  /** 43 characters */
  readonly nonce: string
  /** 43 characters */
  readonly verifier: string
}

interface LoginIntent {
  /** A target of ours, where the browser goes in the end. */
  readonly returnTo: string
  readonly asked: AskedOfLogin | undefined
}

export interface Login extends LoginSecrets, LoginIntent {
  /** That of its cookie, which has to be cleared when the login is over. */
  readonly label: string
}

interface StartedLogin extends Login {
  /** Goes to the browser, for {@link LOGIN_SECONDS}. */
  readonly cookie: LoginCookie
  /** Labels of the cookies that have to be cleared for it. */
  readonly superseded: readonly string[]
}

export interface LoginStates {
  /** @param cookies those that the request has brought */
  begin(intent: LoginIntent, cookies: readonly LoginCookie[], nowMs: number): StartedLogin
  /** @returns undefined for a value that no key of ours has sealed, that is too old, or that comes from the future */
  open(value: string, nowMs: number): Login | undefined
  /** Finds the login that the provider's answer is about. @param state as the answer has it */
  find(cookies: readonly LoginCookie[], state: string, nowMs: number): Login | undefined
}

/** @param keys what they open is asked anew each time, so they may be exchanged behind this interface */
export function loginStates(keys: Pick<SessionKeys, 'seal' | 'open'>): LoginStates {
  const openAt = (value: string, nowMs: number): OpenedLogin | undefined => {
    const plain = keys.open('login', Buffer.from(value, 'base64url'))
    const login = plain === undefined ? undefined : loginIn(plain)
    if (login === undefined) return undefined
    const ageMs = nowMs - login.atMs
    return ageMs > LOGIN_SECONDS * 1000 || ageMs < -MOST_AHEAD_MS ? undefined : login
  }
  const open = (value: string, nowMs: number): Login | undefined => openAt(value, nowMs)?.login
  return Object.freeze<LoginStates>({
    open,
    begin({ returnTo, asked }, cookies, nowMs) {
      const secret = randomBytes(SECRET_BYTES)
      const login = { ...secretsOf(secret), returnTo: returnTarget(returnTo), asked }
      const value = keys.seal('login', plainOf(login, secret, nowMs)).toString('base64url')
      const others = cookies.map(cookie => ({ ...cookie, atMs: openAt(cookie.value, nowMs)?.atMs ?? 0 }))
      return {
        ...login,
        cookie: { label: login.label, value },
        superseded: supersededOf(others, value.length),
      }
    },
    find(cookies, state, nowMs) {
      const label = labelOf(state)
      for (const cookie of cookies) {
        if (cookie.label !== label) continue
        const login = open(cookie.value, nowMs)
        if (login !== undefined && isSameSecret(Buffer.from(login.state), Buffer.from(state))) return login
      }
      return undefined
    },
  })
}

interface OpenedLogin {
  readonly login: Login
  readonly atMs: number
}

function labelOf(state: string): string {
  return state.slice(0, LABEL_CHARACTERS)
}

function secretsOf(secret: Buffer): LoginSecrets & Pick<Login, 'label'> {
  const made = (purpose: string): Buffer => createHmac('sha256', secret).update(purpose).digest()
  const state = made('state').toString('base64url', 0, STATE_BYTES)
  return {
    label: labelOf(state),
    state,
    nonce: made('nonce').toString('base64url'),
    verifier: made('verifier').toString('base64url'),
  }
}

function plainOf({ returnTo, asked }: LoginIntent, secret: Buffer, nowMs: number): Buffer {
  const head = Buffer.alloc(SECRET_AT)
  head[0] = VERSION
  head.writeUInt32BE(Math.floor(nowMs / 1000), 1)
  const rest = asked === undefined ? [returnTo] : [returnTo, asked.acrValues ?? null, asked.maxAgeSeconds ?? null]
  return Buffer.concat([head, secret, Buffer.from(JSON.stringify(rest))])
}

/** @param plain what we have sealed ourselves, although another version of us may have done it */
function loginIn(plain: Buffer): OpenedLogin | undefined {
  if (plain.length <= REST_AT || plain[0] !== VERSION) return undefined
  const [returnTo, ...asked] = JSON.parse(plain.toString('utf8', REST_AT)) as SealedIntent
  return {
    atMs: plain.readUInt32BE(1) * 1000,
    login: {
      ...secretsOf(plain.subarray(SECRET_AT, REST_AT)),
      returnTo: returnTarget(returnTo),
      asked:
        asked.length === 0 ? undefined : { acrValues: asked[0] ?? undefined, maxAgeSeconds: asked[1] ?? undefined },
    },
  }
}

type SealedIntent = readonly [string] | readonly [string, string | null, number | null]

/**
 * The oldest go first, and before them those that do not open. Times are whole seconds, so among those of one second it
 * counts in which order browsers send them: the oldest first.
 */
function supersededOf(
  others: ReadonlyArray<LoginCookie & { readonly atMs: number }>,
  newCharacters: number,
): readonly string[] {
  let count = 1
  let characters = newCharacters
  const superseded: string[] = []
  for (const { label, value, atMs } of others.toReversed().toSorted((one, other) => other.atMs - one.atMs)) {
    count += 1
    characters += value.length
    if (atMs === 0 || count > MOST_LOGINS || characters > MOST_CHARACTERS) superseded.push(label)
  }
  // Each is a line of the answer, and a head has an end.
  return superseded.slice(0, MOST_CLEARED)
}
