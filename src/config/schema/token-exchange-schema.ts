/**
 * Holds the schema of `exchange`: which tokens a service gets in place of those that callers brought (RFC 8693).
 *
 * Rules that span keys are in `check-token-exchange.ts`.
 */
import * as z from 'zod'
import { loginClientSchema } from './client-schema.ts'
import { duration, filePath, id, list, scopeToken, text } from './fields.ts'

/** @returns a list, also of a single item that was written without one */
function oneOrMore<T extends z.ZodType<string>>(item: T) {
  return z.union([item.transform(one => [one]), list(item)])
}

export const tokenExchangeSchema = z
  .strictObject({
    provider: id().describe('Id of the provider whose authorization server issues the tokens.'),
    client: loginClientSchema,
    endpoint: text()
      .optional()
      .describe('URL of the token endpoint. Default: the `token_endpoint` of the provider’s metadata.'),
    audience: oneOrMore(text())
      .optional()
      .describe('Whom the token is for, as the server calls it; one, or a list. Default: what the server says.'),
    scope: oneOrMore(scopeToken())
      .optional()
      .describe('What the token may be used for; one, or a list. Default: what the server says.'),
    timeout: duration({ min: '10ms', max: '1m' })
      .prefault('2s')
      .describe('Longest time an exchange may take, and a request wait for it. Default `2s`.'),
    caFile: filePath()
      .optional()
      .describe('PEM certificates to trust at the endpoint. Default: those of the provider.'),
  })
  .describe('Tokens that are issued for each caller and replace `Authorization` (RFC 8693). Left out: none are.')
