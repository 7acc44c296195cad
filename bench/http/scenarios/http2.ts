/**
 * Asks what a request over HTTP/2 costs beside Envoy: to a service that speaks HTTP/1.1, and as a unary call of gRPC to
 * one that speaks HTTP/2.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compare, costTable } from '../compare.ts'
import { http2Load } from '../h2load.ts'
import { envoyTo } from '../peers/envoy.ts'
import { ours } from '../peers/ours.ts'
import { type RunningPeer, scratch } from '../peers/peer.ts'
import { freePort, start } from '../processes.ts'
import type { Bench, Result, Scenario } from '../scenario.ts'
import { tokensFile, tokensOf } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const CONNECTIONS = 8
const STREAMS = 4
const CALL_BYTES = 70

export const http2: Scenario = {
  name: 'http2',
  async run(bench) {
    const plain = await compared(bench, 'HTTP/2 from clients, HTTP/1.1 to the service', undefined)
    const [port, file] = [await freePort(), join(scratch('grpc'), 'call')]
    const call = Buffer.alloc(5 + CALL_BYTES, 'x')
    call.writeUInt8(0, 0)
    call.writeUInt32BE(CALL_BYTES, 1)
    writeFileSync(file, call)
    const program = fileURLToPath(new URL('../procs/grpc-upstream.ts', import.meta.url))
    const service = start(process.execPath, [program, String(port)], { place: 'load' })
    try {
      const site = { ...bench.site, upstreamUrl: `h2c://127.0.0.1:${port}`, upstreamPort: port }
      return [plain, await compared({ ...bench, site }, 'Unary calls of gRPC, HTTP/2 on both sides', file)]
    } finally {
      await service.stop()
    }
  },
}

async function compared(bench: Bench, what: string, grpcFile: string | undefined): Promise<Result> {
  const key = keyOf(bench, 'RS256')
  const file = await tokensFile(key, 500)
  const [token = ''] = tokensOf(file)
  const own = bench.targets.map(target => ours({ target }))
  const other = envoyTo(grpcFile === undefined ? 'http1' : 'h2c')
  const options = { connections: CONNECTIONS, streams: STREAMS, token, target: '/orders/42' }
  const contenders = [...own, other].map(peer => ({
    peer,
    isNeeded: true,
    load: { tokensFile: file },
    drive: ({ url }: RunningPeer, seconds: number) =>
      http2Load(url, { ...options, seconds, ...(grpcFile === undefined ? {} : { grpcFile }) }),
  }))
  const { samples } = await compare(bench, contenders, key)
  const [first] = own
  const { columns, rows } = costTable(samples, { bases: [other.name, ...(first === undefined ? [] : [first.name])] })
  const at = columns.indexOf('p50 ms')
  return {
    title: `${what}: RS256, a token seen before, ${CONNECTIONS} connections with ${STREAMS} requests each`,
    // h2load tells a mean and no quantiles.
    table: {
      columns: columns.map((name, i) => (i === at ? 'mean ms' : name)).filter((_, i) => i !== at + 1),
      rows: rows.map(row => row.filter((_, i) => i !== at + 1)),
    },
    notes: [],
    samples: Object.fromEntries(samples),
  }
}
