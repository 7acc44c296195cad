/** The command `sallyport schema` prints the JSON Schema of the configuration file. */
import { configJsonSchema } from '../config/schema/json-schema.ts'
import { type Command, UsageError } from './command.ts'

export const schemaCommand: Command = {
  help: `Usage: sallyport schema > sallyport.schema.json

Put this line at the top of a configuration file to have an editor complete and check it:
# yaml-language-server: $schema=./sallyport.schema.json
`,
  async run(args, io) {
    if (args.length > 0) throw new UsageError('sallyport schema takes no arguments.')
    io.stdout(configJsonSchema())
    return 0
  },
}
