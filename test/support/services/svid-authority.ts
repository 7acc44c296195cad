/** The signing authority of a SPIFFE trust domain: it issues JWT-SVIDs, and publishes its bundle. */
import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export interface SvidAuthority {
  /** A JWT-SVID that is good for an hour, but for what is given. */
  svid(claims: object): Promise<string>
  /** The bundle of now: a root certificate's key beside the one key that signs. */
  bundle(members?: object): object
  /** Signs with another key from now on, and leaves the one before out of the bundle. */
  rotate(): Promise<void>
}

export async function svidAuthority(): Promise<SvidAuthority> {
  const newKey = async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const root = await generateKeyPair('ES384')
    const kid = randomUUID()
    const keys = [
      { ...(await exportJWK(root.publicKey)), use: 'x509-svid', x5c: ['MIIB'] },
      { ...(await exportJWK(publicKey)), use: 'jwt-svid', kid },
    ]
    return { privateKey, kid, keys }
  }
  let key = await newKey()
  let sequence = 1
  return {
    svid: claims =>
      new SignJWT({ ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: key.kid, typ: 'JWT' })
        .setIssuedAt()
        .setExpirationTime('1h')
        .sign(key.privateKey),
    bundle: (members = {}) => ({ spiffe_sequence: sequence, ...members, keys: key.keys }),
    async rotate() {
      key = await newKey()
      sequence += 1
    },
  }
}
