/** Judges files of secrets by which somebody proves to us who they are: one secret a line, each long enough. */
import { LEAST_SECRET_BYTES, secretsIn } from '../../lib/secrets.ts'

/** No message repeats anything of the file. */
export function secretsProblem(content: Buffer): string | undefined {
  const secrets = secretsIn(content)
  if (secrets.length === 0) return 'is empty; write a secret into it, such as the output of `openssl rand -hex 32`'
  const short = secrets.findIndex(secret => secret.length < LEAST_SECRET_BYTES)
  if (short === -1) return undefined
  return `holds too short a secret: number ${short + 1} has fewer than ${LEAST_SECRET_BYTES} bytes; make a longer one, such as the output of \`openssl rand -hex 32\``
}
