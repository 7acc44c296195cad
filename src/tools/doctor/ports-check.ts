/** Finds out whether the ports of the configuration are free, taken by a gateway that runs it, or by somebody else. */
import { once } from 'node:events'
import { lstatSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { configHash } from '../../config/config-hash.ts'
import type { Address } from '../../config/schema/schema.ts'
import { codeOf } from '../../lib/failure-text.ts'
import { addressText, listenFailureText } from '../../run/named-listening.ts'
import { type Told, toldBy } from './admin-check.ts'
import type { Check } from './examined.ts'
import { fail, finding, ok, type Verdict, warn } from './finding.ts'
import { StepTooLong, step } from './steps.ts'

const STARTING = 'k8s/README.md#starting'

export const portsCheck: Check = async ({ config, admin, stepMs }) => {
  const told = admin === undefined ? undefined : await toldBy(admin, stepMs)
  const hash = configHash(config)
  const listeners = [
    ...(config.listen === undefined ? [] : [['listen', config.listen.address] as const]),
    ...(config.decide === undefined ? [] : [['decide.listen', config.decide.listen.address] as const]),
    ...(config.admin === undefined ? [] : [['admin.listen', config.admin.listen.address] as const]),
  ]
  return Promise.all(
    listeners.map(async ([setting, address]) =>
      finding('port', setting, verdictOn(address, await failureOf(address, stepMs), told, hash)),
    ),
  )
}

function verdictOn(address: Address, failure: string | undefined, told: Told | undefined, hash: string): Verdict {
  const where = addressText(address)
  if (failure === undefined) return ok(`${where} is free`)
  const seen = `${where}: ${listenFailureText(failure)}`
  if (failure !== 'EADDRINUSE') return fail(seen, 'change the address, or give this user the right to it', STARTING)
  if (told === undefined)
    return fail(
      `${seen}, and no gateway answers at the admin listener`,
      'stop what listens there, or change the port',
      STARTING,
    )
  if (told.configHash === hash) return ok(`${where} is taken by Sallyport ${told.version} with this configuration`)
  return warn(
    `${where} is taken by Sallyport ${told.version} with another configuration (${told.configHash}, this file is ${hash})`,
    'see in its log why it has not loaded this file; paths of files count, so run this where the gateway runs',
    'config/README.md#changing-it-while-the-gateway-runs',
  )
}

/** @returns why nobody could listen there, as a code of the system; undefined: one could */
async function failureOf(address: Address, stepMs: number): Promise<string | undefined> {
  if ('socketPath' in address) return socketFailure(address.socketPath, stepMs)
  const server = createServer()
  try {
    server.listen({ host: address.host, port: address.port, exclusive: true })
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return codeOf(error) ?? 'unknown'
  } finally {
    server.close()
  }
}

/** A socket that nobody answers is left over, and the gateway makes way for its own. */
async function socketFailure(path: string, stepMs: number): Promise<string | undefined> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  if (!found.isSocket()) return 'EADDRINUSE'
  const socket = connect({ path })
  try {
    await step(stepMs, () => once(socket, 'connect'))
    return 'EADDRINUSE'
  } catch (error) {
    return error instanceof StepTooLong ? 'EADDRINUSE' : undefined
  } finally {
    socket.on('error', () => {}).destroy()
  }
}
