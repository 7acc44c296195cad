/**
 * Matches names of hosts against patterns: `sallyport` is itself, and `*.monitoring.svc` is every name below
 * `monitoring.svc`, however deep.
 *
 * RFC 1123 §2.1 (labels), RFC 4343 (ASCII case does not count). Addresses are no names.
 */

/** Says what is wrong with a pattern; undefined when nothing is. */
export function hostPatternProblem(pattern: string): string | undefined {
  if (/^\*?\.?$/.test(pattern)) return 'would take every name; write the end of the names, as in `*.monitoring.svc`'
  const labels = pattern.replace(/^\*\./, '').split('.')
  if (pattern.length > 255 || !labels.every(isLabel))
    return 'is no name of a host; write one without a port, as in `sallyport`, or `*.monitoring.svc`'
  return undefined
}

/** @returns whether a name, without its port, fits one of the patterns */
export function hostMatcher(patterns: Iterable<string>): (name: string) => boolean {
  const names = new Set<string>()
  const suffixes: string[] = []
  for (const pattern of patterns) {
    const lower = pattern.toLowerCase()
    if (lower.startsWith('*')) suffixes.push(lower.slice(1))
    else names.add(lower)
  }
  return name => {
    const lower = name.toLowerCase()
    if (!lower.split('.').every(isLabel)) return false
    return names.has(lower) || suffixes.some(suffix => lower.endsWith(suffix))
  }
}

function isLabel(label: string): boolean {
  return /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)
}
