/** Says where each part of `sallyport dev` listens, and what to do when a port is taken. */
import { type CommandIo, RuntimeError, UsageError } from './command.ts'

/** `config/demo.yaml` refers to the variables. */
export const PORTS = {
  gateway: { option: 'port', variable: 'SALLYPORT_DEMO_PORT', port: 8080 },
  admin: { option: 'admin-port', variable: 'SALLYPORT_DEMO_ADMIN_PORT', port: 9090 },
  issuer: { option: 'issuer-port', variable: 'SALLYPORT_DEMO_ISSUER_PORT', port: 4000 },
  service: { option: 'service-port', variable: 'SALLYPORT_DEMO_SERVICE_PORT', port: 3000 },
} as const

type Part = keyof typeof PORTS
/** A part is left out where nothing was said of it. */
export type Ports = Readonly<Partial<Record<Part, number>>>

export const PORTS_HELP = Object.entries(PORTS)
  .map(
    ([part, { option, variable, port }]) =>
      `  --${`${option} N`.padEnd(16)} where the ${part} listens; else $${variable}, else ${port}; 0: any free port`,
  )
  .join('\n')

/** The options of the command line that name ports. */
export const PORT_OPTIONS = {
  port: { type: 'string' },
  'admin-port': { type: 'string' },
  'issuer-port': { type: 'string' },
  'service-port': { type: 'string' },
} as const

/** @throws {UsageError} it is no port */
export function namedPorts(values: Readonly<Record<string, unknown>>, env: CommandIo['env']): Ports {
  const entries = Object.entries(PORTS).flatMap(([part, { option, variable }]) => {
    const written = values[option]
    const text = typeof written === 'string' ? written : env[variable]
    if (text === undefined) return []
    if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
      throw new UsageError(`"${text}" is no port: give --${option} or ${variable} a number from 0 to 65535`)
    return [[part, Number(text)] as const]
  })
  return Object.fromEntries(entries) as Ports
}

/** Turns a port that is taken into a message that says what to do. */
export function explained(error: unknown, ports: Ports): unknown {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'EADDRINUSE') return error
  const port = 'port' in error ? error.port : Number(/:(\d+)\b/.exec(error.message)?.[1])
  const taken = Object.entries(PORTS).find(([part, { port: usual }]) => (ports[part as Part] ?? usual) === port)
  if (taken === undefined) return error
  const [part, { option, variable }] = taken
  return new RuntimeError(
    `port ${port} of the ${part} is taken: choose a different one with --${option} N or ${variable}=N (0: any free one)`,
  )
}
