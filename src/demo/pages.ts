/**
 * Makes the pages of the demo from the files in `pages/`. A page needs nothing but itself: styles and script are in it,
 * and its Content Security Policy names them by their hashes and allows nothing else (CSP3 §2.3.1).
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'

interface PageParts {
  /** Name of the HTML file. */
  readonly name: 'home' | 'goodbye' | 'sign-in'
  /** Name of the script file, if the page has one. */
  readonly script?: 'home'
}

/** Shows the page. Each comment of the HTML file whose name is a member of `values` is replaced by that HTML. */
type Page = (response: ServerResponse, values?: Readonly<Record<string, string>>) => void

/** Forms lead to each other's parts of the demo, and the policy is asked about each redirect, too. */
const FORM_TARGETS = "'self' http://localhost:* http://127.0.0.1:*"

/** Reads the files of a page. They have to be at their place in the source tree. */
export function readPage({ name, script }: PageParts): Page {
  const style = fileText('pages.css')
  const code = script === undefined ? undefined : fileText(`${script}.js`)
  const html = withValues(fileText(`${name}.html`), {
    style: `<style>${style}</style>`,
    ...(code !== undefined && { script: `<script type="module">${code}</script>` }),
  })
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': [
      "default-src 'none'",
      `style-src ${hashSource(style)}`,
      ...(code === undefined ? [] : [`script-src ${hashSource(code)}`, "connect-src 'self'"]),
      'img-src data:',
      `form-action ${FORM_TARGETS}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  }
  return (response, values = {}) => {
    response.writeHead(200, headers).end(withValues(html, values))
  }
}

/** Writes text into HTML. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}

export function hashSource(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

function fileText(name: string): string {
  return readFileSync(new URL(`./pages/${name}`, import.meta.url), 'utf8')
}

function withValues(html: string, values: Readonly<Record<string, string>>): string {
  return html.replace(/<!--(\w+)-->/g, (comment, name: string) => values[name] ?? comment)
}
