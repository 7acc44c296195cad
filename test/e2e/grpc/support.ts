/** Puts a gateway in front of a gRPC service, and makes calls through it with gRPC's own library. */
import { once } from 'node:events'
import {
  type CallOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from '@grpc/grpc-js'
import { type Certificate, testAuthority } from '../../support/certificates.ts'
import { type GatewayParts, startTestStack, type TestStack } from '../../support/gateway/gateway.ts'
import type { TestIssuer } from '../../support/services/issuer.ts'
import { type GrpcService, methodPath, same, UNBOUNDED } from './services.ts'

export interface GrpcStack extends TestStack {
  readonly service: GrpcService
  readonly client: Client
  /** @returns a client on a connection of its own */
  newClient(): Client
  /** The PEM text of who signed the gateway's certificate, and nobody else's; undefined without TLS. */
  readonly ca: string | undefined
  /** @returns the metadata of a caller with `orders:read`; further entries may be added */
  metadata(claims?: Readonly<Record<string, unknown>>): Promise<Metadata>
}

/** How clients reach the gateway, for `describe.each`. */
export const TRANSPORTS = ['TLS', 'no TLS'] as const
export type Transport = (typeof TRANSPORTS)[number]

export interface GrpcStackOptions extends GatewayParts {
  /** Default: `TLS`. */
  readonly transport?: Transport
  readonly service: GrpcService
  readonly config?: (issuer: TestIssuer) => Record<string, unknown>
}

export const ROUTES = [
  { id: 'orders', path: '/shop.Orders/**', methods: ['POST'], require: { scopes: ['orders:read'] } },
]

export async function startGrpcStack(options: GrpcStackOptions): Promise<GrpcStack> {
  const { service, config, transport = 'TLS', ...parts } = options
  const authority = transport === 'TLS' ? testAuthority() : undefined
  const certificate = authority?.issue('gateway', ['DNS:localhost'])
  const stack = await startTestStack(
    issuer => ({
      listen: { address: '127.0.0.1:0', ...(certificate && { tls: filesOf(certificate) }) },
      upstreams: { app: service.url },
      routes: ROUTES,
      ...config?.(issuer),
    }),
    parts,
  )
  const clients: Client[] = []
  const newClient = (): Client => {
    const client = grpcClient(stack.url, authority?.cert)
    clients.push(client)
    return client
  }
  return {
    ...stack,
    service,
    client: newClient(),
    newClient,
    ca: authority?.cert,
    async metadata(claims = { scope: 'orders:read' }) {
      const metadata = new Metadata()
      metadata.set('authorization', `Bearer ${await stack.issuer.mint(claims)}`)
      return metadata
    },
    async close() {
      for (const client of clients) client.close()
      await stack.close()
      service.kill()
      authority?.remove()
    },
  }
}

/** @param ca PEM text; undefined without TLS */
export function grpcClient(url: string, ca: string | undefined): Client {
  const channel = ca === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca))
  return new Client(`localhost:${new URL(url).port}`, channel, {
    ...UNBOUNDED,
    'grpc.use_local_subchannel_pool': 1,
  })
}

function filesOf({ certFile, keyFile }: Certificate) {
  return { certFile, keyFile }
}

export interface Outcome {
  /** Undefined when the call failed. */
  readonly reply: Buffer | undefined
  readonly headers: Metadata | undefined
  /** The code, the details and the trailing metadata. */
  readonly status: StatusObject
}

export function unary(
  client: Client,
  message: Buffer | string,
  metadata: Metadata,
  { path = methodPath('Get'), ...options }: CallOptions & { readonly path?: string } = {},
): Promise<Outcome> {
  return new Promise(resolve => {
    let reply: Buffer | undefined
    let headers: Metadata | undefined
    let status: StatusObject | undefined
    let isAnswered = false
    const settle = (): void => {
      if (isAnswered && status !== undefined) resolve({ reply, headers, status })
    }
    client
      .makeUnaryRequest(path, same, same, Buffer.from(message), metadata, options, (_error, value) => {
        reply = value
        isAnswered = true
        settle()
      })
      .on('metadata', received => {
        headers = received
      })
      .on('status', ended => {
        status = ended
        settle()
      })
  })
}

/** An answer in messages, of which `messages` has all until now. */
export interface Streamed<Call> {
  readonly call: Call
  readonly messages: Buffer[]
  /** Resolves when there are so many messages. */
  count(wanted: number): Promise<void>
  /** Resolves however it ends. */
  readonly status: Promise<StatusObject>
}

export function watch(
  client: Client,
  message: Buffer | string,
  metadata: Metadata,
  options: CallOptions = {},
): Streamed<ClientReadableStream<Buffer>> {
  return reading(
    client.makeServerStreamRequest(methodPath('Watch'), same, same, Buffer.from(message), metadata, options),
  )
}

export function chat(
  client: Client,
  metadata: Metadata,
  options: CallOptions = {},
): Streamed<ClientDuplexStream<Buffer, Buffer>> {
  return reading(client.makeBidiStreamRequest(methodPath('Chat'), same, same, metadata, options))
}

function reading<Call extends ClientReadableStream<Buffer>>(call: Call): Streamed<Call> {
  const messages: Buffer[] = []
  const status = ending(call)
  call.on('data', (message: Buffer) => messages.push(message))
  return {
    call,
    messages,
    status,
    async count(wanted) {
      while (messages.length < wanted) {
        const early = status.then(({ code, details }) => {
          if (messages.length < wanted) throw new Error(`ended after ${messages.length} messages: ${code} ${details}`)
        })
        await Promise.race([once(call, 'data'), early])
      }
    },
  }
}

export interface Upload {
  readonly call: ClientWritableStream<Buffer>
  readonly outcome: Promise<{ readonly error: ServiceError | null; readonly reply: Buffer | undefined }>
}

export function upload(client: Client, metadata: Metadata, options: CallOptions = {}): Upload {
  const { promise: outcome, resolve } = Promise.withResolvers<Awaited<Upload['outcome']>>()
  const call = client.makeClientStreamRequest(methodPath('Upload'), same, same, metadata, options, (error, reply) =>
    resolve({ error, reply }),
  )
  return { call, outcome }
}

/** @returns how a call with a stream of answers ends; its error says no more than that */
export function ending(call: ClientReadableStream<Buffer>): Promise<StatusObject> {
  call.on('error', () => {})
  return new Promise(resolve => call.on('status', resolve))
}

/** @returns the first values, as text, of what is in metadata */
export function values(metadata: Metadata | undefined): Record<string, unknown> {
  return metadata?.getMap() ?? {}
}
