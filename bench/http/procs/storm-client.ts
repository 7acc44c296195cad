/**
 * Connects many clients at one moment, each with one request, and prints when the answers came: a process of its own,
 * on the core of the load. Arguments: host, port, number of clients, file with a token a line.
 */
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'

const [host = '', port = '', clients = '', tokens = ''] = process.argv.slice(2)
const lines = readFileSync(tokens, 'utf8').trimEnd().split('\n')
const started = performance.now()
const answersMs = await Promise.all(
  Array.from({ length: Number(clients) }, (_, index) => firstAnswerMs(lines[index % lines.length] ?? '')),
)
process.stdout.write(`${JSON.stringify({ answersMs: answersMs.toSorted((one, other) => one - other) })}\n`)
process.exit()

/** @throws {Error} a refusal, or a connection that is closed before its answer */
function firstAnswerMs(token: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host)
    socket.once('connect', () => {
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
