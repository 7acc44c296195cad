/** The command `sallyport diff` shows which requests two configurations treat differently. */
import { loadConfigForTool } from '../config/read/load.ts'
import { systemClock } from '../lib/clock.ts'
import type { Paint } from '../lib/paint.ts'
import { METHODS } from '../route/methods.ts'
import { CHANGE_KINDS, type ChangeKind, type PolicyChange, policyDiff } from '../tools/diff/policy-diff.ts'
import { OTHER_METHODS } from '../tools/engine/reach.ts'
import { standIn } from '../tools/engine/stand-in.ts'
import { toolServices } from '../tools/engine/tool-policy.ts'
import { columns } from '../tools/text/table.ts'
import { oneOf, parsedArguments } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { NO_FILES, namedFiles } from './no-files.ts'

const STYLES: Readonly<Record<ChangeKind, Parameters<Paint>[0]>> = {
  added: 'yellow',
  loosened: 'red',
  changed: 'yellow',
  tightened: 'green',
  removed: 'yellow',
}

export const diffCommand: Command = {
  help: `Usage: sallyport diff OLD NEW [--fail-on KIND]... [--no-files] [--json]

Compares two configurations by what becomes of requests, not line by line: both are compiled, every case that their
routes can tell apart is put to both, and what the routes ask is compared, and so is every setting that decides who gets
in. What decides nothing about that, like the log, is no change.

  added      requests that were refused and now have a route
  loosened   something gets in that did not
  changed    some get in that did not, and others no longer do; or requests go elsewhere
  tightened  something no longer gets in that did
  removed    requests that had a route and are now refused

Where something gets in by a change that also keeps something out, one example of it is shown: claims that pass now and
did not before. --fail-on loosened fails for it, too.

  --fail-on KIND     exit with 1 when there is a change of this kind; may be repeated
  --no-files         do not read the files that the configurations name: secrets, certificates, tokens, key sets
  --json             changes as JSON

Exit codes: 0 compared; 1 a change that --fail-on names; 2 bad configuration or usage.

Examples:
  sallyport diff sallyport.yaml new.yaml
  git show main:sallyport.yaml > old.yaml && sallyport diff old.yaml sallyport.yaml --fail-on loosened --fail-on added
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('diff', args, {
      allowPositionals: true,
      options: { 'fail-on': { type: 'string', multiple: true }, json: { type: 'boolean' }, ...NO_FILES },
    })
    const [old, next, ...more] = positionals
    if (old === undefined || next === undefined || more.length > 0)
      throw new UsageError('diff takes two files: sallyport diff OLD NEW')
    const failing = new Set((values['fail-on'] ?? []).map(text => oneOf(text, CHANGE_KINDS, 'kind of change')))
    const compared = [old, next].map(file => {
      const config = loadConfigForTool(file, io.env, namedFiles(values))
      // Each policy has services of its own, since both may have routes of the same name.
      return { config, policy: standIn(config, toolServices({ ...io, clock: systemClock })).policy }
    })
    const [before, after] = compared
    const changes = before === undefined || after === undefined ? [] : policyDiff(before, after)
    io.stdout(values.json === true ? `${JSON.stringify(changes, undefined, 2)}\n` : text(changes, io.paint))
    const isFailing = (change: PolicyChange) =>
      failing.has(change.kind) || (failing.has('loosened') && change.witness !== undefined)
    return changes.some(isFailing) ? 1 : 0
  },
}

function text(changes: readonly PolicyChange[], paint: Paint): string {
  if (changes.length === 0) return 'No request changes its outcome.\n'
  const heads = columns(
    changes.map(({ kind, subject, requests }) => [paint(STYLES[kind], kind), subject, where(requests)]),
  )
  const entries = changes.map((change, index) => ({
    section: change.section,
    lines: [heads[index] ?? '', ...below(change)],
  }))
  const { routes = [], settings = [] } = Object.groupBy(entries, ({ section }) => section)
  const heading = settings.length === 0 ? [] : [{ lines: [paint('bold', 'Security settings outside the routes')] }]
  const blank = routes.length === 0 || settings.length === 0 ? [] : [{ lines: [''] }]
  return [...routes, ...blank, ...heading, ...settings].flatMap(({ lines }) => lines.map(line => `${line}\n`)).join('')
}

function below({ kind, details, witness }: PolicyChange): readonly string[] {
  // Of what is looser the details tell as much, unless it is about how many requests there are.
  const isTold = kind !== 'changed' && (typeof witness !== 'string' || details.includes(witness))
  const example = witness === undefined || isTold ? [] : [`passes now: ${witnessText(witness)}`]
  return [...details, ...example].map(line => `             ${line}`)
}

function witnessText(witness: NonNullable<PolicyChange['witness']>): string {
  if (typeof witness === 'string') return witness
  return `${JSON.stringify(witness.claims)} of ${witness.provider}`
}

function where(requests: PolicyChange['requests']): string {
  if (requests === undefined) return ''
  const { methods, path, example } = requests
  const isEvery = methods.includes(OTHER_METHODS) && METHODS.every(method => methods.includes(method))
  const which = isEvery
    ? 'all methods'
    : methods.map(method => (method === OTHER_METHODS ? 'other methods' : method)).join(' ')
  return `${which} ${path}${path === example ? '' : ` (${example})`}`
}
