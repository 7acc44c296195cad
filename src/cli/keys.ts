/** The command `sallyport keys` prints the public keys with which issuers encrypt tokens for this gateway. */
import { loadConfigFile } from '../config/read/load.ts'
import { decryptionsOf, publicSet } from '../tools/token/decryptions.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { checkedProvider } from './provider-option.ts'

export const keysCommand: Command = {
  help: `Usage: sallyport keys public [--provider ID] [-c FILE]

Prints the JWK Set that an issuer needs to encrypt tokens for the gateway: the public half of every key in
\`providers.*.decryption.keyFiles\`, the newest first. Nothing in it is secret.

  --provider ID       the keys of this provider only
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml

Example:
  sallyport keys public -c sallyport.yaml > jwks.json
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('keys', args, {
      allowPositionals: true,
      options: { config: { type: 'string', short: 'c' }, provider: { type: 'string' } },
    })
    const [action, ...more] = positionals
    if (action !== 'public' || more.length > 0)
      throw new UsageError('write what to do: keys public. See sallyport keys --help.')
    const config = loadConfigFile(configFile(values.config, io.env), io.env)
    const decryptions = decryptionsOf(config, checkedProvider(config, values.provider))
    if (decryptions.length === 0)
      throw new UsageError(
        values.provider === undefined
          ? 'no provider has `decryption`: name the private keys in `decryption.keyFiles`'
          : `the provider "${values.provider}" has no \`decryption\`: name its private keys in \`decryption.keyFiles\``,
      )
    io.stdout(`${JSON.stringify(publicSet(decryptions), undefined, 2)}\n`)
    return 0
  },
}
