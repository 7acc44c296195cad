/** Renders and checks the chart with the real `helm`. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { binary, ROOT } from './binaries.ts'
import { type Manifest, manifestsOf } from './kustomize.ts'

export const CHART = join(ROOT, 'k8s/charts/sallyport')
/** Values for tests, as the tools for testing charts expect them. */
export const CI_VALUES: readonly string[] = readdirSync(join(CHART, 'ci')).toSorted()

export interface HelmRun {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export function helm(args: readonly string[]): HelmRun {
  const { status, stdout, stderr } = spawnSync(binary('helm'), args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

/** @param values a file of `ci/`, and what stands for `--set` */
export function template(values: string, settings: readonly string[] = []): readonly Manifest[] {
  const { status, stdout, stderr } = helm(['template', 'orders', CHART, ...valueArguments(values, settings)])
  if (status !== 0) throw new Error(stderr)
  return manifestsOf(stdout)
}

/** @returns what helm says when it does not render */
export function complaint(values: string, settings: readonly string[]): string {
  const { status, stderr } = helm(['template', 'orders', CHART, ...valueArguments(values, settings)])
  return status === 0 ? 'nothing' : stderr
}

function valueArguments(values: string, settings: readonly string[]): readonly string[] {
  return ['-f', join(CHART, 'ci', values), ...settings.flatMap(setting => ['--set-json', setting])]
}
