/**
 * Serves the console beside what is told of refusals, to whom may see that.
 *
 * The page shows what strangers sent. Its policy lets it load its own script and style and nothing else, draw no markup
 * from text (Trusted Types), and be put into no page of another. Nothing is changed by asking for it.
 *
 * Content Security Policy Level 3, Fetch (nosniff, CORP), HTML (COOP).
 */
import type { AdminConsole } from '../admin.ts'
import type { ConsolePage } from './console.ts'

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

export function withPage(recent: AdminConsole, page: ConsolePage): AdminConsole {
  return {
    paths: new Map([...recent.paths, ...page.paths.map(path => [path, 'GET, HEAD'] as const)]),
    listed: [['/-/', 'the console, a page for browsers'], ...recent.listed],
    maySee: recent.maySee,
    serve(app) {
      recent.serve(app)
      for (const path of page.paths)
        app.get(path, async ({ url }, reply) => {
          const { type, body } = await page.answer(path, new URLSearchParams(url.split('?')[1]))
          return reply.headers(HEADERS).type(type).send(body)
        })
      app.addHook('preClose', done => {
        page.close()
        done()
      })
    },
  }
}
