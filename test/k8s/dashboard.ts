/** The dashboard of `k8s/monitoring`, as the sidecar of Grafana's chart takes it out of its ConfigMap. */
import { named } from './kustomize.ts'
import { monitoring } from './rules.ts'

export interface Target {
  readonly refId: string
  readonly expr: string
  readonly legendFormat: string
  readonly datasource: unknown
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  readonly description: string
  readonly datasource: unknown
  readonly fieldConfig: { readonly defaults: { readonly unit: string } }
  readonly targets: readonly Target[]
}

/** A row; what it holds while it is open stands behind it. */
interface Row extends Pick<Panel, 'id' | 'title' | 'gridPos'> {
  readonly type: 'row'
  readonly collapsed: boolean
  readonly panels: readonly Panel[]
}

export interface Variable {
  readonly name: string
  readonly type: string
  readonly allValue: string
  readonly query: string | { readonly query: string }
}

interface Dashboard {
  readonly id?: number
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly templating: { readonly list: readonly Variable[] }
  readonly panels: ReadonlyArray<Panel | Row>
}

export const configMap = named(monitoring, 'ConfigMap', 'sallyport-dashboard')
export const dashboard = JSON.parse(
  (configMap.data as Readonly<Record<string, string>>)['sallyport.json'] ?? '',
) as Dashboard
export const variables = dashboard.templating.list
export const panels = dashboard.panels.flatMap(panel => ('panels' in panel ? panel.panels : [panel]))
