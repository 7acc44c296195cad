/**
 * Leaves out of the bundle what the gateway would load and never use: half of the start and a fifth of the idle memory.
 *
 * - An `import` of `node:http` makes Node read every export of it, `WebSocket` among them, and so load the whole undici
 *   that is built into Node. Asked for by `process.getBuiltinModule`, each export waits until somebody needs it.
 * - undici's main module loads fetch, WebSocket, caches, mocks and more; ours are the pool and what it stands on. The
 *   proxy plugin brings an undici of its own, of which it makes an agent that no request ever reaches: it gets ours.
 */
import type { Plugin } from 'esbuild'

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

/** @param root folder whose `node_modules` has the one undici to use */
export function oneUndici(root: string): Plugin {
  return {
    name: 'one undici',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^undici$/ }, ({ path }) => ({ path, namespace: 'parts' }))
      onLoad({ filter: /.*/, namespace: 'parts' }, () => ({ contents: UNDICI, loader: 'js', resolveDir: root }))
    },
  }
}
