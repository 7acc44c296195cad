/** Answers questions about tokens (RFC 7662): those of a file are active, with the claims that they carry. */
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { tokensOf } from '../tokens.ts'

const [, , port, file = ''] = process.argv
const active = new Set(tokensOf(file))

const server = createServer(async (request, response) => {
  const token = new URLSearchParams(await text(request)).get('token') ?? ''
  const [, payload = ''] = token.split('.')
  const answer = active.has(token)
    ? { active: true, ...(JSON.parse(Buffer.from(payload, 'base64url').toString()) as object) }
    : { active: false }
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
})
server.keepAliveTimeout = 600_000
server.listen(Number(port), '127.0.0.1')
