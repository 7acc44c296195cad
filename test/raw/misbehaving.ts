/** Puts the gateway before a service that breaks the rules on some paths and keeps them on all others. */
import assert from 'node:assert/strict'
import { get, type RawStack, startRawStack } from '../support/raw.ts'
import { type ByteUpstream, type SeenHead, startByteUpstream } from '../support/services/byte-upstream.ts'
import type { RawReply } from '../support/wire.ts'

export interface Misbehaving {
  readonly stack: RawStack<ByteUpstream>
  /** @returns a path of its own, where the service answers with these bytes */
  answering(bytes: string, then?: (seen: SeenHead) => void): string
  /** @returns a path of its own, where the service does this */
  behaving(behaviour: (seen: SeenHead) => void): string
  /** Sends several honest requests, some at the same time: each must get its own answer. */
  othersAreUntouched(): Promise<void>
}

/** It marks what nobody may see. */
export const MARK = 'STOLEN'

export async function startMisbehaving(): Promise<Misbehaving> {
  const behaviours = new Map<string, (seen: SeenHead) => void>()
  const upstream = await startByteUpstream(seen => (behaviours.get(seen.path) ?? answerHonestly)(seen))
  const stack = await startRawStack(
    () => ({ upstreams: { app: { url: upstream.url, timeouts: { connect: '1s', headers: '2s', idle: '1s' } } } }),
    upstream,
  )
  let cases = 0
  function behaving(behaviour: (seen: SeenHead) => void): string {
    const path = `/public/case-${++cases}`
    behaviours.set(path, behaviour)
    return path
  }
  return {
    stack,
    behaving,
    answering: (bytes, then = () => {}) =>
      behaving(seen => {
        seen.socket.write(Buffer.from(bytes, 'latin1'))
        then(seen)
      }),
    async othersAreUntouched() {
      await Promise.all(
        Array.from({ length: 6 }, async (_, i) => {
          const path = `/public/other-${++cases}-${i}`
          const reply = await stack.exchange(get(path))
          assert.deepEqual([reply?.status, reply?.body], [200, path])
        }),
      )
      await stack.control()
    },
  }
}

export function answerHonestly({ path, socket }: SeenHead): void {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`)
}

/** @returns `502 upstream_unreachable`, `200 body`, `200 cut` when the body is incomplete, or `cut` without a head */
export function refusal(reply: RawReply | undefined): string {
  if (reply === undefined) return 'cut'
  if (!reply.complete) return `${reply.status} cut`
  return `${reply.status} ${reply.status === 200 ? reply.body : (JSON.parse(reply.body) as { code: string }).code}`
}
