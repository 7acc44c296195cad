/** What `sallyport dev` has started, as its keys and its end need it, and what every way of starting it shares. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { RunningGateway } from '../run/start.ts'
import { type CommandIo, RuntimeError } from './command.ts'

export interface DevRun {
  /** Undefined where no gateway was asked for. */
  readonly gateway: RunningGateway | undefined
  /** `curl` lines that print a token each. */
  readonly tokenLines: readonly string[]
  /** The first screen, without the keys. */
  readonly screen: string
  close(): Promise<void>
}

interface Part {
  close(): Promise<void>
}

/** Closes at once what was started; what fails to start ends the rest. */
export interface Started {
  add<T extends Part>(part: T): T
  close(): Promise<void>
}

export function started(): Started {
  const parts: Part[] = []
  return {
    add(part) {
      parts.push(part)
      return part
    },
    async close() {
      await Promise.all(parts.splice(0).map(part => part.close()))
    },
  }
}

/** Loads the servers of the demo, which a bundle has in a file beside it. @throws {RuntimeError} it is not there */
export async function demoServers() {
  try {
    return await import('../demo/servers.ts')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error
    throw new RuntimeError(
      'the embedded issuer is not here: an image for servers is made without it. Use the package, a checkout (where ' +
        '`npm ci` installs what it needs), or an image that was built with --target try',
    )
  }
}

/** Makes a folder that is gone when the process ends. */
export function temporaryFolder(io: CommandIo): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-dev-'))
  io.atExit(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** @returns the path of the file, which nobody else may read */
export function privateFile(folder: string, name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text, { mode: 0o600 })
  return path
}

const LOOKS = 50
const PAUSE_MS = 20

/** Waits until the gateway has its keys, so that what the log says of that stands above the first screen. */
export async function readySoon(gateway: RunningGateway): Promise<void> {
  const isReady = (): boolean => {
    const { ready, providers } = gateway.operations.status()
    return ready && providers.every(({ usable }) => usable)
  }
  for (let looks = 0; looks < LOOKS && !isReady(); looks++) await pause(PAUSE_MS)
}
