/**
 * Opens many connections, has one request answered on each, and keeps them: a process of its own, on the core of the
 * load. Arguments: host, port, number of connections, file with a token a line. Prints a line when all are open.
 */
import { connect } from 'node:net'
import { tokensOf } from '../tokens.ts'

const AT_A_TIME = 50
const [host = '', port = '', count = '', file = ''] = process.argv.slice(2)
const tokens = tokensOf(file)
let opened = 0

await Promise.all(
  Array.from({ length: AT_A_TIME }, async () => {
    while (opened < Number(count)) await open(tokens[opened++ % tokens.length] ?? '')
  }),
)
process.stdout.write('open\n')
setInterval(() => {}, 60_000)

function open(token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host, () => {
      socket.write(`GET /orders/42 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    })
    socket.once('data', () => resolve())
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('closed')))
  })
}
