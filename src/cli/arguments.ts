/**
 * Reads a command line with Node's `parseArgs`, and says in its place what is wrong with one: with the option that was
 * probably meant, or the command that it belongs to.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util'
import { didYouMean } from '../config/schema/suggest.ts'
import { UsageError } from './command.ts'
import { actionsOf, type CommandName, isCommand, optionsOf, SHOWN_COMMANDS } from './command-list.ts'

type Options = NonNullable<ParseArgsConfig['options']>
type Token = ReturnType<typeof tokensOf>[number]
type OptionToken = Extract<Token, { kind: 'option' }>

/**
 * Reads the arguments of one command.
 *
 * @param name of the command, for the hint; also with the word that says what to do: `token verify`
 * @throws {UsageError} an option is unknown, lacks its value or is there twice, or an argument is not expected
 */
export function parsedArguments<T extends Omit<ParseArgsConfig, 'args'>>(
  name: string,
  args: readonly string[],
  config: T,
): ReturnType<typeof parseArgs<T & { args: string[] }>> {
  const { options = {}, allowPositionals = false } = config
  const tokens = tokensOf(args, options)
  const problem =
    optionProblem(name, tokens, options) ??
    (allowPositionals
      ? undefined
      : surplusProblem(name, wordsOf(tokens), options.config === undefined ? 'nothing' : 'config'))
  if (problem !== undefined) throw new UsageError(`${problem}\nSee sallyport ${commandOf(name)} --help.`)
  return parseArgs({ ...config, args: [...args] })
}

function tokensOf(args: readonly string[], options: Options) {
  return parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true }).tokens
}

function wordsOf(tokens: readonly Token[]): readonly string[] {
  return tokens.flatMap(token => (token.kind === 'positional' ? [token.value] : []))
}

function commandOf(name: string): string {
  return name.split(' ', 1)[0] ?? name
}

function optionProblem(name: string, tokens: readonly Token[], options: Options): string | undefined {
  const given = new Set<string>()
  for (const token of tokens) {
    if (token.kind === 'option-terminator') return undefined
    if (token.kind === 'positional') continue
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined
    if (option === undefined) return unknownOption(name, token, options)
    const problem = option.type === 'string' ? valueProblem(token, options) : flagProblem(token)
    if (problem !== undefined) return problem
    if (option.type === 'string' && option.multiple !== true && given.has(token.name))
      return `${token.rawName} is given twice; give it once`
    given.add(token.name)
  }
  return undefined
}

/** A value that begins with a dash is mostly the next option, behind one whose value was forgotten. */
function valueProblem({ rawName, value, inlineValue }: OptionToken, options: Options): string | undefined {
  const written = rawName.startsWith('--') ? `${rawName}=` : `${rawName} `
  if (value === undefined) return `${rawName} needs a value: ${written}VALUE`
  // Node takes `-config` for `-c onfig`.
  const whole = `${rawName.slice(1)}${value}`
  if (inlineValue === true && !rawName.startsWith('--') && Object.hasOwn(options, whole))
    return `there is no option -${whole}. Did you mean "--${whole}"?`
  if (inlineValue === true || !value.startsWith('-') || value === '-') return undefined
  return `${rawName} needs a value, and "${value}" looks like the next option; if it is the value, write --${longName(rawName, options)}=${value}`
}

function longName(rawName: string, options: Options): string {
  if (rawName.startsWith('--')) return rawName.slice(2)
  return Object.keys(options).find(each => options[each]?.short === rawName.slice(1)) ?? rawName
}

function flagProblem({ rawName, inlineValue }: OptionToken): string | undefined {
  return inlineValue === true ? `${rawName} takes no value; write ${rawName}, or leave it out` : undefined
}

function unknownOption(name: string, { rawName }: OptionToken, options: Options): string {
  const own = Object.entries(options).flatMap(([each, { short }]) => [
    `--${each}`,
    ...(short === undefined ? [] : [`-${short}`]),
  ])
  const owners = ownersOf(rawName).filter(each => each !== name)
  const meant = similarOption(rawName, own)
  const hint =
    meant !== ''
      ? meant
      : owners.length > 0
        ? ` It belongs to ${listed(owners)}.`
        : own.length === 0
          ? ` It takes none.`
          : ''
  return `${name} has no option ${rawName}.${hint}`
}

