/** The command `sallyport import openapi` makes a configuration with the routes of an OpenAPI document. */

import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { fileFailureText } from '../lib/failure-text.ts'
import { openapiConfig } from '../tools/openapi/openapi-config.ts'
import { openapiRoutes } from '../tools/openapi/openapi-routes.ts'
import { looksLikeFile, parsedArguments, unknownAction } from './arguments.ts'
import { type Command, UsageError } from './command.ts'

export const importCommand: Command = {
  help: `Usage: sallyport import openapi FILE [--issuer URL] [--audience NAME] [--upstream URL]

Prints a configuration with a route for each path of an OpenAPI 3 document (JSON or YAML) and the scopes of its security
requirements, summaries as comments. A route never asks for less than the document does. What cannot be said is narrowed;
what no token opens becomes no route, nor does a path that cannot be one, and no other route takes their requests. All
of that is listed, and so is what the document opens, at the end of the configuration and on standard error.
The result passes sallyport check.

  --issuer URL, --audience NAME, --upstream URL
                     fill in what no document says

Examples:
  sallyport import openapi openapi.yaml > sallyport.yaml
  sallyport import openapi api.json --issuer https://auth.example.com/ --audience https://api.example.com
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('import', args, {
      allowPositionals: true,
      options: { issuer: { type: 'string' }, audience: { type: 'string' }, upstream: { type: 'string' } },
    })
    const [format, file, ...more] = positionals
    if (format !== undefined && format !== 'openapi' && looksLikeFile(format))
      throw new UsageError(`import takes a format and a file: sallyport import openapi ${format}`)
    if (format !== 'openapi') throw unknownAction('import', format)
    if (file === undefined || more.length > 0)
      throw new UsageError('import takes one file: sallyport import openapi FILE')
    const { issuer = 'https://auth.example.com/', audience = 'https://api.example.com' } = values
    const upstream = values.upstream ?? 'http://127.0.0.1:3000'
    const { text, routes, unmapped } = openapiConfig(imported(file), { issuer, audience, upstream })
    for (const each of unmapped) io.stderr(`${each}\n`)
    if (routes.length === 0) throw new UsageError(`${file} has no path that could become a route`)
    io.stdout(text)
    io.stderr(`${routes.length} routes, ${unmapped.length} notes\n`)
    return 0
  },
}

function imported(file: string): ReturnType<typeof openapiRoutes> {
  try {
    const text = readFileSync(file, 'utf8')
    // A parser of YAML reads JSON, too, but that of JSON is many times faster.
    const document: unknown = /^\s*\{/.test(text)
      ? JSON.parse(text)
      : parse(text, { maxAliasCount: 10_000, logLevel: 'error' })
    return openapiRoutes(document)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const isOfSystem = 'code' in error && 'syscall' in error
    const message = isOfSystem ? `cannot be read: ${fileFailureText(error)}` : error.message
    throw new UsageError(`${file}: ${message}`)
  }
}
