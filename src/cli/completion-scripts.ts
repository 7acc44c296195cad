/**
 * Writes the scripts by which shells complete a command line of ours. What does not change stands in them; ids are read
 * from the configuration at each completion, by `sallyport complete`.
 *
 * Words of a configuration are compared as they are: `compgen -W` would run a command that stands in one.
 */
import { actionsOf, type CommandName, optionsOf, SHOWN_COMMANDS } from './command-list.ts'

/** Words that are known, or the kind of those that `sallyport complete` finds. */
export type Words = readonly string[] | 'providers' | 'routes' | 'paths'

/** By what they follow: an option, an option of one command (`check --ignore`), or a command. */
type WordsAfter = Readonly<Record<string, Words>>

export function bashScript(words: WordsAfter): string {
  const after = [...Object.entries(words), ...SHOWN_COMMANDS.map(actionsAfter)].flatMap(([place, values]) =>
    values.length === 0 ? [] : [`    ${bashPlace(place)}) ${bashReply(values)} ;;`],
  )
  const options = SHOWN_COMMANDS.flatMap(command => [
    ...actionsOf(command).map(action => `    "${command} ${action}") words="${optionWords(command, action)}" ;;`),
    `    "${command} "*) words="${optionWords(command)}" ;;`,
  ])
  return `# Completion of sallyport for bash.
_sallyport_read() {
  local word
  while IFS= read -r word; do
    case "$word" in "$current"*) COMPREPLY+=("$word") ;; esac
  done < <("\${COMP_WORDS[0]}" complete "$1" "\${COMP_WORDS[@]}" 2>/dev/null)
}
_sallyport() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words="" place
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${SHOWN_COMMANDS.join(' ')} help version --help --version" -- "$current"))
    return
  fi
  # Bash takes the = of --option=value for a word of its own.
  if [ "$previous" = "=" ]; then previous="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  if [ "$current" = "=" ]; then current=""; fi
  if [ "$COMP_CWORD" -eq 2 ]; then place="first"; else place="\${COMP_WORDS[1]}"; fi
  case "$place $previous" in
${after.join('\n')}
  esac
  case "\${COMP_WORDS[1]} $COMP_CWORD $current" in
    "explain 3 -"*) ;;
    "explain 3 "*) _sallyport_read paths; return ;;
  esac
  case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${options.join('\n')}
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -o default -F _sallyport sallyport
`
}

function actionsAfter(command: CommandName): readonly [place: string, words: readonly string[]] {
  return [command, actionsOf(command)]
}

/** An option follows any argument of a command; what follows the command itself is its first one. */
function bashPlace(place: string): string {
  if (!place.includes('-')) return `"first ${place}"`
  return place.includes(' ') ? `"${place}"` : `*" ${place}"`
}

function bashReply(words: Words): string {
  return typeof words === 'string'
    ? `_sallyport_read ${words}; return`
    : `COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$current")); return`
}

function optionWords(command: CommandName, action?: string): string {
  return [...optionsOf(command, action).map(({ name }) => name), '--help'].join(' ')
}

/** Returns the script for bash, which zsh can run. */
export function zshScript(words: WordsAfter): string {
  return `#compdef sallyport
autoload -U +X bashcompinit && bashcompinit
${bashScript(words)}`
}

export function fishScript(words: WordsAfter): string {
  const lines = SHOWN_COMMANDS.flatMap(command => {
    const seen = `complete -c sallyport -n "__fish_seen_subcommand_from ${command}"`
    const first = [...(words[command] ?? []), ...actionsOf(command)]
    return [
      `complete -c sallyport -n __fish_use_subcommand -a ${command}`,
      ...optionsOf(command).map(({ name, short, takesValue }) => {
        const after = words[`${command} ${name}`] ?? words[name]
        const value = after === undefined ? (takesValue ? ' -r' : '') : ` -x -a ${fishWords(after)}`
        return `${seen} -l ${name.slice(2)}${short === undefined ? '' : ` -s ${short.slice(1)}`}${value}`
      }),
      ...(first.length === 0 ? [] : [`${seen} -a "${first.join(' ')}"`]),
    ]
  })
  return `# Completion of sallyport for fish.
${lines.join('\n')}
complete -c sallyport -n "__fish_seen_subcommand_from explain" -a ${fishWords('paths')}
`
}

function fishWords(words: Words): string {
  return typeof words === 'string'
    ? `"(sallyport complete ${words} (commandline -opc) 2>/dev/null)"`
    : `"${words.join(' ')}"`
}
