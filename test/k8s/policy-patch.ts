/**
 * Evaluates the patch of our MutatingAdmissionPolicy for a pod, as the API server would.
 *
 * What the policy uses of CEL is JavaScript but for three things, which are put into its words here: object literals
 * with a type's name, sums of lists, and `has`.
 */
import { runInNewContext } from 'node:vm'
import type { Manifest } from './kustomize.ts'

interface Policy {
  readonly spec: {
    readonly variables: ReadonlyArray<{ readonly name: string; readonly expression: string }>
    readonly mutations: ReadonlyArray<{ readonly jsonPatch: { readonly expression: string } }>
  }
}

interface Patch {
  readonly op: string
  readonly path: string
  readonly value: unknown
}

/** @returns a copy of the pod with all patches applied */
export function patchedPod<T extends object>(policy: Manifest, pod: T): T {
  const { variables, mutations } = (policy as unknown as Policy).spec
  const object = structuredClone(pod)
  const values = variables.map(({ name, expression }) => [name, evaluated(expression, { object })] as const)
  for (const { jsonPatch } of mutations) {
    const scope = { object, variables: Object.fromEntries(values) }
    for (const patch of evaluated(jsonPatch.expression, scope) as readonly Patch[]) apply(object, patch)
  }
  return object
}

function evaluated(expression: string, scope: object): unknown {
  const script = expression
    .replaceAll(/\b(?:Object|JSONPatch)(?:\.[A-Za-z]+)*\{/g, '{')
    .replaceAll(/\bhas\(([\w.]+)\)/g, '($1 !== undefined)')
    .replaceAll(/^\+ /gm, ', ...')
  const isSum = script !== expression && expression.includes('JSONPatch')
  // Values of another context have other prototypes, with which nothing is deeply equal.
  return structuredClone(runInNewContext(isSum ? `[...${script}]` : `(${script})`, scope))
}

/** RFC 6902 §4.1, for what adds members and items. */
function apply(object: object, { op, path, value }: Patch): void {
  if (op !== 'add') throw new Error(`the policy has a patch that is not expected: ${op}`)
  const names = path.slice(1).split('/')
  const last = names.pop() ?? ''
  const parent = names.reduce((each, name) => (each as Record<string, object>)[name] ?? {}, object)
  if (Array.isArray(parent)) parent.splice(last === '-' ? parent.length : Number(last), 0, value)
  else Object.assign(parent, { [last]: value })
}
