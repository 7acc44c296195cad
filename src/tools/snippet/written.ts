/** Writes what the configurations of all proxies have: their first lines, addresses, and patterns of names. */
import { foldedFieldName } from '../../lib/field-name.ts'
import type { HostPort, Site } from './site.ts'

/** A configuration of this proxy cannot say it. The message names the remedy. */
export class Unwritable extends Error {
  override readonly name = 'Unwritable'
}

/** @param how what the proxy calls it @param rest what is to be known besides, a line each */
export function head({ source, hash }: Site, how: string, rest: readonly string[]): string {
  return [
    how,
    `Made by "sallyport snippet" of ${printable(source)}, configuration ${hash}. When that changes, make it anew.`,
    'Then: sallyport doctor --through URL --service-listen HOST:PORT',
    ...rest,
  ]
    .map(line => `# ${line}\n`)
    .join('')
}

/** A name of a file may hold line ends, and what follows one is no comment. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?')
}

/** `127.0.0.1:8081`, `[::1]:8081`. */
export function hostPort({ host, port }: HostPort): string {
  return `${bracketed(host)}:${port}`
}

/** `127.0.0.1`, `[::1]`. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Writes `x-forwarded-for` as people do. */
export function titled(name: string): string {
  if (name === 'dpop') return 'DPoP'
  const words = name.split('-').map(word => (['uri', 'url', 'ip', 'http'].includes(word) ? word.toUpperCase() : word))
  return words.map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('-')
}

/** A pattern, of RE2 and others, for every spelling of a name that some service takes for it. In lower case. */
export function spellings(name: string): string {
  return foldedFieldName(name).replaceAll('-', '[^a-z0-9]')
}

/** Double quotes, as nginx, Caddy, YAML and JSON read them. */
export function quoted(text: string): string {
  return JSON.stringify(text)
}

/** Puts the lines of a block below each other. */
export function indented(lines: readonly string[], by: string): string {
  return lines.map(line => (line === '' ? '\n' : `${by}${line}\n`)).join('')
}
