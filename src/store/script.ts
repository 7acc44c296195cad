/** Runs scripts of Lua on the server of the store, which has to be sent a script whole only once. */
import { hash } from 'node:crypto'
import type { Reply } from './connection.ts'
import { StoreError } from './failure.ts'

type Send = (args: readonly string[]) => Promise<Reply>

export interface Script {
  readonly text: string
  readonly digest: string
}

export function script(text: string): Script {
  return { text, digest: hash('sha1', text) }
}

/** @throws {StoreError} */
export async function run(
  send: Send,
  { text, digest }: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<Reply> {
  const rest = [String(keys.length), ...keys, ...args]
  try {
    return await send(['EVALSHA', digest, ...rest])
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'NOSCRIPT') throw error
    return send(['EVAL', text, ...rest])
  }
}
