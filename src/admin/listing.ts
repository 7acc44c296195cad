/** Lists what the admin listener has to offer, for whoever opens it without knowing a path. */
import type { FastifyInstance } from 'fastify'

/** A path and what it is for; the methods stand before it unless it is `GET`. */
export type Listed = readonly [path: string, what: string]

/** @param listed gives only what there is with this configuration */
export function serveListing(app: FastifyInstance, listed: () => readonly Listed[]): void {
  app.get('/', ({ headers }, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', vary: 'accept' })
    const paths = listed()
    if (/\bapplication\/json\b/i.test(headers.accept ?? '')) return reply.send({ paths: Object.fromEntries(paths) })
    const width = Math.max(...paths.map(([path]) => path.length))
    return reply
      .type('text/plain; charset=utf-8')
      .send(`Sallyport, for operators\n\n${paths.map(([path, what]) => `${path.padEnd(width)}  ${what}\n`).join('')}`)
  })
}
