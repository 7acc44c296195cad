/**
 * Puts non-secret values of the environment into text: `${NAME}`, `${NAME:-default}`; `$${` stands for a plain `${`.
 *
 * As in a shell, the default is also taken for a variable that is set but empty. References cannot be nested, and other
 * operators of the shell are not known. Secrets do not come this way, but from files (keys named `…File`).
 */

export type Environment = Readonly<Record<string, string | undefined>>

interface Substitution {
  readonly value: string
  /** Each reference that could not be resolved is listed as it is written, with the reason. */
  readonly problems: readonly { readonly reference: string; readonly message: string }[]
}

const UNREADABLE = `has a reference that cannot be read; write \`\${NAME}\`, \`\${NAME:-default}\`, or \`$\${\` for a plain \`\${\``

export function substitute(text: string, env: Environment): Substitution {
  const problems: { reference: string; message: string }[] = []
  const value = text.replaceAll(
    /\$\$\{|\$\{([^}]*)(\}?)/g,
    (reference: string, inside: string | undefined, end: string) => {
      if (inside === undefined) return '${'
      const [, name, fallback] = end === '' ? [] : (/^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside) ?? [])
      const found = name !== undefined && Object.hasOwn(env, name) ? env[name] : undefined
      const resolved = fallback === undefined ? found : found || fallback
      if (resolved !== undefined) return resolved
      const message =
        name === undefined
          ? UNREADABLE
          : `needs the environment variable ${name}, which is not set; set it, or write \`\${${name}:-default}\``
      problems.push({ reference, message })
      return ''
    },
  )
  return { value, problems }
}
