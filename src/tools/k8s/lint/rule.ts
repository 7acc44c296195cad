/** Says what a rule is: it looks at everything that was read, and returns a verdict for each thing that is wrong. */
import type { FindingId } from './finding-table.ts'
import type { GatewayPod } from './gateway-pod.ts'
import type { Scene } from './scene.ts'
import type { Position, Spot } from './spot.ts'

export interface Verdict {
  readonly at: Spot
  /** The report points at the key or at its value; at the value by default. */
  readonly part?: 'key'
  /** Set where the place is within the value, as in a configuration inside of a ConfigMap. */
  readonly inside?: Position | undefined
  /** What is wrong, as a sentence without its full stop. It holds no secret. */
  readonly what: string
  /** Left out where the sentence says it all. */
  readonly wanted?: string
  readonly seen?: string
  /** Set where the rule knows more than the table. */
  readonly remedy?: string
  /** The pod that it is about; undefined for what is about no single one. */
  readonly pod?: GatewayPod
}

export type Rule = (scene: Scene) => readonly Verdict[]

/** Some of the rules; a file has those of one subject. */
export type Rules = Partial<Readonly<Record<FindingId, Rule>>>

/** A rule that looks at one pod after the other. */
export function perPod(rule: (pod: GatewayPod, scene: Scene) => readonly Verdict[]): Rule {
  return scene => scene.pods.flatMap(pod => rule(pod, scene).map(verdict => ({ ...verdict, pod })))
}
