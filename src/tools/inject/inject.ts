/**
 * Puts the gateway into every pod of a text with Kubernetes manifests, and leaves the rest of the text as it is.
 *
 * What cannot be injected is a problem, and nothing is passed through because it is not understood: whoever pipes the
 * result into a cluster relies on the gateway being there. All problems are found at once.
 */
import { isDeepStrictEqual } from 'node:util'
import {
  foreignPods,
  type KubernetesObject,
  type ManifestPath,
  type Manifests,
  type Members,
  membersOf,
  type PlacedText,
  readManifests,
} from '../k8s/manifests.ts'
import { SIDECAR_LABEL } from '../k8s/sidecar-container.ts'
import { type InjectedPod, injectedPod, type PodSettings, replaced } from './injected-pod.ts'
import { type Edit, editedText, editsFor } from './patched-text.ts'
import { type Remark, type RemarkCollector, remarkCollector } from './remarks.ts'
import { type GuardedPods, isService, ledService, type ServiceOptions } from './services.ts'
import { IMAGE } from './sidecar-update.ts'

interface InjectOptions extends PodSettings {
  /** How messages name the text. */
  readonly file: string
  readonly services: ServiceOptions['services']
}

export interface Injected {
  readonly text: string
  /** Every single change: with `--check`, what is missing. */
  readonly changes: readonly PlacedText[]
  /** The changes in short: a workload that had no gateway is one line. */
  readonly summary: readonly PlacedText[]
  /** What somebody should know, each once. */
  readonly notes: readonly PlacedText[]
  /** Where there are some, the text is that of the input. */
  readonly problems: readonly PlacedText[]
  /** That there are no pods in the text; it is undefined when some have the gateway, or asked to be left out. */
  readonly nothing: PlacedText | undefined
}

interface Worked {
  readonly object: KubernetesObject
  readonly value: Members
  readonly remarks: RemarkCollector
  readonly guarded: GuardedPods | undefined
  readonly gateway: InjectedPod['gateway'] | undefined
}

export function inject(text: string, options: InjectOptions): Injected {
  const manifests = readManifests(text, options.file)
  const pods = manifests.objects.filter(object => !isService(object) || foreignPods(object) !== undefined)
  const worked = pods.map(object => injectedObject(object, options))
  const guarded = worked.flatMap(each => each.guarded ?? [])
  const services = manifests.objects
    .filter(object => !pods.includes(object))
    .map((object): Worked => {
      const remarks = remarkCollector()
      const { services, ports } = options
      return {
        object,
        value: ledService(object, guarded, { services, ports, remarks }),
        remarks,
        guarded: undefined,
        gateway: undefined,
      }
    })
  const all = [...worked, ...services].toSorted((one, other) => one.object.lineOf([]) - other.object.lineOf([]))
  const placed = (kind: 'changes' | 'notes' | 'problems') =>
    all.flatMap(({ object, remarks }) => remarks[kind].map(remark => placedRemark(options.file, object, remark)))
  const found = [...manifests.problems, ...placed('problems')].toSorted((one, other) => one.line - other.line)
  const patched = found.length > 0 ? { text, problems: [] } : patchedManifests(manifests, all)
  const problems = [...found, ...patched.problems]
  return {
    text: problems.length > 0 ? text : patched.text,
    changes: placed('changes'),
    summary: all.flatMap(each => summaryOf(each).map(remark => placedRemark(options.file, each.object, remark))),
    notes: distinct([...placed('notes'), ...digestNotes(options, worked)]),
    problems,
    nothing: worked.some(each => each.guarded !== undefined || isLeftOut(each.object))
      ? undefined
      : nothingIn(manifests),
  }
}

function injectedObject(object: KubernetesObject, options: InjectOptions): Worked {
  const remarks = remarkCollector()
  const { value, pod, namespace } = object
  const untouched = { object, value, remarks, guarded: undefined, gateway: undefined }
  if (isLeftOut(object)) {
    remarks.noted([], `is left out, as its label ${LEFT_OUT} says`)
    return untouched
  }
  if (pod === undefined) {
    const foreign = foreignPods(object)
    if (foreign !== undefined)
      remarks.refused(
        foreign,
        `sallyport does not know the kind ${object.apiVersion} ${object.kind}, which makes pods; label its pods \`sallyport: sidecar\` and let k8s/injection put the gateway in, or leave it out with the label \`${LEFT_OUT}\``,
      )
    return untouched
  }
  const strange = strangeText(object)
  if (strange !== undefined) {
    remarks.refused(...strange)
    return untouched
  }
  const injected = injectedPod(object, pod, options, remarks)
  const labels = { ...pod.labels, [SIDECAR_LABEL.name]: SIDECAR_LABEL.value }
  const containers = (membersOf(pod.spec).containers ?? []) as readonly Members[]
  return {
    ...{ object, remarks, value: injected.value, gateway: injected.gateway },
    guarded: { ...{ namespace, labels, containers }, name: titleOf(object), appPorts: injected.appPorts },
  }
}

