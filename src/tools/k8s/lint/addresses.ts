/**
 * Guesses from the command line and the environment of a container on which addresses it listens.
 *
 * Programs are told in many ways, and some are not told at all, so nothing found is no proof of anything.
 */
import { type Container, wordsOf } from './pods.ts'
import { at, items, type Spot, scalarAt, textAt } from './spot.ts'

interface Sign {
  readonly spot: Spot
  readonly text: string
}

const ANY_ADDRESS = /(?:^|[^\d.])0\.0\.0\.0(?![\d.])|\[::\]|^::$|:\/\/[+*](?::|\/|$)/
/** `-addr=:3000`, as programs in Go are told. */
const ANY_ADDRESS_OF_PORT = /^(?:-{1,2}[\w-]*(?:listen|addr|address|bind|http|port)[\w-]*=)?:\d{2,5}$/
const LOOPBACK = /(?:^|[^\d.])127\.0\.0\.1(?![\d.])|\blocalhost\b|\[::1\]/

/** Names by which frameworks are told where to listen, and not where something else is. */
const TELLS_ADDRESS =
  /^(?:(?:APP|HTTP|SERVER|NUXT|NITRO|UVICORN|FLASK_RUN|QUARKUS_HTTP)_)?(?:HOST|HOSTNAME|BIND|BIND_ADDR|BIND_ADDRESS|LISTEN|LISTEN_ADDR|LISTEN_ADDRESS|LISTEN_HOST|ADDR|ADDRESS|IP)$|^(?:ASPNETCORE_URLS|GUNICORN_CMD_ARGS|MANAGEMENT_SERVER_ADDRESS)$/

/** What tells the container to listen on every address. */
export function wildcardSign(container: Container): Sign | undefined {
  return signsOf(container).find(({ text }) => ANY_ADDRESS.test(text) || ANY_ADDRESS_OF_PORT.test(text))
}

/** What tells the container to listen on loopback. */
export function loopbackSign(container: Container): Sign | undefined {
  return signsOf(container).find(({ text }) => LOOPBACK.test(text))
}

/** Whether the number of a port stands anywhere in what the container is told. */
export function mentionsPort(container: Container, port: number): boolean {
  const texts = [...wordsOf(container), ...items(at(container.spot, 'env')).map(each => scalarAt(each, 'value') ?? '')]
  return texts.some(text => new RegExp(`(?<!\\d)${port}(?!\\d)`).test(text))
}

function signsOf({ spot }: Container): readonly Sign[] {
  const words = [...items(at(spot, 'command')), ...items(at(spot, 'args'))]
  const variables = items(at(spot, 'env'))
    .filter(each => TELLS_ADDRESS.test(textAt(each, 'name') ?? ''))
    .map(each => at(each, 'value'))
  return [...words, ...variables].flatMap(each => {
    const text = scalarAt(each)
    return text === undefined ? [] : [{ spot: each, text }]
  })
}

export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)
}
