/**
 * Puts the text of files into the bundle that a module reads when it is loaded, as src/admin/console/static-files.ts
 * does: the bundle is one file, with nothing beside it.
 *
 * `import text from './console.css' with { type: 'text' }` would say the same, and esbuild knows it.
 * Remove when: Node takes that without `--experimental-import-text`, which Node 26.10 asks for.
 * Breaks first: `test/build/bundle.test.ts`.
 */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Plugin } from 'esbuild'

/** A file that is read as a whole, in one expression, and named from where the module is. */
const READING = /readFileSync\(new URL\('(\.\.?\/[\w./-]+)', import\.meta\.url\), 'utf8'\)/g

export const texts: Plugin = {
  name: 'texts',
  setup({ onLoad }) {
    onLoad({ filter: /\/static-files\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8').replace(READING, (_, name: string) =>
        JSON.stringify(readFileSync(join(dirname(path), name), 'utf8')),
      )
      if (contents.includes('import.meta')) throw new Error(`${path} reads a file in a way that is not known here`)
      return { contents, loader: 'ts' }
    })
  },
}
