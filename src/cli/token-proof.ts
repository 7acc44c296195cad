/** The command `sallyport token proof` makes a DPoP proof for a token that an issuer has bound to the user's key. */
import { boundKeyOf } from '../tools/token/decoded-token.ts'
import { KeyFileError, proofKeyOf } from '../tools/token/development-key.ts'
import { parsedArguments } from './arguments.ts'
import { type CommandIo, type ExitCode, UsageError } from './command.ts'
import { tokenText } from './inputs.ts'
import { proofLines, provedRequest } from './proof-lines.ts'

export async function prove(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parsedArguments('token proof', args, {
    allowPositionals: true,
    options: { 'dpop-key': { type: 'string' }, nonce: { type: 'string' } },
  })
  const [request, given, ...more] = positionals
  if (request === undefined || given === undefined || more.length > 0)
    throw new UsageError("token proof takes a request and a token: token proof 'GET https://…' @token.txt")
  const { 'dpop-key': keyFile, nonce } = values
  if (keyFile === undefined)
    throw new UsageError('token proof needs --dpop-key FILE, the key that the token is bound to')
  const proved = provedRequest(request)
  const token = tokenText(given, io)
  try {
    const signer = await proofKeyOf(keyFile, 'proof')
    const bound = boundKeyOf(token)
    if (bound !== undefined && bound.jkt !== signer.jkt)
      io.stderr(
        bound.jkt === undefined
          ? 'the token is bound to no key (cnf.jkt): with a proof it will be refused (proof_mismatch); send it as Bearer\n'
          : `the token is bound to another key than that of ${keyFile}: the proof will be refused (proof_mismatch)\n`,
      )
    io.stdout(await proofLines(signer, proved, token, nonce))
    return 0
  } catch (error) {
    throw error instanceof KeyFileError ? new UsageError(error.message) : error
  }
}
