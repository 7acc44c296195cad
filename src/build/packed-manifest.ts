/**
 * Makes the `package.json` of the package out of that of the checkout: all that is needed is in the bundle, so who
 * installs the package is asked to install nothing else.
 *
 * `private` stays, so that npm refuses to publish the package, whether from here or as a file. `prepack` and `postpack`
 * stay, too: by them the next `npm pack` puts right what one that was interrupted has left (src/build/pack.ts).
 */

type Manifest = Readonly<Record<string, unknown>>

/** What only a checkout uses. */
const LEFT_OUT: ReadonlySet<string> = new Set(['dependencies', 'devDependencies', 'allowScripts', 'scripts'])

/** @param text of the checkout's `package.json` */
export function packedManifest(text: string): string {
  const manifest = JSON.parse(text) as Manifest
  const { prepack, postpack } = manifest.scripts as Manifest
  const { fastify } = manifest.dependencies as Readonly<Record<string, string>>
  const packed = {
    ...Object.fromEntries(Object.entries(manifest).filter(([key]) => !LEFT_OUT.has(key))),
    scripts: { prepack, postpack },
    // For the library only, which is a guard of the application's own Fastify.
    peerDependencies: { fastify: `^${fastify}` },
    peerDependenciesMeta: { fastify: { optional: true } },
  }
  return `${JSON.stringify(packed, undefined, 2)}\n`
}
