/**
 * Leaves out of the bundle what the gateway would load and never use. That saves half of the time to start and a fifth
 * of the memory when idle. Each of the two plugins names the issue that it answers, and can be taken out of
 * `src/build/build.ts` without the other.
 */
import type { Plugin } from 'esbuild'

/**
 * Asks for Node's modules by `process.getBuiltinModule`, so that each export waits until somebody needs it.
 *
 * An `import` of `node:http` makes Node read every export of it, `WebSocket` among them, and so load the whole undici
 * that is built into Node: https://github.com/nodejs/node/issues/59686. Seen in Node 26.10.
 *
 * Breaks first: `test/build/bundle.test.ts`.
 * Remove when: an `import` of `node:http` loads no undici.
 */
export const lazyBuiltins: Plugin = {
  name: 'lazy built-in modules',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'built-in' }))
    onLoad({ filter: /.*/, namespace: 'built-in' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}')`,
      loader: 'js',
    }))
  },
}

/**
 * What the gateway and Fastify's proxy plugin use of undici. The paths are undici's inside, which it does not promise.
 */
const UNDICI = `
  module.exports = {
    Agent: require('undici/lib/dispatcher/agent.js'),
    Client: require('undici/lib/dispatcher/client.js'),
    Dispatcher: require('undici/lib/dispatcher/dispatcher.js'),
    Pool: require('undici/lib/dispatcher/pool.js'),
    buildConnector: require('undici/lib/core/connect.js'),
    errors: require('undici/lib/core/errors.js'),
  }
`

/**
 * Bundles the parts of undici that are used, once.
 *
 * Its main module loads fetch, WebSocket, caches, mocks and more, and nothing of it can be shaken off:
 * https://github.com/nodejs/undici/issues/721. The proxy plugin brings an undici of its own, of which it makes an agent
 * that no request ever reaches: it gets ours. Seen in undici 8.12.4.
 *
 * Breaks first: `test/build/bundle.test.ts`, when a file of undici moves.
 * Remove when: undici can be imported in parts.
 *
 * @param root folder whose `node_modules` has the one undici to use
 */
export function oneUndici(root: string): Plugin {
  return {
    name: 'one undici',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^undici$/ }, ({ path }) => ({ path, namespace: 'parts' }))
      onLoad({ filter: /.*/, namespace: 'parts' }, () => ({ contents: UNDICI, loader: 'js', resolveDir: root }))
    },
  }
}
