/**
 * Connects many clients at one moment, each with one request, and prints when the answers came: a process of its own,
 * on the core of the load. Arguments: URL, number of clients, file with a token a line, and `h2` for HTTP/2.
 */
import { readFileSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'

const [origin = '', clients = '', tokens = '', protocol] = process.argv.slice(2)
const { protocol: scheme, hostname: host, port } = new URL(origin)
const firstAnswerMs = protocol === 'h2' ? overHttp2 : overHttp1
const lines = readFileSync(tokens, 'utf8').trimEnd().split('\n')
const started = performance.now()
const answersMs = await Promise.all(
  Array.from({ length: Number(clients) }, (_, index) => firstAnswerMs(lines[index % lines.length] ?? '')),
)
process.stdout.write(`${JSON.stringify({ answersMs: answersMs.toSorted((one, other) => one - other) })}\n`)
process.exit()

/** @throws {Error} a refusal, or a connection that is closed before its answer */
function overHttp1(token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const isTls = scheme === 'https:'
    const place = { host, port: Number(port) }
    // The certificate is one of the benchmark's own.
    const socket = isTls ? connectTls({ ...place, rejectUnauthorized: false }) : connect(place)
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      socket.write(`GET /orders/42 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    })
    socket.once('data', data => {
      const head = data.toString('latin1', 0, 12)
      if (head === 'HTTP/1.1 200') resolve(performance.now() - started)
      else reject(new Error(`answered ${head}`))
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed without an answer')))
  })
}

/** @throws {Error} as above */
function overHttp2(token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const session = connectHttp2(origin)
    const stream = session.request({ ':path': '/orders/42', authorization: `Bearer ${token}` })
    stream.once('response', ({ ':status': status }) => {
      if (status === 200) resolve(performance.now() - started)
      else reject(new Error(`answered ${status}`))
      session.destroy()
    })
    for (const each of [session, stream]) each.once('error', reject)
    session.once('close', () => reject(new Error('closed without an answer')))
  })
}
