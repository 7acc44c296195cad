/** The page on which tests sign in at a provider: under any name, and as if it had happened some time ago. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Provider } from 'oidc-provider/lib/provider.js'

const PAGE = `<!DOCTYPE html>
<form method="post"><input name="login"><input name="secondsAgo"><button>Sign in</button></form>
`

/** @returns who signs in, for which request and when; undefined for a request that gets the page */
export async function signedIn(provider: Provider, request: IncomingMessage, response: ServerResponse) {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html').end(PAGE)
    return undefined
  }
  const { params } = await provider.interactionDetails(request, response)
  const fields = new URLSearchParams(await text(request))
  const ts = Math.floor(Date.now() / 1_000) - Number(fields.get('secondsAgo'))
  return { params, accountId: fields.get('login') ?? '', ts }
}
