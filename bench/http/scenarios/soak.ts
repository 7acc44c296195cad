/**
 * Asks whether memory grows with time: ten minutes of half load, with many connections, more distinct tokens than are
 * remembered, and everything on that a careful operator turns on.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { spread, summary } from '../../lib/stats.ts'
import { load } from '../load.ts'
import { type OursOptions, ours } from '../peers/ours.ts'
import { scratch } from '../peers/peer.ts'
import { rssBytes } from '../proc-stat.ts'
import type { Scenario } from '../scenario.ts'
import { AUDIENCE, ISSUER, SCOPE, tokensFile } from '../tokens.ts'
import { keyOf } from './key-of.ts'

const MIB = 1024 * 1024
const TOKENS = 50_000
const CONNECTIONS = 1_000
/** The mean pause of a connection: each token has to be verified, and each decision is logged and recorded. */
const THINK_MS = 500
const SAMPLE_SECONDS = 1

/** @param auditFile where each decision is recorded */
function everything(auditFile: string): Omit<OursOptions, 'target'> {
  return {
    access: 'all',
    logFile: '/dev/null',
    revoked: 100_000,
    admin: { console: {} },
    route: {
      require: { scopes: [SCOPE], when: `claims.iss == "${ISSUER}" && request.path.startsWith("/orders/")` },
      cors: { origins: ['https://app.bench.example'] },
      rateLimits: ['calls'],
    },
    sections: {
      audit: { file: auditFile },
      rateLimits: { calls: { rate: '100/s', burst: 1_000, key: ['claims.sub'] } },
      identity: { token: { header: 'X-Auth-Token', issuer: 'https://gateway.bench.example', audience: AUDIENCE } },
    },
  }
}

export const soak: Scenario = {
  name: 'soak',
  async run(bench) {
    const { isQuick } = bench.effort
    const [minutes, minuteSeconds] = isQuick ? [3, 10] : [10, 60]
    const file = await tokensFile(keyOf(bench, 'RS256'), TOKENS)
    const rows: string[][] = []
    const samples: Record<string, unknown> = {}
    for (const target of bench.targets) {
      const auditFile = join(scratch('soak'), 'audit.log')
      const peer = await ours({ target, ...everything(auditFile) }).start(bench.site)
      const course: number[][] = []
      try {
        for (let minute = 1; minute <= minutes; minute++) {
          const rssMib: number[] = []
          const sampler = setInterval(() => rssMib.push(rssBytes(peer.pid) / MIB), SAMPLE_SECONDS * 1000)
          const { requests, refused = 0 } = await load({
            url: peer.url,
            seconds: minuteSeconds,
            connections: CONNECTIONS,
            tokensFile: file,
            thinkMs: THINK_MS,
            mayRefuse: true,
          }).finally(() => clearInterval(sampler))
          // As a rotation does it.
          rmSync(auditFile)
          course.push(rssMib)
          rows.push([peer.name, String(minute), String(requests), String(refused), spread(summary(rssMib), 0)])
          bench.progress(`${peer.name}, minute ${minute}: ${rows.at(-1)?.at(-1)} MiB`)
        }
      } finally {
        await peer.stop()
      }
      samples[peer.name] = course
    }
    return [
      {
        title: `Soak: ${TOKENS} distinct tokens, ${CONNECTIONS} connections, everything on`,
        table: { columns: ['', 'minute', 'requests', 'refused as too many', 'resident MiB'], rows },
        notes: [
          `Resident set, as the kernel counts it, every ${SAMPLE_SECONDS} s: median, lowest and highest.`,
          'On: access log, audit of each decision, 100000 revocations, a limit for each caller, a condition, CORS, a token for the service, the console.',
        ],
        samples,
      },
    ]
  },
}
