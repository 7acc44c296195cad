/** The command `sallyport completion` prints a script that lets a shell complete commands, options and values. */
import { CALLERS } from '../decision/callers.ts'
import { DENIAL_CODES } from '../errors.ts'
import { METHODS } from '../route/methods.ts'
import { WARNING_CODES } from '../tools/check/warnings.ts'
import { CHANGE_KINDS } from '../tools/diff/policy-diff.ts'
import { CHECK_NAMES } from '../tools/doctor/finding.ts'
import { PRESETS } from '../tools/init/presets.ts'
import { FINDING_IDS } from '../tools/k8s/lint/finding-table.ts'
import { unknownAction } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { SHOWN_COMMANDS } from './command-list.ts'
import { bashScript, fishScript, type Words, zshScript } from './completion-scripts.ts'

/** What may follow an option, or may be the first argument of a command besides the words that say what to do. */
const WORDS: Readonly<Record<string, Words>> = {
  '--preset': Object.keys(PRESETS),
  'check --ignore': WARNING_CODES,
  'doctor --ignore': CHECK_NAMES,
  'k8s --ignore': FINDING_IDS,
  '--code': DENIAL_CODES,
  '--format': ['github'],
  '--fail-on': CHANGE_KINDS,
  '--fetch-site': ['same-origin', 'same-site', 'cross-site', 'none', 'absent'],
  '--provider': 'providers',
  '--route': 'routes',
  explain: METHODS,
  snippet: CALLERS,
  help: SHOWN_COMMANDS,
}

const SCRIPTS: Readonly<Record<string, (words: typeof WORDS) => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
}

export const completionCommand: Command = {
  help: `Usage: sallyport completion bash|zsh|fish

Prints a script that lets the shell complete commands, options, files, methods, and the ids of routes and providers,
which it reads from the configuration file that the line names.

Examples:
  sallyport completion bash > ~/.local/share/bash-completion/completions/sallyport
  sallyport completion zsh > "\${fpath[1]}/_sallyport"
  sallyport completion fish > ~/.config/fish/completions/sallyport.fish
`,
  async run([shell, ...more], io) {
    const script = shell !== undefined && Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
    if (script === undefined) throw unknownAction('completion', shell)
    if (more.length > 0) throw new UsageError('completion takes one shell: bash, zsh or fish')
    io.stdout(script(WORDS))
    return 0
  },
}
