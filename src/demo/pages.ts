/**
 * Makes the pages of the demo from the texts in `pages/`. A page needs nothing but itself: styles and script are in it,
 * and its Content Security Policy names them by their hashes and allows nothing else (CSP3 §2.3.1).
 */
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { STYLE } from './static-files.ts'

interface PageParts {
  /** Text of the HTML file. */
  readonly html: string
  /** Text of its script, if the page has one. */
  readonly script?: string
}

/** Shows the page. Each comment of the HTML file whose name is a member of `values` is replaced by that HTML. */
type Page = (response: ServerResponse, values?: Readonly<Record<string, string>>) => void

/** Forms lead to each other's parts of the demo, and the policy is asked about each redirect, too. */
const FORM_TARGETS = "'self' http://localhost:* http://127.0.0.1:*"

export function page({ html, script }: PageParts): Page {
  const whole = withValues(html, {
    style: `<style>${STYLE}</style>`,
    ...(script !== undefined && { script: `<script type="module">${script}</script>` }),
  })
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': [
      "default-src 'none'",
      `style-src ${hashSource(STYLE)}`,
      ...(script === undefined ? [] : [`script-src ${hashSource(script)}`, "connect-src 'self'"]),
      'img-src data:',
      `form-action ${FORM_TARGETS}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  }
  return (response, values = {}) => {
    response.writeHead(200, headers).end(withValues(whole, values))
  }
}

/** Writes text into HTML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

export function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

function withValues(html: string, values: Readonly<Record<string, string>>): string {
  return html.replace(/<!--(\w+)-->/g, (comment, name: string) => values[name] ?? comment)
}
