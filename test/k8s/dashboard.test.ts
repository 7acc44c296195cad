/** The dashboard shows every metric, asks for metrics and labels that exist, and has the form that Grafana reads. */
import { describe, expect, test } from 'vitest'
import { configMap, dashboard, panels, variables } from './dashboard.ts'
import { groupedBy, labelsOf, metrics, selectors, TARGET_LABELS } from './rules.ts'

const names = variables.map(({ name }) => name)

test('Grafana’s sidecar takes it, and kubectl can apply it', () => {
  expect(configMap.metadata.labels).toEqual({ grafana_dashboard: '1' })
  // The annotation `last-applied-configuration` holds all of it, and annotations may have 256 KiB.
  expect(JSON.stringify(configMap).length).toBeLessThan(230_000)
})

test('it is the same dashboard for every Grafana: known by its uid, with a variable for the source', () => {
  expect(dashboard).toMatchObject({ uid: 'sallyport', title: 'Sallyport', schemaVersion: 39 })
  expect(dashboard).not.toHaveProperty('id')
  expect(variables[0]).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' })
  const source = { type: 'prometheus', uid: `\${datasource}` }
  for (const { title, datasource, targets } of panels) {
    expect(datasource, title).toEqual(source)
    for (const target of targets) expect(target.datasource, title).toEqual(source)
  }
})

test('a variable that means all lets in series without the label, too', () => {
  expect(variables.map(({ allValue }) => allValue)).toEqual(names.map(() => '.*'))
})

test('panels have ids of their own and do not overlap', () => {
  const all = dashboard.panels.flatMap(panel => ('panels' in panel ? [panel, ...panel.panels] : [panel]))
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  const taken = new Set<string>()
  for (const { title, gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(taken, `${title} at ${x}, ${y}`).not.toContain(`${x} ${y}`)
        taken.add(`${x} ${y}`)
      }
  }
})

test('every metric of the gateway is in a panel', () => {
  const shown = new Set(
    panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => selectors(expr))).map(({ name }) => name),
  )
  const missing = metrics.filter(
    ({ name, type }) =>
      !shown.has(name) &&
      !(type === 'histogram' && ['bucket', 'sum', 'count'].some(part => shown.has(`${name}_${part}`))),
  )
  expect(missing.map(({ name }) => name)).toEqual([])
})

describe.each(panels)('$title', ({ type, description, fieldConfig, targets }) => {
  test('has a unit, and says in sentences what to do', () => {
    expect(['timeseries', 'stat']).toContain(type)
    expect(fieldConfig.defaults.unit).toMatch(/^[a-z]+$/)
    expect(description).toMatch(/^[A-Za-z0-9(].{20,300}[.?]$/)
  })

  test('asks for metrics and labels that there are, and names its lines by them', () => {
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length)
    for (const { expr, legendFormat } of targets) {
      const used = selectors(expr)
      expect(used).not.toEqual([])
      for (const { name, matchers } of used) {
        expect(labelsOf(name), name).toBeDefined()
        for (const [label] of matchers) expect([...TARGET_LABELS, ...(labelsOf(name) ?? [])]).toContain(label)
      }
      const known = [...TARGET_LABELS, ...used.flatMap(({ name }) => labelsOf(name) ?? [])]
      const grouped = groupedBy(expr)
      for (const label of grouped) expect(known).toContain(label)
      const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label)
      const kept = expr.includes('namespace_workload:') ? ['namespace', 'workload'] : grouped
      for (const label of shown) expect(kept).toContain(label)
      for (const [, name = ''] of expr.matchAll(/\$(?!__)(\w+)/g)) expect(names).toContain(name)
    }
  })
})
