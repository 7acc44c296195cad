/**
 * Holds the schema of `resources`: what protected resources are called, and what clients are told about them.
 *
 * RFC 9728 §1.2 (resource identifier), §2 (metadata). Rules that span keys are in `check-resources.ts`.
 */
import * as z from 'zod'
import { isLoopback } from '../../lib/loopback.ts'
import { parsePattern } from '../../route/pattern.ts'
import { judgedText, list, scopeToken, text } from './fields.ts'

export const resourceSchema = z
  .strictObject({
    url: judgedText(urlProblem).describe('What clients type, byte for byte, like `https://mcp.example.com/mcp`.'),
    name: text().optional().describe('What people call it.'),
    scopes: list(scopeToken()).optional().describe('Scopes that clients may ask for. Left out: they are told of none.'),
    documentation: judgedText(documentationProblem).optional().describe('URL of a page for developers.'),
  })
  .describe('A protected resource, whose metadata are served (RFC 9728).')

function urlProblem(url: string): string | undefined {
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url))
    return 'must be an `https:` URL, like `https://mcp.example.com/mcp`'
  const { origin, username, password, search, hash } = new URL(url)
  if (username !== '' || password !== '') return 'must have no user name and password'
  if (search !== '' || hash !== '' || /[?#]/.test(url)) return 'must have no query and no fragment'
  if (/^[^/]+\/\/[^/]+/.exec(url)?.[0] !== origin)
    return `names its host in another way than clients do; begin it with \`${origin}\``
  return pathProblem(url.slice(origin.length))
}

function pathProblem(path: string): string | undefined {
  if (path === '' || path === '/') return undefined
  try {
    const { segments, extent } = parsePattern(path)
    if (extent === 'exact' && segments.every(({ kind }) => kind === 'literal')) return undefined
    return 'must have one path, without `:name` and `/**`'
  } catch (error) {
    if (error instanceof SyntaxError) return `has a path that ${error.message}`
    throw error
  }
}

/** On its way, an unencrypted page can be made to send developers anywhere. */
function documentationProblem(url: string): string | undefined {
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) return NO_PAGE
  const page = new URL(url)
  return page.protocol === 'https:' || isLoopback(page) ? undefined : NO_PAGE
}

const NO_PAGE = 'must be an `https:` URL'