/** Of short options, another case of the letter is meant, or `-f` as the file of many programs. */
function similarOption(rawName: string, own: readonly string[]): string {
  const isShort = !rawName.startsWith('--')
  const short = isShort ? own.find(each => each.toLowerCase() === rawName.toLowerCase()) : undefined
  const file = ['-f', '--file'].includes(rawName) && own.includes('--config') ? '-c' : undefined
  const meant = short ?? file
  if (meant !== undefined) return ` Did you mean "${meant}"?`
  const words = [...own, '--help'].filter(each => each.startsWith('--')).map(each => each.slice(2))
  const word = rawName.replace(/^-+/, '')
  const longer = words.find(each => word.startsWith(`${each}-`) || (each.length > 5 && word.startsWith(each)))
  if (longer !== undefined) return ` Did you mean "--${longer}"?`
  return isShort ? '' : didYouMean(word, words).replace('"', '"--')
}

/** Returns the commands that have an option of this name, such as `check` and `token mint`. */
function ownersOf(rawName: string): readonly string[] {
  const has = (command: CommandName, action?: string) =>
    optionsOf(command, action).some(({ name, short }) => name === rawName || short === rawName)
  return SHOWN_COMMANDS.flatMap(command => {
    const actions = actionsOf(command)
    if (actions.length === 0) return has(command) ? [command] : []
    return actions.filter(action => has(command, action)).map(action => `${command} ${action}`)
  })
}

/**
 * Refuses arguments that are no options.
 *
 * @param takes what a file among them is mostly meant to be
 */
export function refuseSurplus(name: string, positionals: readonly string[], takes: 'config' | 'nothing'): void {
  const problem = surplusProblem(name, positionals, takes)
  if (problem !== undefined) throw new UsageError(`${problem}\nSee sallyport ${commandOf(name)} --help.`)
}

function surplusProblem(name: string, [surplus]: readonly string[], takes: 'config' | 'nothing'): string | undefined {
  if (surplus === undefined) return undefined
  const isArchive = name === 'bundle' && /\.t?gz$/.test(surplus)
  if (isArchive) return `bundle takes options only. Did you mean: sallyport bundle -o ${surplus}`
  const option = surplusOption(name, surplus, takes)
  const meant = option === undefined ? '' : ` Did you mean: sallyport ${name} ${option} ${surplus}`
  return `${name} takes options only, and "${surplus}" is none.${meant}`
}

/** @returns the option that was forgotten before the word */
function surplusOption(name: string, surplus: string, takes: 'config' | 'nothing'): string | undefined {
  const owns = (option: string) => isCommand(name) && optionsOf(name).some(each => each.name === option)
  if (/^https?:\/\//i.test(surplus)) return owns('--upstream') ? '--upstream' : undefined
  if (!looksLikeFile(surplus)) return undefined
  if (owns('--file')) return '-f'
  return takes === 'config' ? '-c' : undefined
}

export function looksLikeFile(word: string): boolean {
  return /[/\\]|\.(?:ya?ml|json)$/i.test(word)
}

/**
 * Says that the first argument of a command is none of the words that it takes there.
 *
 * @param given undefined: there is none
 */
export function unknownAction(command: CommandName, given: string | undefined): UsageError {
  const actions = actionsOf(command)
  const choice = listed(
    actions.map(action => `${command} ${action}`),
    'or',
  )
  const meant = given === undefined ? '' : didYouMean(given, actions).replace('"', `"${command} `)
  const problem =
    given === undefined || given.startsWith('-')
      ? `write what to do: ${choice}`
      : `there is no "${command} ${given}"${meant === '' ? `; write ${choice}` : `.${meant}`}`
  return new UsageError(`${problem}\nSee sallyport ${command} --help.`)
}

/**
 * Returns the one of a few words that an option names.
 *
 * @param kind what they are, as in `"okta" is no preset`
 */
export function oneOf<T extends string>(text: string, choices: readonly T[], kind: string): T {
  const chosen = choices.find(each => each === text)
  if (chosen !== undefined) return chosen
  throw new UsageError(`"${text}" is no ${kind}${meantOrAll(text, choices)}`)
}

/** Continues a message that a word is none of these: with the one that was probably meant, or with all of them. */
export function meantOrAll(word: string, known: readonly string[]): string {
  const meant = didYouMean(word, known)
  return meant === '' ? `; there ${known.length === 1 ? 'is' : 'are'} ${known.join(', ')}` : `.${meant}`
}

function listed(words: readonly string[], conjunction = 'and'): string {
  return [words.slice(0, -1).join(', '), words.at(-1)].filter(each => each !== '').join(` ${conjunction} `)
}
