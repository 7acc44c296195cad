/**
 * A key cache in a folder that others may write was believed: a planted one let forged tokens pass. The same held for
 * every file that carries trust, and a FIFO in place of one held start and reload up for ever.
 *
 * Such a file is a regular one of our own user or of root, which nobody else may write (`lib/trusted-file.ts`).
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { ConfigError } from '../../src/errors.ts'
import { load } from '../../src/run/engine.ts'
import { ecJwk, es256, refusedNow, selectNow, startedKeySet, TUNING } from '../keys/support.ts'
import { testAuthority } from '../support/certificates.ts'
import { startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { sallyport } from '../support/gateway/running.ts'
import { manualTime } from '../support/manual-time.ts'
import { startKeyServer } from '../support/services/key-server.ts'

const NOBODY = 65_534
const isRoot = process.geteuid?.() === 0

const authority = testAuthority()
const pair = authority.issue('gateway', ['DNS:localhost'])
afterAll(() => authority.remove())

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-planted-'))
  const made = folder
  onTestFinished(() => rmSync(made, { recursive: true }))
})

interface Plant {
  readonly what: string
  readonly reason: string
  /** Makes of a good file what somebody might plant. */
  readonly plant: (path: string) => void
}

/** Puts something else where the file was. */
const instead =
  (command: string, ...args: readonly string[]): Plant['plant'] =>
  path => {
    rmSync(path)
    execFileSync(command, [...args, path])
  }

const PLANTED: readonly Plant[] = [
  {
    what: 'a file that everybody may write',
    reason: 'can be written by others (mode 0666); take that away with `chmod go-w`',
    plant: path => chmodSync(path, 0o666),
  },
  {
    what: 'a file that its group may write',
    reason: 'can be written by others (mode 0660); take that away with `chmod go-w`',
    plant: path => chmodSync(path, 0o660),
  },
  { what: 'a FIFO', reason: 'is a pipe; it must be a regular file', plant: instead('mkfifo') },
  {
    what: 'a folder',
    reason: 'is a folder; it must be a regular file',
    plant: instead('mkdir'),
  },
  ...(isRoot
    ? [
        {
          what: 'a file of somebody else',
          reason: `belongs to user ${NOBODY}, who could change it; it must belong to user 0, who runs this, or to root`,
          plant: (path: string) => chownSync(path, NOBODY, NOBODY),
        },
      ]
    : []),
]

const DEVICE: Plant = {
  what: 'a link to a device that never ends',
  reason: 'is a device; it must be a regular file',
  plant: instead('ln', '-s', '/dev/zero'),
}

describe('a key cache', () => {
  /** @returns what was reported of a cache with a good key in it, and the keys that were taken */
  async function started(plant: Plant['plant']) {
    const server = await startKeyServer()
    await server.down()
    const cacheFile = join(folder, 'keys.json')
    writeFileSync(
      cacheFile,
      JSON.stringify({
        version: 1,
        issuer: 'https://issuer.example/',
        url: server.url,
        fetchedAtMs: manualTime().nowMs(),
        document: { keys: [ecJwk('forged')] },
      }),
      { mode: 0o600 },
    )
    plant(cacheFile)
    return startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, cacheFile })
  }

  test('of our own is used', async () => {
    const { keySet, seen } = await started(() => {})
    expect(seen.cacheFiles.map(({ outcome }) => outcome)).toEqual(['loaded'])
    expect(selectNow(keySet, es256('forged'))).toHaveLength(1)
  })

  const link: Plant = {
    what: 'a link, even to a good file',
    reason: 'is a link; it must be a regular file',
    plant: path => {
      renameSync(path, `${path}.real`)
      symlinkSync(`${path}.real`, path)
    },
  }
  test.each([...PLANTED, link])('is ignored with a warning when it is $what', async ({ reason, plant }) => {
    const { keySet, seen } = await started(plant)
    expect(seen.cacheFiles).toContainEqual({ provider: 'main', outcome: 'refused', reason: `it ${reason}` })
    expect(refusedNow(keySet, es256('forged')).code).toBe('keys_unavailable')
  })
})

