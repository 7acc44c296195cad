/** Prometheus's own tool takes the rules, and sees each alert fire when it should, and not when it should not. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { WITHOUT_PROMETHEUS } from '../support/services/prometheus-programs.ts'
import { ALERT_CASES } from './alert-cases.ts'
import { type Alert, alerts, groups, recordings } from './rules.ts'

const exec = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'sallyport-rules-'))
const rulesFile = join(folder, 'rules.yaml')

beforeAll(() => writeFileSync(rulesFile, stringify({ groups })))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** @returns its annotations, with the labels filled in */
function annotationsOf({ annotations }: Alert, labels: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(annotations)
  return Object.fromEntries(
    entries.map(([name, text]) => [
      name,
      text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? ''),
    ]),
  )
}

test.skipIf(WITHOUT_PROMETHEUS)('the rules are sound', async () => {
  expect((await exec('promtool', ['check', 'rules', '--lint-fatal', rulesFile])).stdout).toContain('SUCCESS')
})

test('every alert has courses that make it fire, and others that do not', () => {
  expect(ALERT_CASES.map(({ alert }) => alert).toSorted()).toEqual(alerts.map(({ alert }) => alert).toSorted())
  for (const { fires, quiet } of ALERT_CASES) expect(Math.min(fires.length, quiet.length)).toBeGreaterThan(0)
})

test.skipIf(WITHOUT_PROMETHEUS)('each fires when it should, with labels in its text, and else not', async () => {
  const files = ALERT_CASES.map(({ alert, labels, fires, quiet }) => {
    const rule = alerts.find(each => each.alert === alert)
    if (rule === undefined) throw new Error(`no alert ${alert}`)
    const expected = [{ exp_labels: { ...labels, ...rule.labels }, exp_annotations: annotationsOf(rule, labels) }]
    const tests = [
      ...fires.map(course => ({ ...course, alerts: expected })),
      ...quiet.map(course => ({ ...course, alerts: [] })),
    ].map(({ at, series, alerts: exp_alerts }) => ({
      interval: '1m',
      input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
      alert_rule_test: [{ eval_time: `${at}m`, alertname: alert, exp_alerts }],
    }))
    // Every minute of every test evaluates all rules of its file, so it has those alone that it needs.
    const needed = rule.expr.includes('namespace_workload:') ? [...recordings, rule] : [rule]
    writeFileSync(join(folder, `${alert}.yaml`), stringify({ groups: [{ name: 'needed', rules: needed }] }))
    const file = join(folder, `${alert}.test.yaml`)
    writeFileSync(file, stringify({ rule_files: [`${alert}.yaml`], evaluation_interval: '1m', tests }))
    return file
  })
  const { stdout } = await exec('promtool', ['test', 'rules', ...files]).catch(error => error)
  expect(stdout).not.toContain('FAILED')
  expect(stdout.match(/SUCCESS/g)).toHaveLength(ALERT_CASES.length)
})
