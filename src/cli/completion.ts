/** The command `sallyport completion` prints a script that lets a shell complete commands, options and values. */
import { DENIAL_CODES } from '../errors.ts'
import { WARNING_CODES } from '../tools/check/warnings.ts'
import { CHANGE_KINDS } from '../tools/diff/policy-diff.ts'
import { PRESETS } from '../tools/init/presets.ts'
import { FINDING_IDS } from '../tools/k8s/lint/finding-table.ts'
import { type Command, UsageError } from './command.ts'

/**
 * Lists the options of each command; the name of one that takes a value ends in `=`. The list stands here, since a
 * completion answers without loading any command. A test compares it with the commands' own help.
 */
const COMPLETIONS: Readonly<Record<string, readonly string[]>> = {
  run: ['--config=', '--report-only'],
  dev: ['--port=', '--admin-port=', '--issuer-port=', '--service-port='],
  check: ['--config=', '--online', '--no-files', '--strict', '--ignore=', '--json', '--format='],
  doctor: ['--config=', '--online', '--through=', '--admin=', '--timeout=', '--ignore=', '--json'],
  bundle: ['--output=', '--config=', '--online', '--admin=', '--force'],
  k8s: ['--filename=', '--config=', '--strict', '--ignore=', '--json', '--format='],
  explain: [
    '--token=',
    '--claims=',
    '--session=',
    '--fetch-site=',
    '--origin=',
    '--navigate',
    '--provider=',
    '--proof=',
    '--certificate=',
    '--tool=',
    '--header=',
    '--peer=',
    '--introspection=',
    '--revoked=',
    '--config=',
    '--no-files',
    '--json',
  ],
  test: ['--config=', '--min-coverage=', '--no-files', '--json', '--junit=', '--watch'],
  token: [
    ...[
      '--provider=',
      '--config=',
      '--json',
      '--key=',
      '--create-key',
      '--claim=',
      '--claims=',
      '--expires=',
      '--typ=',
      '--encrypt=',
      '--dpop-key=',
      '--proof=',
      '--nonce=',
    ],
  ],
  keys: ['--provider=', '--config='],
  revoke: [
    ...[
      '--sub=',
      '--sid=',
      '--client=',
      '--jti=',
      '--all',
      '--issuer=',
      '--before=',
      '--until=',
      '--reason=',
      '--wait=',
      '--undo',
      '--config=',
      '--json',
    ],
  ],
  revocations: ['--config=', '--json'],
  sessions: ['--provider=', '--sub=', '--all', '--config=', '--json'],
  why: ['--admin=', '--config=', '--json'],
  tail: ['--route=', '--code=', '--admin=', '--config=', '--json'],
  diff: ['--fail-on=', '--no-files', '--json'],
  schema: ['--included'],
  inject: ['--file=', '--config=', '--image=', '--service', '--policy=', '--port=', '--check', '--allow-none'],
  init: ['--preset=', '--issuer=', '--audience=', '--upstream=', '--force'],
  import: ['--issuer=', '--audience=', '--upstream='],
  completion: [],
}

/** Lists the words that may follow an option, or may be the first argument of a command. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  '--preset': Object.keys(PRESETS),
  '--ignore': [...WARNING_CODES, ...FINDING_IDS],
  '--code': DENIAL_CODES,
  '--format': ['github'],
  '--fail-on': CHANGE_KINDS,
  import: ['openapi'],
  token: ['decode', 'verify', 'mint', 'proof'],
  k8s: ['lint'],
  keys: ['public'],
  revocations: ['list', 'check'],
  sessions: ['list', 'end'],
  completion: ['bash', 'zsh', 'fish'],
}

const SHELLS: Readonly<Record<string, () => string>> = { bash, zsh, fish }

export const completionCommand: Command = {
  help: `Usage: sallyport completion bash|zsh|fish

Prints a script that lets the shell complete commands, options and files.

Examples:
  sallyport completion bash > ~/.local/share/bash-completion/completions/sallyport
  sallyport completion zsh > "\${fpath[1]}/_sallyport"
  sallyport completion fish > ~/.config/fish/completions/sallyport.fish
`,
  async run([shell, ...more], io) {
    const script = shell !== undefined && Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
    if (script === undefined || more.length > 0) throw new UsageError('name the shell: completion bash, zsh or fish')
    io.stdout(script())
    return 0
  },
}

function bash(): string {
  const options = Object.entries(COMPLETIONS).map(
    ([command, names]) =>
      `    ${command}) words="${[...names.map(name => name.replace('=', '')), '--help'].join(' ')}" ;;`,
  )
  const values = Object.entries(VALUES).map(
    ([after, words]) => `    ${after}) COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$current")); return ;;`,
  )
  return `# Completion of sallyport for bash.
_sallyport() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${Object.keys(COMPLETIONS).join(' ')} --help --version" -- "$current"))
    return
  fi
  case "$previous" in
${values.join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${options.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _sallyport sallyport
`
}

/** Prints the script for bash, which zsh can run. */
function zsh(): string {
  return `#compdef sallyport
autoload -U +X bashcompinit && bashcompinit
${bash()}`
}

function fish(): string {
  const commands = Object.keys(COMPLETIONS).join(' ')
  const lines = Object.entries(COMPLETIONS).flatMap(([command, names]) => [
    `complete -c sallyport -n __fish_use_subcommand -a ${command}`,
    ...names.map(name => {
      const option = name.replace('=', '')
      const words = VALUES[option]
      const value = words === undefined ? (name === option ? '' : ' -r') : ` -x -a "${words.join(' ')}"`
      return `complete -c sallyport -n "__fish_seen_subcommand_from ${command}" -l ${option.slice(2)}${value}`
    }),
    ...(VALUES[command] === undefined
      ? []
      : [`complete -c sallyport -n "__fish_seen_subcommand_from ${command}" -x -a "${VALUES[command].join(' ')}"`]),
  ])
  return `# Completion of sallyport for fish. Commands: ${commands}
${lines.join('\n')}
`
}
