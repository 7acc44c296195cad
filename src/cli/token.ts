/** The command `sallyport token` looks into a token, verifies it as the gateway would, or makes one for tests. */
import { unknownAction } from './arguments.ts'
import type { Command, CommandIo, ExitCode } from './command.ts'
import { TOKEN_HELP } from './inputs.ts'
import { decode } from './token-decode.ts'
import { mint } from './token-mint.ts'
import { prove } from './token-proof.ts'
import { verify } from './token-verify.ts'

const ACTIONS: Readonly<Record<string, (args: readonly string[], io: CommandIo) => Promise<ExitCode>>> = {
  decode,
  verify,
  mint,
  proof: prove,
}

export const tokenCommand: Command = {
  help: `Usage: sallyport token decode TOKEN [-c FILE] [--json]
       sallyport token verify TOKEN [--provider ID] [-c FILE] [--json]
       sallyport token verify --internal TOKEN [--admin URL] [-c FILE] [--json]
       sallyport token mint --key FILE [--create-key [--bundle]] [--claim NAME=VALUE]... [--claims FILE]
                            [--expires 1h] [--typ TYPE] [--encrypt FILE] [--provider ID] [-c FILE]
                            [--dpop-key FILE [--proof 'METHOD URL' [--nonce N]]]
       sallyport token proof 'METHOD URL' TOKEN --dpop-key FILE [--nonce N]

decode shows header, claims and times. It verifies nothing: anybody can write any of it. Of an encrypted token it
       shows the header, and with -c what is inside.
verify does what the gateway does with the token, fetching keys or asking the server about it if need be, shows what
       the server answers, and names the check that fails and the remedy. Of the routes it asks only for whom their
       tokens have to be, and names those that take this one if others do not: sallyport explain asks for everything.
       With --internal the token is one that the gateway signed for its service (\`identity.token\`): its keys are those
       of the folder \`keysDir\`, or of a gateway that runs.
mint   signs a token with a development key, for tests. --create-key makes the key dev.jwk where it is missing and, beside
       it, dev.public.json, the public key set to name in \`keys.jwksFile\`; --bundle makes a SPIFFE bundle of it, to
       name in \`bundle.file\`. iss and aud are the provider's, with the URLs
       of the resources that take its tokens; iat and exp are filled in; --claim a=1 is a number, --claim a=x text,
       --claim 'a=["x"]' a list. With --dpop-key the token is bound to that key (cnf.jkt); with --proof, too, it comes
       as the two headers of that one request, Authorization and DPoP, for curl -H @-. With --encrypt the token is
       encrypted for the gateway.
proof  prints the same two headers for a token that an issuer has bound to the key. Each request needs a new proof.

  TOKEN               ${TOKEN_HELP}
  --provider ID       verify, mint: the only provider; needed when several fit
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml. decode reads none but FILE
  --encrypt FILE      mint: the gateway's key for encrypted tokens, private or public, PEM or JWK; also the set that
                      sallyport keys public prints, of which the first key counts
  --dpop-key FILE     mint, proof: the client's private key, a JWK; mint --create-key makes it, too, where it is missing
  --nonce N           mint, proof: the nonce that the gateway asked for, from its header DPoP-Nonce
  --internal          verify: a token of the gateway's own
  --admin URL         verify --internal: the admin listener whose keys count, http://host:port or unix:/path
                      (iss and aud are judged only where --config names a configuration, too)
  --json              decode, verify: the result as JSON

Exit codes: 0 fine; 1 verify refused the token; 2 bad configuration or usage. Only mint and proof print a signature.

Examples:
  sallyport token decode - < token.txt
  sallyport token verify @token.txt -c sallyport.yaml
  sallyport token mint --key dev.jwk --create-key --claim sub=alice --claim 'scope=orders:read orders:write'
  curl -H "Authorization: Bearer $(sallyport token mint --key dev.jwk --claim sub=alice)" localhost:8080/orders
  sallyport token mint --key dev.jwk --dpop-key client.jwk --create-key --claim sub=alice \\
    --proof 'GET https://api.example.com/orders' | curl -H @- https://api.example.com/orders
  sallyport token proof 'POST https://api.example.com/orders' @token.txt --dpop-key client.jwk
`,
  async run([name, ...args], io) {
    const action = name !== undefined && Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined
    if (action === undefined) throw unknownAction('token', name)
    return action(args, io)
  },
}
