/** Says what a peer is: a thing that can stand where the gateway stands, started anew for each scenario. */
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Measured } from '../measure.ts'
import type { StartedChild } from '../processes.ts'
import { type Algorithm, FOLDER, type SigningKey } from '../tokens.ts'

/** The two ends that every peer stands between. */
export interface Site {
  readonly upstreamUrl: string
  readonly upstreamPort: number
  readonly jwksUri: string
  readonly keys: ReadonlyMap<Algorithm, SigningKey>
}

export interface Peer {
  /** The name as it stands in the tables. */
  readonly name: string
  /** It is false for those that forward whatever comes. */
  readonly isGuard: boolean
  /** The algorithms that it can verify; undefined stands for all. */
  readonly algorithms?: ReadonlySet<Algorithm>
  /** @throws {Error} it cannot be had on this machine, or does not start */
  start(site: Site): Promise<RunningPeer>
}

export interface RunningPeer extends Measured {
  readonly name: string
  readonly isGuard: boolean
  /** The second listener, of a gateway of ours. */
  readonly adminUrl?: string
  stop(): Promise<void>
}

const scratched: string[] = []

/** @returns a folder for a peer's configuration and logs */
export function scratch(name: string): string {
  const folder = mkdtempSync(join(FOLDER, `${name}-`))
  scratched.push(folder)
  return folder
}

/** Removes every {@link scratch} folder. */
export function removeScratch(): void {
  for (const folder of scratched.splice(0)) rmSync(folder, { recursive: true, force: true })
}

/** Waits until the peer listens. Any answer will do, since `verify.ts` judges what it says. */
export async function whenListening(url: string, child: StartedChild): Promise<void> {
  const deadlineMs = performance.now() + 15_000
  const answered = async (): Promise<void> => {
    for (;;) {
      try {
        await (await fetch(url)).arrayBuffer()
        return
      } catch (error) {
        if (performance.now() > deadlineMs) throw new Error(`${url} does not listen`, { cause: error })
        await new Promise(resolve => setTimeout(resolve, 20))
      }
    }
  }
  await Promise.race([answered(), child.failed])
}
