/** The command `sallyport keys` prints the public keys with which issuers encrypt tokens for this gateway. */
import { loadConfigFile } from '../config/read/load.ts'
import type { Config } from '../config/schema/schema.ts'
import { decryptionsOf, providersWithKeys, publicSet } from '../tools/token/decryptions.ts'
import { parsedArguments, refuseSurplus, unknownAction } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { checkedProvider } from './provider-option.ts'

export const keysCommand: Command = {
  help: `Usage: sallyport keys public [--provider ID] [-c FILE]

Prints the JWK Set that an issuer needs to encrypt tokens for the gateway: the public half of every key in
\`decryption.keyFiles\` of its provider, the first one first. Nothing in it is secret.

  --provider ID       the provider whose keys are meant; needed where several of type jwt have \`decryption\`, and for
                      the keys of a provider of type introspection, which are for answers about tokens
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml

Example:
  sallyport keys public -c sallyport.yaml > jwks.json
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('keys public', args, {
      allowPositionals: true,
      options: { config: { type: 'string', short: 'c' }, provider: { type: 'string' } },
    })
    const [action, ...more] = positionals
    if (action !== 'public') throw unknownAction('keys', action)
    refuseSurplus('keys public', more, 'config')
    const config = loadConfigFile(configFile(values.config, io.env), io.env)
    const id = checkedProvider(config, values.provider) ?? onlyProvider(config)
    const decryptions = decryptionsOf(config, id)
    if (decryptions.length === 0)
      throw new UsageError(
        `the provider "${id}" has no \`decryption\`: name its private keys in \`decryption.keyFiles\``,
      )
    io.stdout(`${JSON.stringify(publicSet(decryptions), undefined, 2)}\n`)
    return 0
  },
}

/** An issuer that had the keys of another provider would encrypt tokens that are then refused. */
function onlyProvider(config: Config): string {
  const { tokens, answers } = providersWithKeys(config)
  const [only, ...others] = tokens
  if (only !== undefined && others.length === 0) return only
  const ofAnswers = answers.length === 0 ? '' : `; keys for answers about tokens: ${answers.join(', ')}`
  if (only !== undefined)
    throw new UsageError(
      `each issuer needs the keys of its own provider: name it with --provider (${tokens.join(', ')}${ofAnswers})`,
    )
  throw new UsageError(
    answers.length === 0
      ? 'no provider has `decryption`: name the private keys in `decryption.keyFiles`'
      : `no issuer of tokens needs keys, as there are none but for answers about tokens: --provider ${answers.join(' or ')} prints those`,
  )
}
