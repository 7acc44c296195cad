/**
 * Measures the time from `exec` to the first 200 on the public route, which is asked again and again on a bare socket.
 */
import { connect } from 'node:net'
import { spread, summary } from '../../lib/stats.ts'
import { ours } from '../peers/ours.ts'
import type { Scenario } from '../scenario.ts'

export const startup: Scenario = {
  name: 'startup',
  async run(bench) {
    const runs = bench.effort.isQuick ? 5 : 15
    const rows: string[][] = []
    const samples: Record<string, number[]> = {}
    for (const target of bench.targets) {
      const times: number[] = []
      for (let run = 0; run < runs; run++) {
        const launch = await ours({ target }).prepare(bench.site)
        const startedMs = performance.now()
        const peer = launch.spawn()
        try {
          await Promise.race([untilHealthy(launch.port), peer.failed])
          times.push(performance.now() - startedMs)
        } finally {
          await peer.stop()
        }
      }
      samples[target.label] = times
      rows.push([target.label, spread(summary(times), 0), String(runs)])
      bench.progress(`${target.label}: ${summary(times).median.toFixed(0)} ms`)
    }
    return [
      {
        title: 'Start: from exec to the first 200',
        table: { columns: ['', 'ms', 'runs'], rows },
        notes: [],
        samples,
      },
    ]
  },
}

const RETRY_MS = 2
const LIMIT_MS = 20_000

async function untilHealthy(port: number): Promise<void> {
  const deadlineMs = performance.now() + LIMIT_MS
  while (!(await isHealthy(port))) {
    if (performance.now() > deadlineMs) throw new Error('never became healthy')
    await new Promise(resolve => setTimeout(resolve, RETRY_MS))
  }
}

/** @returns true once the gateway forwards: the upstream's answer has come through */
function isHealthy(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    })
    socket.once('data', data => {
      resolve(data.toString('latin1').startsWith('HTTP/1.1 200'))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
