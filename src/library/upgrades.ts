/**
 * Guards what Node hands to an application past Fastify: upgrades to WebSockets, tunnels, and requests whose `Expect`
 * the application answers by itself.
 *
 * RFC 9110 §7.8, §9.3.6, §10.1.1. What passes goes to whoever listens, `@fastify/websocket` as well as a server of
 * `ws`. The guard judges the handshake and nothing after it: to end a WebSocket whose token expires is up to the
 * application.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { holdEvents } from '../node/held-events.ts'
import type { Guard } from './guard.ts'

const WITH_A_SOCKET: ReadonlySet<string> = new Set(['upgrade', 'connect'])
const HELD: ReadonlySet<string> = new Set([...WITH_A_SOCKET, 'checkContinue', 'checkExpectation'])

export function guardUpgrades(server: Server, guarding: Pick<Guard, 'judgeMessage' | 'judgeUpgrade'>): void {
  holdEvents(server, HELD, ({ name, args, pass }) => {
    const [raw, answerer] = args as [IncomingMessage, Socket | ServerResponse]
    // Over HTTP/2 a tunnel is a stream, which has a response.
    if ('writeHead' in answerer) guarding.judgeMessage(raw, answerer, pass)
    else if (WITH_A_SOCKET.has(name)) guarding.judgeUpgrade(raw, answerer, pass)
  })
}
