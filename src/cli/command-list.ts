/**
 * Lists every command with its options: a new one gets its place in the overview, "did you mean" and completion by
 * standing here. Its row in `main.ts` loads it.
 *
 * The list is read where no command is loaded. Tests compare it with the commands' own help.
 */

/** Heads of the overview, in its order. Commands of the last one are for programs, and are not shown. */
export const GROUPS = [
  'Try it and run it',
  'Write a policy',
  'Kubernetes',
  'Look into a running one',
  'Tokens and sessions',
  'Everything else',
  'hidden',
] as const

interface ListedCommand {
  readonly group: (typeof GROUPS)[number]
  readonly summary: string
  /**
   * Written as in the help: `-c, --config=`. The name of one that takes a value ends in `=`. Where the first argument
   * says what to do, each of these words has options of its own.
   */
  readonly options: readonly string[] | Readonly<Record<string, readonly string[]>>
}

const CONFIG = '-c, --config='

export const COMMANDS = {
  dev: {
    group: 'Try it and run it',
    summary: 'try it on this machine, in front of a demo or of your own service',
    options: [
      '--upstream=',
      CONFIG,
      '--save=',
      '--claims=',
      '--scope=',
      '--port=',
      '--admin-port=',
      '--issuer-port=',
      '--service-port=',
      '--only=',
      '--ask=',
    ],
  },
  init: {
    group: 'Try it and run it',
    summary: 'write a configuration to begin with',
    options: ['--preset=', '--issuer=', '--audience=', '--upstream=', '--force'],
  },
  import: {
    group: 'Try it and run it',
    summary: 'make a configuration from an OpenAPI document',
    options: { openapi: ['--issuer=', '--audience=', '--upstream='] },
  },
  run: {
    group: 'Try it and run it',
    summary: 'run the gateway',
    options: [CONFIG, '--report-only'],
  },
  inject: {
    group: 'Kubernetes',
    summary: 'put the gateway into Kubernetes manifests',
    options: [
      '-f, --file=',
      '--config=',
      '--image=',
      '--service',
      '-c, --policy=',
      '--port=',
      '--check',
      '--allow-none',
    ],
  },
  k8s: {
    group: 'Kubernetes',
    summary: 'find the mistakes in Kubernetes manifests with the gateway',
    options: { lint: ['-f, --filename=', CONFIG, '--strict', '--ignore=', '--json', '--format='] },
  },
  check: {
    group: 'Write a policy',
    summary: 'check a configuration without starting',
    options: [CONFIG, '--online', '--no-files', '--strict', '--ignore=', '--json', '--format='],
  },
  explain: {
    group: 'Write a policy',
    summary: 'show how a request is decided, and why',
    options: [
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
      '--caller=',
      '-H, --header=',
      '--peer=',
      '--introspection=',
      '--revoked=',
      CONFIG,
      '--no-files',
      '--json',
    ],
  },
  test: {
    group: 'Write a policy',
    summary: 'put test cases to a policy',
    options: [CONFIG, '--min-coverage=', '--no-files', '--json', '--junit=', '--watch'],
  },
  diff: {
    group: 'Write a policy',
    summary: 'show which requests a change of configuration treats otherwise',
    options: ['--fail-on=', '--no-files', '--json'],
  },
  snippet: {
    group: 'Write a policy',
    summary: 'print the configuration of a proxy that asks the gateway',
    options: [CONFIG, '--listen=', '--service='],
  },
  doctor: {
    group: 'Look into a running one',
    summary: 'find out why it does not work here, step by step',
    options: [CONFIG, '--online', '--through=', '--service-listen=', '--admin=', '--timeout=', '--ignore=', '--json'],
  },
  why: {
    group: 'Look into a running one',
    summary: 'tell why a running gateway refused a request',
    options: ['--admin=', CONFIG, '--json'],
  },
  tail: {
    group: 'Look into a running one',
    summary: 'show what a running gateway refuses, as it happens',
    options: ['--route=', '--code=', '--admin=', CONFIG, '--json'],
  },
  bundle: {
    group: 'Look into a running one',
    summary: 'write what a support ticket needs into one file, without secrets',
    options: ['-o, --output=', CONFIG, '--online', '--admin=', '--force'],
  },
  token: {
    group: 'Tokens and sessions',
    summary: 'decode, verify or mint a token',
    options: {
      decode: [CONFIG, '--json'],
      verify: ['--provider=', '--internal', '--admin=', CONFIG, '--json'],
      mint: [
        '--key=',
        '--create-key',
        '--bundle',
        '--claim=',
        '--claims=',
        '--expires=',
        '--typ=',
        '--encrypt=',
        '--provider=',
        CONFIG,
        '--dpop-key=',
        '--proof=',
        '--nonce=',
      ],
      proof: ['--dpop-key=', '--nonce='],
    },
  },
  keys: {
    group: 'Tokens and sessions',
    summary: 'print the public keys that issuers encrypt tokens for',
    options: { public: ['--provider=', CONFIG] },
  },
  revoke: {
    group: 'Tokens and sessions',
    summary: 'take tokens back before they expire',
    options: [
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
      CONFIG,
      '--json',
    ],
  },
  revocations: {
    group: 'Tokens and sessions',
    summary: 'list what is revoked, or say what revokes a token',
    options: { list: [CONFIG, '--json'], check: [CONFIG, '--json'] },
  },
  sessions: {
    group: 'Tokens and sessions',
    summary: 'list who is logged in, or end sessions of browsers',
    options: {
      list: ['--sub=', '--provider=', CONFIG, '--json'],
      end: ['--sub=', '--all', '--provider=', CONFIG, '--json'],
    },
  },
  schema: {
    group: 'Everything else',
    summary: 'print the JSON Schema of the configuration file, for editors',
    options: ['--included'],
  },
  completion: {
    group: 'Everything else',
    summary: 'print the completion script of a shell',
    options: { bash: [], zsh: [], fish: [] },
  },
  complete: {
    group: 'hidden',
    summary: 'print words of a configuration file for the completion of a shell',
    options: [],
  },
} as const satisfies Readonly<Record<string, ListedCommand>>

export type CommandName = keyof typeof COMMANDS

const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[]

/** Those that people call. */
export const SHOWN_COMMANDS = COMMAND_NAMES.filter(name => COMMANDS[name].group !== 'hidden')

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(COMMANDS, name)
}

/** Returns the words that say what to do, such as `decode` and `verify` of `token`; none for most commands. */
export function actionsOf(command: CommandName): readonly string[] {
  const { options }: ListedCommand = COMMANDS[command]
  return isFlat(options) ? [] : Object.keys(options)
}

interface ListedOption {
  /** `--config` */
  readonly name: string
  /** `-c` */
  readonly short: string | undefined
  readonly takesValue: boolean
}

/** Returns the options of a command: those of one of its actions, or of all of them. */
export function optionsOf(command: CommandName, action?: string): readonly ListedOption[] {
  const { options }: ListedCommand = COMMANDS[command]
  const written = isFlat(options)
    ? options
    : action !== undefined && Object.hasOwn(options, action)
      ? (options[action] ?? [])
      : [...new Set(Object.values(options).flat())]
  return written.map(readOption)
}

function isFlat(options: ListedCommand['options']): options is readonly string[] {
  return Array.isArray(options)
}

function readOption(written: string): ListedOption {
  const [, short, name = ''] = /^(?:(-\w), )?(--[\w-]+)/.exec(written) ?? []
  return { name, short, takesValue: written.endsWith('=') }
}
