/**
 * Leaves the issuer and the service of `sallyport dev` to a file of its own beside the bundle. They are more code than
 * a gateway needs, and an image for servers is made without that file.
 *
 * Breaks first: `test/build/dev-bundle.test.ts`.
 */
import type { Plugin } from 'esbuild'

/** What becomes a file of its own. */
export const DEV_ENTRY = { in: 'src/demo/servers.ts', out: 'dev' } as const

export const devApart: Plugin = {
  name: 'dev apart',
  setup({ onResolve }) {
    onResolve({ filter: /\/demo\/servers\.ts$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: './dev.js', external: true } : undefined,
    )
  },
}