/** Every file that carries trust beside the configuration, with a good content. */
const FILES: Readonly<Record<string, string>> = {
  'cert.pem': pair.cert,
  'key.pem': pair.key,
  'clients.pem': authority.cert,
  'app-ca.pem': authority.cert,
  'app-cert.pem': pair.cert,
  'app-key.pem': pair.key,
  'keys-ca.pem': authority.cert,
  'keys-token': 'a-token',
  'keys.json': JSON.stringify({ keys: [ecJwk('k1')] }),
  secret: 'x'.repeat(64),
  'proxy-ca.pem': authority.cert,
  'proxy-credentials': 'user:password',
}

/** Names each of them. */
const CONFIG = `listen: { address: 127.0.0.1:0, tls: { certFile: cert.pem, keyFile: key.pem, clientCaFile: clients.pem } }
providers:
  url:
    type: jwt
    issuer: https://url.example
    audiences: [a]
    keys: { jwksUri: 'https://127.0.0.1:9/keys', caFile: keys-ca.pem, bearerFile: keys-token }
  file: { type: jwt, issuer: https://file.example, audiences: [a], keys: { jwksFile: keys.json } }
  secret: { type: jwt, issuer: https://secret.example, audiences: [a], keys: { secretFile: secret } }
egress: { proxy: 'https://127.0.0.1:9', caFile: proxy-ca.pem, credentialsFile: proxy-credentials }
upstreams:
  app:
    url: https://127.0.0.1:9
    tls: { caFile: app-ca.pem, certFile: app-cert.pem, keyFile: app-key.pem }
routes:
  - { id: all, path: /** }
`

function layFiles(): string {
  const file = join(folder, 'sallyport.yaml')
  writeFileSync(file, CONFIG)
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(folder, name), content)
  return file
}

function problemsAtStart(file: string): readonly string[] {
  try {
    load(file, {})
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message)
    throw error
  }
}

describe('the start', () => {
  test('takes good files, and such as Kubernetes lays them: links into a folder, readable by a group', () => {
    const file = layFiles()
    expect(problemsAtStart(file)).toEqual([])
    mkdirSync(join(folder, '..data'))
    for (const name of [...Object.keys(FILES), 'sallyport.yaml']) {
      renameSync(join(folder, name), join(folder, '..data', name))
      chmodSync(join(folder, '..data', name), 0o440)
      symlinkSync(join('..data', name), join(folder, name))
    }
    expect(problemsAtStart(file)).toEqual([])
  })

  describe.each([...PLANTED, DEVICE])('refuses $what', ({ reason, plant }) => {
    test('as the configuration', () => {
      const file = layFiles()
      plant(file)
      expect(problemsAtStart(file)).toEqual([`the file ${reason}`])
    })

    test.each(Object.keys(FILES))('as %s', name => {
      const file = layFiles()
      plant(join(folder, name))
      expect(problemsAtStart(file)).toEqual([reason])
    })
  })

  test('ends with 2', async () => {
    const file = layFiles()
    chmodSync(join(folder, 'secret'), 0o666)
    const { child, exited, stderr } = sallyport(['run', '-c', file])
    onTestFinished(() => void child.kill('SIGKILL'))
    expect(await exited).toBe(2)
    expect(stderr()).toContain('providers.secret.keys.secretFile: can be written by others (mode 0666)')
  })
})

describe('a reload', () => {
  test.each([...PLANTED, DEVICE])(
    'keeps the old configuration when a file has become $what',
    async ({ reason, plant }) => {
      const gateway = await startGatewayOnFile(at => {
        writeFileSync(join(at, 'secret'), 'x'.repeat(64))
        return {
          upstreams: { app: 'http://127.0.0.1:9' },
          providers: { main: { type: 'jwt', issuer: 'a', audiences: ['a'], keys: { secretFile: 'secret' } } },
          routes: [{ id: 'all', path: '/**' }],
        }
      })
      onTestFinished(gateway.stop)
      plant(join(gateway.folder, 'secret'))
      gateway.process.child.kill('SIGHUP')
      const { problems } = await gateway.logged({ msg: 'configuration rejected, the old one stays' })
      expect(problems).toEqual([expect.stringContaining(`providers.main.keys.secretFile: ${reason}`)])
      expect((await gateway.admin('/readyz')).status).toBe(200)
    },
  )
})