const LEFT_OUT = `${SIDECAR_LABEL.name}: ${SIDECAR_LABEL.optOut}`

function nothingIn({ file, text, objects }: Manifests): PlacedText {
  const kinds = [...new Set(objects.map(({ kind }) => kind))].join(', ')
  const found = text.trim() === '' ? 'the input is empty' : `there are no pods in it (${kinds || 'only comments'})`
  return { file, line: 1, message: `${found}; name the file with the Deployment, or add --allow-none` }
}

/** Only its owner can keep the service from listening on more than loopback, so each new one is told. */
function summaryOf({ guarded, gateway, remarks }: Worked): readonly Remark[] {
  if (gateway !== 'added') return remarks.changes
  const [port = 'PORT'] = guarded?.appPorts.known ?? []
  return [{ path: [], message: `gets the gateway; let its service listen on 127.0.0.1:${port} only` }]
}

/** A tag may be another image tomorrow. */
function digestNotes({ image = IMAGE, file }: InjectOptions, worked: readonly Worked[]): readonly PlacedText[] {
  const first = worked.find(({ gateway }) => gateway === 'added')
  if (first === undefined || image.includes('@sha256:')) return []
  const message = `the image ${image} is named without a digest; pin it with --image ${image}@sha256:…, or with \`images\` of a kustomization`
  return [{ file, line: first.object.lineOf([]), message }]
}

function distinct(texts: readonly PlacedText[]): readonly PlacedText[] {
  return [...new Map(texts.map(each => [each.message, each])).values()]
}

/** Whether an object, or its pods, ask to be left out. */
function isLeftOut(object: KubernetesObject): boolean {
  const above = (object.pod?.path ?? foreignPods(object)?.slice(0, -2) ?? []).reduce<Members>(
    (parent, name) => membersOf(parent[name]),
    object.value,
  )
  return [object.value, above].some(({ metadata }) => {
    const labels = membersOf(membersOf(metadata).labels)
    return labels[SIDECAR_LABEL.name] === SIDECAR_LABEL.optOut
  })
}

/** Finds what a template of Helm leaves in YAML that can be read, as in `image: "{{ .Values.image }}"`. */
function strangeText({ value, pod }: KubernetesObject): readonly [ManifestPath, string] | undefined {
  const { path = [], labels, spec } = pod ?? {}
  const containers = membersOf(spec).containers
  const texts: ReadonlyArray<readonly [ManifestPath, unknown]> = [
    [['metadata', 'name'], membersOf(value.metadata).name],
    ...Object.entries(membersOf(labels)).map(
      ([name, label]) => [[...path, 'metadata', 'labels', name], label] as const,
    ),
    ...(Array.isArray(containers) ? containers : []).map(
      (each, index) => [[...path, 'spec', 'containers', index, 'image'], membersOf(each).image] as const,
    ),
  ]
  const found = texts.find(([, text]) => typeof text === 'string' && text.includes('{{'))
  return found && [found[0], 'this is a template of Helm, and not a manifest yet; render it with `helm template` first']
}

/** Writes the changed objects into their text, and reads it again to see that it says what it shall. */
function patchedManifests({ text, file, documents }: Manifests, worked: readonly Worked[]) {
  const edits: Edit[] = []
  const wanted: unknown[] = []
  for (const document of documents) {
    const changed = worked.filter(
      ({ object, value }) => object.document === document && !isDeepStrictEqual(value, object.value),
    )
    const whole = changed.reduce<unknown>(
      (value, each) => (each.object.at.length === 0 ? each.value : replaced(value, each.object.at, each.value)),
      document.toJS(),
    )
    wanted.push(whole)
    if (changed.length > 0) edits.push(...editsFor(text, document, whole))
  }
  const patched = editedText(text, edits)
  const read = readManifests(patched, file)
  const wrong = documents.findIndex(
    (_document, index) => !isDeepStrictEqual(read.documents[index]?.toJS(), wanted[index]),
  )
  if (read.problems.length === 0 && wrong === -1) return { text: patched, problems: [] }
  const { object } = worked.find(({ object }) => object.document === documents[Math.max(wrong, 0)]) ?? {}
  const message = 'this document is written in a way that cannot be changed in place; write it in plain block style'
  return { text, problems: [{ file, line: object?.lineOf([]) ?? 1, message }] }
}

function placedRemark(file: string, object: KubernetesObject, { path, message }: Remark): PlacedText {
  return { file, line: object.lineOf(path), message: `${titleOf(object)}: ${message}` }
}

function titleOf({ kind, name }: KubernetesObject): string {
  return name === '' ? kind : `${kind} ${name}`
}
