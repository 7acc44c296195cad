/**
 * Makes all keys of a session provider from its secrets, and does with them what needs a key.
 *
 * RFC 5869 (HKDF), NIST SP 800-38D (AES-GCM). The first secret seals and all open, so that one can be replaced while
 * sessions live. Keys differ by purpose and provider, so nothing that one of them has made passes for another's.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import type { SessionKeys } from './session.ts'

const ID_BYTES = 16
const GENERATION_BYTES = 4
const NAMED_BYTES = ID_BYTES + GENERATION_BYTES
const MAC_BYTES = 16

/** Exactly 36 bytes, so no bits are left over, and no other text in this alphabet stands for the same bytes. */
const COOKIE = /^[A-Za-z0-9_-]{48}$/

/** The first byte of what is sealed; another one is for another way of sealing. */
const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'
const KEY_BYTES = 32

type Purpose = 'cookie' | 'record' | 'login' | 'label'

/** What one secret is made into, once. */
interface SecretKeys {
  readonly cookie: KeyObject
  readonly login: KeyObject
  readonly label: KeyObject
  recordKey(id: Buffer): KeyObject
}

/** Makes the id of a new session: 16 random bytes in base64url. */
export function newSessionId(): string {
  return randomBytes(ID_BYTES).toString('base64url')
}

/**
 * @param secrets at least one, of at least 32 bytes each
 * @param provider id of the session provider
 */
export function sessionKeys(secrets: readonly Buffer[], provider: string): SessionKeys {
  const all = secrets.map(secret => keysOf(secret, provider))
  const [first] = all
  if (first === undefined) throw new TypeError('a session provider needs a secret')
  return Object.freeze<SessionKeys>({
    cookieOf(id, generation) {
      const value = Buffer.alloc(NAMED_BYTES)
      Buffer.from(id, 'base64url').copy(value)
      value.writeUInt32BE(generation, ID_BYTES)
      return Buffer.concat([value, macOf(first.cookie, value)]).toString('base64url')
    },
    readCookie(value) {
      if (!COOKIE.test(value)) return undefined
      const bytes = Buffer.from(value, 'base64url')
      const named = bytes.subarray(0, NAMED_BYTES)
      const mac = bytes.subarray(NAMED_BYTES)
      const by = all.find(({ cookie }) => timingSafeEqual(macOf(cookie, named), mac))
      if (by === undefined) return undefined
      const id = bytes.toString('base64url', 0, ID_BYTES)
      return { id, generation: bytes.readUInt32BE(ID_BYTES), isOld: by !== first }
    },
    handleOf: id =>
      createHash('sha256').update('sallyport session\0').update(id, 'base64url').digest().toString('base64url', 0, 16),
    sealRecord(id, plain) {
      const idBytes = Buffer.from(id, 'base64url')
      return sealed(first.recordKey(idBytes), plain, idBytes)
    },
    openRecord(id, box) {
      const idBytes = Buffer.from(id, 'base64url')
      return firstOpened(all, keys => keys.recordKey(idBytes), box, idBytes)
    },
    isRecordOfFirst(id, box) {
      const idBytes = Buffer.from(id, 'base64url')
      return firstOpened([first], keys => keys.recordKey(idBytes), box, idBytes) !== undefined
    },
    seal: (purpose, plain) => sealed(first[purpose], plain, NO_DATA),
    open: (purpose, box) => firstOpened(all, keys => keys[purpose], box, NO_DATA),
  })
}

const NO_DATA = Buffer.alloc(0)

function keysOf(secret: Buffer, provider: string): SecretKeys {
  const ikm = createSecretKey(secret)
  const key = (purpose: Purpose, salt: Buffer): KeyObject =>
    createSecretKey(Buffer.from(hkdfSync('sha256', ikm, salt, `sallyport session ${purpose} ${provider}`, KEY_BYTES)))
  return {
    cookie: key('cookie', NO_DATA),
    login: key('login', NO_DATA),
    label: key('label', NO_DATA),
    recordKey: id => key('record', id),
  }
}

function macOf(key: KeyObject, named: Buffer): Buffer {
  return createHmac('sha256', key).update(named).digest().subarray(0, MAC_BYTES)
}

/** @returns version, nonce, ciphertext and tag */
function sealed(key: KeyObject, plain: Buffer, data: Buffer): Buffer {
  const head = Buffer.allocUnsafe(1 + NONCE_BYTES)
  head[0] = VERSION
  randomBytes(NONCE_BYTES).copy(head, 1)
  const cipher = createCipheriv(CIPHER, key, head.subarray(1), { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.concat([head.subarray(0, 1), data]))
  const text = cipher.update(plain)
  cipher.final()
  return Buffer.concat([head, text, cipher.getAuthTag()])
}

function firstOpened(
  all: readonly SecretKeys[],
  keyOf: (keys: SecretKeys) => KeyObject,
  box: Buffer,
  data: Buffer,
): Buffer | undefined {
  if (box.length < 1 + NONCE_BYTES + TAG_BYTES || box[0] !== VERSION) return undefined
  for (const keys of all) {
    const plain = opened(keyOf(keys), box, data)
    if (plain !== undefined) return plain
  }
  return undefined
}

function opened(key: KeyObject, box: Buffer, data: Buffer): Buffer | undefined {
  const textAt = 1 + NONCE_BYTES
  const tagAt = box.length - TAG_BYTES
  const decipher = createDecipheriv(CIPHER, key, box.subarray(1, textAt), { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.concat([box.subarray(0, 1), data]))
  decipher.setAuthTag(box.subarray(tagAt))
  const plain = decipher.update(box.subarray(textAt, tagAt))
  try {
    decipher.final()
  } catch {
    // The tag does not fit: another key has sealed it, or somebody has changed it.
    return undefined
  }
  return plain
}
