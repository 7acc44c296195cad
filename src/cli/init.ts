/** The command `sallyport init` writes a configuration to begin with, and the schema that editors check it by. */

import { writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { configJsonSchema } from '../config/schema/json-schema.ts'
import { codeOf, fileFailureText } from '../lib/failure-text.ts'
import { PRESETS, type PresetName } from '../tools/init/presets.ts'
import { starterFile } from '../tools/init/starter-file.ts'
import { oneOf, parsedArguments } from './arguments.ts'
import { type Command, RuntimeError, UsageError } from './command.ts'

const NAMES = Object.keys(PRESETS) as readonly PresetName[]

export const initCommand: Command = {
  help: `Usage: sallyport init [FILE] [--preset NAME] [--issuer URL] [--audience NAME] [--upstream URL] [--force]

Writes a commented configuration to begin with, and sallyport.schema.json beside it, which editors complete and check
it by. Nothing is overwritten without --force.

  FILE               else ./sallyport.yaml; - prints it
  --preset NAME      for an identity provider:
${NAMES.map(name => `                       ${name.padEnd(11)} ${PRESETS[name].summary}`).join('\n')}
  --issuer URL, --audience NAME, --upstream URL
                     fill in what is yours

Examples:
  sallyport init
  sallyport init --preset keycloak --issuer https://sso.example.com/realms/shop --audience orders-api
  sallyport init - --preset kubernetes > deploy/sallyport.yaml
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('init', args, {
      allowPositionals: true,
      options: {
        preset: { type: 'string' },
        issuer: { type: 'string' },
        audience: { type: 'string' },
        upstream: { type: 'string' },
        force: { type: 'boolean' },
      },
    })
    const [file = 'sallyport.yaml', ...more] = positionals
    if (more.length > 0) throw new UsageError('init takes one file\nSee sallyport init --help.')
    const preset = oneOf(values.preset ?? 'generic', NAMES, 'preset')
    const text = starterFile({ ...values, preset })
    if (file === '-') {
      io.stdout(text)
      return 0
    }
    const flag = values.force === true ? 'w' : 'wx'
    write(file, text, flag)
    const schema = join(dirname(file), 'sallyport.schema.json')
    // The schema is written without asking: nobody edits it, and a newer one is always better.
    write(schema, configJsonSchema(), 'w')
    io.stdout(
      `wrote ${resolve(file)}\nand ${resolve(schema)}\n\nReplace what is marked "yours", then: sallyport check ${file} --online\n`,
    )
    return 0
  },
}

function write(file: string, text: string, flag: 'w' | 'wx'): void {
  try {
    // Whatever the umask is: a file that a group may write is one that `run` refuses.
    writeFileSync(file, text, { flag, mode: 0o644 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw new UsageError(`${file} is there already; name another file, or add --force`)
    throw new RuntimeError(`${file} cannot be written: ${fileFailureText(error)}`)
  }
}
