/** Holds what the tests of the policy tools share: silent services, a folder of files, a small configuration. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import { loadConfig } from '../../src/config/read/load.ts'
import type { Config } from '../../src/config/schema/schema.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { toolServices } from '../../src/tools/engine/tool-policy.ts'

export const HEAD = `listen: 127.0.0.1:8080
providers:
  main: { type: jwt, issuer: https://auth.example.com/, audiences: [https://api.example.com] }
upstreams:
  app: http://127.0.0.1:3000
`

/** Makes a configuration with these routes, each of them a line of YAML. */
export function configOf(...routes: readonly string[]): Config {
  return loadConfig({ text: textOf(...routes), file: '/etc/sallyport.yaml', env: {} })
}

export function textOf(...routes: readonly string[]): string {
  return `${HEAD}routes:\n${routes.map(route => `  - ${route}\n`).join('')}`
}

export function silentServices(clock: Clock = systemClock) {
  return toolServices({ clock, version: '0.0.0', nodeVersion: process.version })
}

/** Makes a folder that is removed when the test file is done; `write` returns the path of the file it writes. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), 'sallyport-tools-'))
  afterAll(() => rmSync(path, { recursive: true, force: true }))
  return {
    path,
    write(name: string, text: string): string {
      const file = join(path, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      return file
    },
  }
}
