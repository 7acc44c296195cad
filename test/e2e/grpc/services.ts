/** Starts services behind the gateway: one of gRPC's own library, and one below it that may break its rules. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js'

export interface GrpcService {
  /** The URL as the gateway's configuration names it. */
  readonly url: string
  /** The metadata of the calls until now. */
  readonly seen: Metadata[]
  /** Ends everything at once, as a process that dies. */
  kill(): void
}

/** Messages may have any length. */
export const UNBOUNDED = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 }
export const same = (value: Buffer): Buffer => value

export const methodPath = (name: string): string => `/shop.Orders/${name}`

function definition(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path: methodPath(name),
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  }
}

const ORDERS = {
  get: definition('Get', false, false),
  watch: definition('Watch', false, true),
  upload: definition('Upload', true, false),
  chat: definition('Chat', true, true),
}

export interface Handlers {
  readonly get: handleUnaryCall<Buffer, Buffer>
  readonly watch: handleServerStreamingCall<Buffer, Buffer>
  readonly upload: handleClientStreamingCall<Buffer, Buffer>
  readonly chat: handleBidiStreamingCall<Buffer, Buffer>
}

/** @param own handlers that take the place of {@link ECHO}'s */
export async function startGrpcService(
  own: Partial<Handlers> = {},
  tls?: { readonly cert: string; readonly key: string },
): Promise<GrpcService> {
  const seen: Metadata[] = []
  const handlers = Object.entries({ ...ECHO, ...own }).map(([name, handler]) => [
    name,
    (call: { readonly metadata: Metadata }, callback: unknown) => {
      seen.push(call.metadata)
      return (handler as (call: unknown, callback: unknown) => unknown)(call, callback)
    },
  ])
  const server = new Server(UNBOUNDED)
  server.addService(ORDERS, Object.fromEntries(handlers))
  const creds =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }])
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', creds, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  )
  return {
    url: tls === undefined ? `h2c://127.0.0.1:${port}` : `https://127.0.0.1:${port}`,
    seen,
    kill: () => server.forceShutdown(),
  }
}

/** Starts a service below gRPC: what it answers, and whether it is a whole message, is up to the test. */
export async function startHttp2Service(
  serve: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
): Promise<GrpcService> {
  const server = createServer()
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', session => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    serve(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `h2c://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    kill() {
      server.close()
      for (const session of sessions) session.destroy()
    },
  }
}

/** The head of an answer of gRPC's. */
export const HEAD = { ':status': 200, 'content-type': 'application/grpc' }
/** One message of five bytes, as gRPC frames it. */
export const MESSAGE = Buffer.from('\0\0\0\0\x05hello', 'latin1')

/** Answer with what they got: one message, three, all of them in one, or each as it comes. */
const ECHO: Handlers = {
  get: (call, callback) => callback(null, call.request),
  watch(call) {
    for (let i = 0; i < 3; i++) call.write(call.request)
    call.end()
  },
  upload(call, callback) {
    const parts: Buffer[] = []
    call.on('data', (part: Buffer) => parts.push(part))
    call.on('end', () => callback(null, Buffer.concat(parts)))
  },
  chat(call) {
    call.on('data', (part: Buffer) => call.write(part))
    call.on('end', () => call.end())
  },
}
