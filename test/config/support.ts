/** Holds what the tests of the configuration share: a small file, and the problems of a text. */
import { loadConfig } from '../../src/config/read/load.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import { ConfigError } from '../../src/errors.ts'

export type Environment = Readonly<Record<string, string>>

/** The smallest file that every rule can be tried on has one provider, one upstream and one route. */
export const SMALL = `listen: 127.0.0.1:8080
providers:
  main: { type: jwt, issuer: https://auth.example.com/, audiences: [https://api.example.com] }
upstreams:
  app: http://127.0.0.1:3000
routes:
  - { id: all, path: /** }
`

export function load(text: string, env: Environment = {}): Config {
  return loadConfig({ text, file: '/etc/sallyport/sallyport.yaml', env })
}

export function errorOf(text: string, env: Environment = {}): ConfigError {
  try {
    load(text, env)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

/** Returns the first line of each printed problem, without the name of the file: `1:9 listen: is …`. */
export function problemsOf(text: string, env: Environment = {}): readonly string[] {
  return errorOf(text, env)
    .message.split('\n')
    .filter(line => line.startsWith('/etc/sallyport/sallyport.yaml:'))
    .map(line => line.slice('/etc/sallyport/sallyport.yaml:'.length).trim())
}
