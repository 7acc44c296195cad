/**
 * Serves the sign-in page of the embedded issuer: one form that asks for a name and believes it.
 *
 * OpenID Connect Core §3.1.2.3 and §3.1.2.4 (authentication, consent). There is no password, and signing in consents to
 * everything the client asked for.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Provider } from 'oidc-provider/lib/provider.js'
import { escaped, page } from './pages.ts'
import { SIGN_IN } from './static-files.ts'

/** What the page of the demo says of the names. */
const DEMO_HINT = 'alice may change orders, everybody else may read them.'

/** Shows the form on GET; signs in on POST and sends the browser on. An unknown or expired sign-in is a 400. */
export async function signIn(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  hint: string = DEMO_HINT,
): Promise<void> {
  const interaction = await provider.interactionDetails(request, response).catch(() => undefined)
  if (interaction === undefined) {
    response.writeHead(400).end('This sign-in has expired: start again at the application.\n')
    return
  }
  if (request.method !== 'POST') {
    page({ html: SIGN_IN })(response, { hint: escaped(hint) })
    return
  }
  const accountId = new URLSearchParams(await text(request)).get('login') || 'alice'
  const { client_id: clientId, scope = '', resource = [], acr_values: acrs = '' } = interaction.params
  const [acr] = acrs.split(' ')
  const grant = new provider.Grant({ accountId, clientId })
  grant.addOIDCScope(scope)
  for (const each of [resource].flat()) grant.addResourceScope(each, scope)
  const grantId = await grant.save()
  await provider.interactionFinished(request, response, {
    login: { accountId, ...(acr !== undefined && acr !== '' && { acr }) },
    consent: { grantId },
  })
}
