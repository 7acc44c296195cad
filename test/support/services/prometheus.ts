/** Starts a real Prometheus on loopback, which scrapes every second, and asks it as Grafana does. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { stringify } from 'yaml'
import { freePort } from './free-port.ts'

export interface ScrapeTarget {
  /** Where `/metrics` is. */
  readonly url: string
  /** What is known of it, before {@link PrometheusOptions.relabelings} are applied. */
  readonly labels: Readonly<Record<string, string>>
}

interface PrometheusOptions {
  readonly targets: readonly ScrapeTarget[]
  /** As in a PodMonitor. */
  readonly relabelings: ReadonlyArray<Readonly<Record<string, unknown>>>
  /** Groups of rules, as in a PrometheusRule. */
  readonly groups: readonly unknown[]
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Prometheus {
  /** The value of an expression now. @throws {Error} it is no expression */
  query(expr: string): Promise<readonly Sample[]>
  /** What a variable of a dashboard offers: the values of a label among the series of a selector. */
  labelValues(label: string, selector: string): Promise<readonly string[]>
  stop(): Promise<void>
}

export async function startPrometheus({ targets, relabelings, groups }: PrometheusOptions): Promise<Prometheus> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-prometheus-'))
  const config = join(folder, 'prometheus.yaml')
  writeFileSync(join(folder, 'rules.yaml'), stringify({ groups }))
  writeFileSync(
    config,
    stringify(
      {
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: ['rules.yaml'],
        scrape_configs: [
          {
            job_name: 'gateways',
            static_configs: targets.map(({ url, labels }) => ({ targets: [new URL(url).host], labels })),
            relabel_configs: relabelings.map(relabelConfig),
          },
        ],
      },
      { aliasDuplicateObjects: false },
    ),
  )
  const address = `127.0.0.1:${await freePort()}`
  const child = spawn(
    'prometheus',
    [
      ...[`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`],
      ...[`--web.listen-address=${address}`, '--log.level=warn'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const exited = once(child, 'close')

  const ask = async (path: string, params: Readonly<Record<string, string>>): Promise<unknown> => {
    const { body } = await request(`http://${address}${path}?${new URLSearchParams(params)}`)
    const answer = (await body.json()) as { readonly status: string; readonly error?: string; readonly data: unknown }
    if (answer.status !== 'success') throw new Error(`${answer.error}: ${JSON.stringify(params)}`)
    return answer.data
  }
  while (!(await isReady(address))) {
    if (child.exitCode !== null) throw new Error(`prometheus ended:\n${complaints}`)
    await sleep(20)
  }
  return {
    async query(expr) {
      const { result } = (await ask('/api/v1/query', { query: expr })) as { readonly result: readonly RawSample[] }
      return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }))
    },
    async labelValues(label, selector) {
      return (await ask(`/api/v1/label/${label}/values`, { 'match[]': selector })) as readonly string[]
    },
    async stop() {
      process.off('exit', kill)
      kill()
      await exited
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface RawSample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [timeSeconds: number, value: string]
}

async function isReady(address: string): Promise<boolean> {
  return request(`http://${address}/-/ready`).then(
    async ({ statusCode, body }) => {
      await body.dump()
      return statusCode === 200
    },
    () => false,
  )
}

/** The operator writes what a PodMonitor calls `sourceLabels` as `source_labels`. */
function relabelConfig(relabeling: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(relabeling).map(([name, value]) => [
      name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      value,
    ]),
  )
}
