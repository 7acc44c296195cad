/** Finds what of `identity.token` is legal and yet doubtful: keys that others can read, or only one gateway has. */
import type { Path } from '../../config/check/findings.ts'
import type { Config } from '../../config/schema/schema.ts'
import { readKeyFolder } from '../../signing/key-folder.ts'

interface DoubtfulToken {
  readonly code: 'signing-key-readable' | 'signing-keys-per-process' | 'internal-token-long'
  readonly path: Path
  readonly message: string
}

const AT = ['identity', 'token'] as const
/** Who is logged out, or loses a right, keeps it at services for as long. */
const LONG_MS = 15 * 60_000

export function doubtfulInternalToken({ identity: { token } }: Config): readonly DoubtfulToken[] {
  if (token === undefined) return []
  const { keysDir, jwksPath, lifetime } = token
  const found: DoubtfulToken[] = []
  if (lifetime > LONG_MS) {
    const message =
      'lets a service believe for more than 15 minutes what may not be true any more, such as a token that was revoked; the gateway signs a new one as often as it is needed, so choose about `5m`'
    found.push({ code: 'internal-token-long', path: [...AT, 'lifetime'], message })
  }
  if (keysDir === undefined && jwksPath !== undefined) {
    const message =
      'gives out the keys of one process: another gateway, and this one after a restart, has others; name a folder in `keysDir` where more than one gateway answers at this address, or services cannot wait'
    found.push({ code: 'signing-keys-per-process', path: [...AT, 'jwksPath'], message })
  }
  return found
}

/** @param config that was loaded with its files, so that they can be read */
export function readableSigningKeys({ identity: { token } }: Config): readonly DoubtfulToken[] {
  if (token?.keysDir === undefined) return []
  const open = readKeyFolder(token.keysDir).keys.filter(({ isOpen }) => isOpen)
  if (open.length === 0) return []
  const files = open.map(({ file }) => `\`${file}\``).join(', ')
  const message = `holds private keys that every user of this machine may read (${files}), and so sign as the gateway; take that away with \`chmod o-r\`, in Kubernetes with \`defaultMode: 0440\``
  return [{ code: 'signing-key-readable', path: [...AT, 'keysDir'], message }]
}
