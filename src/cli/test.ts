/** The command `sallyport test` puts test cases to a policy before the policy ships. */

import { watch, writeFileSync } from 'node:fs'
import { basename, dirname, relative, resolve } from 'node:path'
import { loadConfigForTool, type NamedFiles } from '../config/read/load.ts'
import { ConfigError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { fileFailureText } from '../lib/failure-text.ts'
import { type Cancel, systemScheduler } from '../lib/scheduler.ts'
import { caseClock } from '../tools/cases/case-clock.ts'
import { readCaseFile } from '../tools/cases/case-file.ts'
import {
  type FileResult,
  isFailed,
  type TestReport,
  testJson,
  testJunit,
  testText,
} from '../tools/cases/case-report.ts'
import { coverage } from '../tools/cases/coverage.ts'
import { runCases } from '../tools/cases/run-cases.ts'
import { closeToolServices, toolServices } from '../tools/engine/tool-policy.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, type CommandIo, type ExitCode, RuntimeError, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { NO_FILES, namedFiles } from './no-files.ts'

/** Files have to be quiet for so long before the cases run again: saving a file is several events. */
const QUIET_MS = 50

interface TestOptions {
  readonly files: readonly string[]
  /** This configuration is for files of cases that name none. */
  readonly config: string | undefined
  readonly minCoverage: number
  readonly format: 'text' | 'json'
  readonly junit: string | undefined
  readonly namedFiles: NamedFiles
}

export const testCommand: Command = {
  help: `Usage: sallyport test FILE... [-c FILE] [--min-coverage N] [--no-files] [--json]
                      [--junit FILE] [--watch]

Puts the cases of each file to the policy, on the engine that serves traffic, and shows what came out otherwise than
expected. Nothing is fetched and nothing is sent: claims are signed by a key that stands in for the providers'.

  config: ./sallyport.yaml               # from this file's folder; else as below
  tests:
    - name: a reader may list
      request: GET /orders
      claims: { sub: alice, scope: orders:read }   # left out: no token. iss, aud, iat, exp are filled in
      expect: allow                                # or a refusal code: scope_missing
      headers: { X-Auth-Subject: alice }           # what the upstream must get; null: must not get
    # also: requestHeaders: { Name: value }, provider: ID, route: ID, reported: CODE (of a report-only route),
    #       revoked: [{ sub: alice }] (jti, sub, sid, client or all), revocation: stale (so that whenStale decides),
    #       now: 2026-01-01T00:00:00Z (when the request arrives),
    #       repeat: 201 (it is sent so often at one instant; expect is about the last one: rate_limited),
    #       introspection: { active: true, sub: alice } (in place of claims: what the server says, as it is),
    #       proof: dpop (the token is bound to a key, and comes with a valid DPoP proof), proof: none (without it),
    #       proof: { htu: URL, age: 2m, key: other } (with one for that URL, that old, or by another key),
    #       preflight: { origin: URL, method: PUT, headers: [content-type] } (of request: OPTIONS /orders, without a token),
    #       mcp: { tool: orders.delete } (the body calls it; method: tools/list calls none),
    #       session: { sub: alice, scope: orders:read } (in place of claims: a browser is logged in, with its cookie),
    #       origin: URL (of the page that sends the request), fetchSite: cross-site (with session: where that page is),
    #       navigate: true (a tab is opened), location: /auth/login?return=%2F (and is sent there: expect: token_missing),
    #       steppedUp: true (the session has just begun, with a login for the acr and authAge of the route),
    #       certificate: FILE (the token is bound to this one, which the client shows), certificate: none (it shows none)

Coverage counts, for each route, that somebody gets in, that a stranger does not, and that each single requirement
refuses a caller who lacks nothing else: what is covered cannot be taken out of the policy without failing a test.

  -c, --config FILE    configuration of files that name none; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --min-coverage N     fail below N percent
  --no-files           do not read the files that the configuration names: secrets, certificates, tokens, key sets
  --json               results as JSON
  --junit FILE         also write them as JUnit XML
  --watch              run again whenever a file changes, until Ctrl-C

Exit codes: 0 all passed; 1 a case failed, or too little coverage; 2 bad file or usage.

Examples:
  sallyport test orders.test.yaml
  sallyport test policy/*.test.yaml --min-coverage 100 --junit report.xml
  sallyport test orders.test.yaml --watch
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('test', args, {
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        'min-coverage': { type: 'string' },
        json: { type: 'boolean' },
        junit: { type: 'string' },
        watch: { type: 'boolean' },
        ...NO_FILES,
      },
    })
    if (positionals.length === 0)
      throw new UsageError('test takes at least one file of cases. See sallyport test --help.')
    const options: TestOptions = {
      files: positionals,
      config: values.config,
      minCoverage: percentage(values['min-coverage'] ?? '0'),
      format: values.json === true ? 'json' : 'text',
      junit: values.junit,
      namedFiles: namedFiles(values),
    }
    return values.watch === true ? watched(options, io) : (await runOnce(options, io)).code
  },
}

interface Run {
  readonly code: ExitCode
  /** Every file that was read is listed: cases and configurations. */
  readonly read: readonly string[]
}

/** Runs the cases and prints the results. @throws {ConfigError} a file of cases or a configuration has errors */
async function runOnce(options: TestOptions, io: CommandIo): Promise<Run> {
  const report = await testReport(options, io)
  io.stdout(options.format === 'json' ? testJson(report) : testText(report, io.paint))
  if (options.junit !== undefined) writeJunit(options.junit, testJunit(report), io)
  const scarce = report.coverages.filter(each => each.coverage.percent < options.minCoverage)
  for (const each of scarce)
    io.stderr(
      `${each.configFile}: coverage is ${each.coverage.percent}%, less than the ${options.minCoverage}% asked for\n`,
    )
  const hasFailed = report.files.some(({ results }) => results.some(isFailed)) || scarce.length > 0
  const read = report.files.flatMap(each => [each.file, each.configFile])
  return { code: hasFailed ? 1 : 0, read: [...read, ...report.coverages.flatMap(({ included }) => included)] }
}

function writeJunit(file: string, text: string, { stderr }: CommandIo): void {
  try {
    writeFileSync(file, text)
    stderr(`wrote ${resolve(file)}\n`)
  } catch (error) {
    throw new RuntimeError(`--junit: ${file} cannot be written: ${fileFailureText(error)}`)
  }
}

async function testReport(
  { files, config: named, namedFiles: unread }: TestOptions,
  io: CommandIo,
): Promise<TestReport> {
  const clock = caseClock(systemClock)
  const services = toolServices({ ...io, clock })
  const caseFiles = files.map(file => readCaseFile(file, io.env))
  const results: FileResult[] = []
  const coverages: TestReport['coverages'][number][] = []
  const byConfig = Map.groupBy(caseFiles, each => shortPath(each.configFile ?? configFile(named, io.env)))
  for (const [file, group] of byConfig) {
    const config = loadConfigForTool(file, io.env, unread)
    for (const each of group)
      results.push({
        file: each.file,
        configFile: file,
        results: await runCases(config, each.cases, services, unread, clock),
      })
    const ofConfig = results.filter(each => each.configFile === file).flatMap(each => each.results)
    const included = (config.include ?? []).map(each => each.file)
    coverages.push({ configFile: file, included, coverage: coverage(config, ofConfig, services.clock) })
  }
  await closeToolServices(services)
  return { files: results, coverages }
}

/** Runs the cases again whenever a file changes, until the process is asked to end. */
async function watched(options: TestOptions, io: CommandIo): Promise<ExitCode> {
  let read: readonly string[] = options.files
  let code: ExitCode = 0
  let isStopped = false
  const stopped = io.stopped.then(() => {
    isStopped = true
  })
  while (!isStopped) {
    try {
      const run = await runOnce(options, io)
      code = run.code
      read = run.read
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      io.stdout(`${error.message}\n`)
      code = 2
    }
    const over = new AbortController()
    const change = changed([...read, ...options.files], over.signal)
    io.stdout('\nWaiting for a change; Ctrl-C ends.\n')
    await Promise.race([change, stopped])
    over.abort()
  }
  return code
}

/**
 * Resolves after the first change and a moment of quiet.
 *
 * Folders are watched rather than files, since a watch on a file ends when an editor saves by renaming.
 */
function changed(files: readonly string[], signal: AbortSignal): Promise<void> {
  const byFolder = Map.groupBy(new Set(files.map(file => resolve(file))), file => dirname(file))
  const { promise, resolve: done } = Promise.withResolvers<void>()
  let cancel: Cancel | undefined
  for (const [folder, inFolder] of byFolder)
    watch(folder, { signal }, (_event, name) => {
      if (name !== null && !inFolder.some(file => basename(file) === name)) return
      cancel?.()
      cancel = systemScheduler.after(QUIET_MS, done)
    })
  return promise
}

function shortPath(file: string): string {
  const fromHere = relative('', file)
  return fromHere.startsWith('..') ? resolve(file) : fromHere
}

function percentage(text: string): number {
  if (!/^\d{1,3}$/.test(text) || Number(text) > 100)
    throw new UsageError(`"${text}" is no percentage: give --min-coverage a whole number from 0 to 100`)
  return Number(text)
}
