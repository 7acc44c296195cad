/** Takes secrets out of every text of a JSON value, and writes such values as the files of a bundle have them. */

/** Takes what may be a secret out of a text. */
export type Clean = (text: string) => string

/** Names of members whose values look random and are no secrets: they are what keys and configurations are known by. */
const OF_PUBLIC_IDS = /^(?:sha256|config_hash|hash|kids?)$/

/** Changes every text of a value, at any depth, and the names of its members. */
export function cleaned<T>(value: T, clean: Clean): T {
  if (typeof value === 'string') return clean(value) as T
  if (Array.isArray(value)) return value.map(item => cleaned<unknown>(item, clean)) as T
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      clean(name),
      OF_PUBLIC_IDS.test(name) && [item].flat().every(isPublicId) ? item : cleaned<unknown>(item, clean),
    ]),
  ) as T
}

/** Is false for a JSON Web Token, which has dots in it. */
function isPublicId(value: unknown): boolean {
  return typeof value === 'string' && /^[\w+/=:-]{1,64}$/.test(value)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}
