/**
 * Loads the library that reads expressions of CEL. It is loaded when the first condition is read: it takes 35 ms and
 * 10 MB, and most configurations have no condition.
 *
 * A configuration is read in one go, so the library is asked for by `require`, which waits for nothing. In the bundle
 * `src/build/leaner.ts` writes that call in the bundler's words.
 */
import { createRequire } from 'node:module'

type Library = typeof import('@marcbachmann/cel-js')

/** @returns the same module for every call */
export function celLibrary(): Library {
  return createRequire(import.meta.url)('@marcbachmann/cel-js') as Library
}
