/** The command `sallyport k8s` looks at Kubernetes manifests: `lint` finds mistakes of running the gateway in pods. */
import { loadConfigForTool } from '../config/read/load.ts'
import { didYouMean } from '../config/schema/suggest.ts'
import { FINDING_IDS, type FindingId } from '../tools/k8s/lint/finding-table.ts'
import { isFindingId } from '../tools/k8s/lint/ignored.ts'
import { inputFiles, UnreadableInput } from '../tools/k8s/lint/input-files.ts'
import { lint } from '../tools/k8s/lint/lint.ts'
import { countsOf, lintAnnotations, lintJson, lintText } from '../tools/k8s/lint/lint-report.ts'
import { wrapped } from '../tools/text/fitted-table.ts'
import { parsedArguments, unknownAction } from './arguments.ts'
import { type Command, UsageError } from './command.ts'

const HELP_WIDTH = 110

export const k8sCommand: Command = {
  help: `Usage: sallyport k8s lint -f PATH... [-c FILE] [--strict] [--ignore ID]... [--json | --format github]

Finds the mistakes of running the gateway in Kubernetes, in manifests as they are applied: ways past the gateway, probes
and ports that do not fit, what is lost when a pod stops. Each finding has its line, what was wanted and seen, and what
to do. Nothing is asked of a cluster.

  -f, --filename PATH  a file, all manifests of a folder, or - for standard input; may be repeated
  -c, --config FILE    the configuration of the gateway, where its ConfigMap is not in the input; nothing that it names
                       is read
  --strict             warnings fail, too
  --ignore ID          leave out a finding; may be repeated. A workload, or the object with the finding, can have the
                       annotation sallyport-lint-ignore instead, with ids and commas between them
  --json               findings as JSON
  --format github      findings as annotations of a GitHub workflow

Ids:
${wrapped(FINDING_IDS.join(', '), HELP_WIDTH)
  .map(line => `  ${line}`)
  .join('\n')}

Exit codes: 0 fine; 1 errors, warnings with --strict, or no workload with the gateway; 2 wrong usage, or something that
cannot be read.

Examples:
  kubectl kustomize overlays/prod | sallyport k8s lint -f -
  helm template orders ./chart | sallyport k8s lint -f - --strict
  sallyport k8s lint -f deploy/ -c sallyport.yaml --ignore image-no-digest
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('k8s', args, {
      allowPositionals: true,
      options: {
        filename: { type: 'string', short: 'f', multiple: true },
        config: { type: 'string', short: 'c' },
        strict: { type: 'boolean' },
        ignore: { type: 'string', multiple: true },
        json: { type: 'boolean' },
        format: { type: 'string' },
      },
    })
    const [action, ...more] = positionals
    if (action !== 'lint') throw unknownAction('k8s', action)
    if (more.length > 0) throw new UsageError(`k8s lint takes paths by -f: write -f ${more[0]}`)
    if (values.format !== undefined && values.format !== 'github')
      throw new UsageError('--format knows `github` only; leave it out for text, or use --json.')
    const ignored = new Set((values.ignore ?? []).flatMap(each => each.split(',')).map(findingId))
    const report = lint({
      files: filesOf(values.filename ?? []),
      config: values.config === undefined ? undefined : loadConfigForTool(values.config, io.env, 'unread'),
      ignored,
    })
    if (values.json === true) io.stdout(lintJson(report))
    else if (values.format === 'github') io.stdout(lintAnnotations(report))
    else io.stdout(lintText(report, io.paint))
    if (report.problems.length > 0) return 2
    const { error, warning } = countsOf(report.findings)
    return error > 0 || (values.strict === true && warning > 0) || report.gateways === 0 ? 1 : 0
  },
}

function filesOf(paths: readonly string[]) {
  if (paths.length === 0)
    throw new UsageError(
      'name the manifests with -f: a file, a folder, or - for standard input, as of kubectl kustomize',
    )
  try {
    return inputFiles(paths)
  } catch (error) {
    if (error instanceof UnreadableInput) throw new UsageError(error.message)
    throw error
  }
}

function findingId(text: string): FindingId {
  const id = text.trim()
  if (!isFindingId(id))
    throw new UsageError(`"${id}" is no finding.${didYouMean(id, FINDING_IDS)} See sallyport k8s --help.`)
  return id
}
