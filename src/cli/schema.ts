/** The command `sallyport schema` prints the JSON Schema of the configuration file, or of one that it includes. */
import { configJsonSchema, includedJsonSchema } from '../config/schema/json-schema.ts'
import { parsedArguments } from './arguments.ts'
import type { Command } from './command.ts'

export const schemaCommand: Command = {
  help: `Usage: sallyport schema [--included] > sallyport.schema.json

Put this line at the top of a configuration file to have an editor complete and check it:
# yaml-language-server: $schema=./sallyport.schema.json

  --included   the schema of a file that another one names in \`include\`, which may leave out everything
`,
  async run(args, io) {
    const { values } = parsedArguments('schema', args, { options: { included: { type: 'boolean' } } })
    io.stdout(values.included === true ? includedJsonSchema() : configJsonSchema())
    return 0
  },
}
