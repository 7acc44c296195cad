/**
 * Leaves out of the bundle what the gateway would load and never use. That saves half of the time to start and a fifth
 * of the memory when idle. Each of the plugins says what it answers, and can be taken out of `src/build/build.ts`
 * without the others.
 */
import { fileURLToPath } from 'node:url'
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

/** What Fastify's proxy plugin asks of undici while it starts and stops. Anything else that is done with it throws. */
const STAND_IN = `
  class Dispatcher {
    async close() {}
    async destroy() {}
    dispatch() { throw new Error('the gateway sends nothing by undici') }
    request() { throw new Error('the gateway sends nothing by undici') }
  }
  module.exports = {
    Agent: class Agent extends Dispatcher {},
    Client: class Client extends Dispatcher {},
    Dispatcher,
    Pool: class Pool extends Dispatcher {},
  }
`

/**
 * Leaves undici out.
 *
 * The proxy plugin makes an agent of it, and no request ever reaches that agent: our forwarder takes each of them. But
 * undici's main module loads fetch, WebSocket, caches, mocks and more, and nothing of it can be shaken off:
 * https://github.com/nodejs/undici/issues/721. Seen in @fastify/reply-from 12.6.5 with undici 7.30.2.
 *
 * Breaks first: `test/build/bundle.test.ts`, when the plugin uses more of undici.
 * Remove when: the plugin loads undici no sooner than it sends something.
 */
export const noUndici: Plugin = {
  name: 'no undici',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^undici$/ }, ({ path, importer }) =>
      importer.includes('/@fastify/reply-from/') ? { path, namespace: 'stand-in' } : undefined,
    )
    onLoad({ filter: /.*/, namespace: 'stand-in' }, () => ({ contents: STAND_IN, loader: 'js' }))
  },
}

/**
 * Asks for the library of conditions where a configuration has some, and not at the start. What `library.ts` asks Node
 * for by name has to be said in the bundler's words, which then wraps the library up to be run when it is asked for.
 *
 * Breaks first: `test/build/bundle.test.ts`.
 */
export const conditionsLater: Plugin = {
  name: 'conditions later',
  setup({ onLoad }) {
    onLoad({ filter: /\/condition\/library\.ts$/ }, () => ({
      contents: "export const celLibrary = () => require('@marcbachmann/cel-js')",
      resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
      loader: 'js',
    }))
  },
}

/**
 * Leaves OpenTelemetry's SDK to a file of its own beside the bundle. In the same file it would cost every gateway a
 * tenth of the processor time of its start, and 2 MB.
 *
 * Breaks first: `test/build/bundle.test.ts`.
 */
export const tracesApart: Plugin = {
  name: 'traces apart',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/sdk\.ts$/ }, ({ kind, importer }) =>
      kind === 'dynamic-import' && importer.endsWith('/telemetry/traces/otlp.ts')
        ? { path: './traces.js', external: true }
        : undefined,
    )
  },
}
