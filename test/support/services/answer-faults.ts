/** Lists all that can be wrong with the answer of an introspection endpoint, from silence to what is no HTTP. */
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { type EndpointAnswer, JSON_TYPE, MARK, says, saysJson, saysStatus } from './introspection-endpoint.ts'

const ACTIVE = JSON.stringify({ active: true, sub: MARK })

/** Whatever is wrong with an answer: a server that does these says nothing of use about any token. */
export const FAULTS = Object.freeze({
  /** It takes the question and never answers. */
  hang: () => {},
  /** It begins its head and never ends it. */
  slowHead: response => trickle(response, () => response.socket?.write('X'), 'HTTP/1.1 200 OK\r\nX-Slow: '),
  /** It sends one byte of the body after the other. */
  drip: response => {
    response.writeHead(200, { 'content-type': JSON_TYPE })
    trickle(response, () => response.write(' '))
  },
  /** It sends a megabyte, as JSON that would be good. */
  hugeBody: says(JSON.stringify({ active: true, sub: MARK.repeat(60_000) })),
  /** It sends 32 KiB of headers. */
  hugeHead: says(ACTIVE, { 'x-large': 'x'.repeat(32 * 1024) }),
  /** It sends little that becomes a lot. */
  gzipBomb: says(gzipSync(JSON.stringify({ active: true, sub: 'x'.repeat(10_000_000) })), {
    'content-encoding': 'gzip',
  }),
  /** It claims another coding. */
  brokenGzip: says(ACTIVE, { 'content-encoding': 'gzip' }),
  unknownCoding: says(ACTIVE, { 'content-encoding': 'br' }),
  redirect: saysStatus(307, { location: '/introspect?elsewhere' }),
  wrongType: says(ACTIVE, { 'content-type': 'text/html' }),
  noType: response => void response.writeHead(200).end(ACTIVE),
  activeText: saysJson({ active: 'true', sub: MARK }),
  activeNumber: saysJson({ active: 1, sub: MARK }),
  activeNull: saysJson({ active: null, sub: MARK }),
  activeObject: saysJson({ active: {}, sub: MARK }),
  activeMissing: saysJson({ sub: MARK }),
  activeTwice: says('{"active":false,"active":true}'),
  claimTwice: says(`{"active":true,"sub":"a","sub":"${MARK}"}`),
  badUtf8: says(Buffer.concat([Buffer.from('{"active":true,"sub":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])),
  badJson: says(`{"active":true,${MARK}`),
  emptyBody: says(''),
  array: saysJson([{ active: true }]),
  bareTrue: says('true'),
  bareNull: says('null'),
  tooDeep: says(`{"active":true,"sub":${'['.repeat(40)}${']'.repeat(40)}}`),
  noContent: saysStatus(204),
  created: saysStatus(201),
  badRequest: saysStatus(400),
  unauthorized: saysStatus(401, { 'www-authenticate': `Basic realm="${MARK}"` }),
  forbidden: saysStatus(403),
  notFound: saysStatus(404),
  tooMany: saysStatus(429, { 'retry-after': '7' }),
  broken: saysStatus(500),
  away: saysStatus(503, { 'retry-after': '120' }),
  /** It cuts the connection without a word. */
  reset: response => void response.socket?.resetAndDestroy(),
  /** It cuts the connection in the middle of the body. */
  cut: response => {
    response.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': 100 })
    response.write('{"active":', () => response.socket?.resetAndDestroy())
  },
  /** It does not speak HTTP. */
  noHttp: response => void response.socket?.end(`${MARK}\r\n\r\n`),
} satisfies Record<string, EndpointAnswer>)

function trickle(response: ServerResponse, write: () => void, head?: string): void {
  if (head !== undefined) response.socket?.write(head)
  const timer = setInterval(write, 1)
  response.on('close', () => clearInterval(timer))
}
