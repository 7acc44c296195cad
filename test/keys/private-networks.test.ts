import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Answer, json, startKeyServer, status } from '../support/services/key-server.ts'
import { privateNetwork } from './certificates.ts'
import { ecJwk, es256, refusedNow, selectNow, startedKeySet, startKeySet, TUNING } from './support.ts'

const forBearer =
  (token: string, answer: Answer): Answer =>
  (request, response) =>
    (request.headers.authorization === `Bearer ${token}` ? answer : status(401))(request, response)

describe('private networks', () => {
  test('caFile makes a private CA trusted', async () => {
    const { caFile, ...tls } = privateNetwork()
    const server = await startKeyServer(tls)
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, caFile })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('without it, or with another CA, nothing is asked', async () => {
    const server = await startKeyServer(privateNetwork())
    server.answer(json({ keys: [ecJwk('k1')] }))
    for (const caFile of [undefined, privateNetwork().caFile]) {
      const { keySet, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, caFile })
      expect(seen.fetches[0]?.result).toBe('connect_error')
      expect(keySet.status().lastError).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED|CERT_SIGNATURE_FAILURE/)
    }
    expect(server.requests).toEqual([])
  })

  test('the certificate must be for the host', async () => {
    const { caFile, ...tls } = privateNetwork('DNS:other.example')
    const server = await startKeyServer(tls)
    const { keySet } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, caFile })
    expect(keySet.status().lastError).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
  })

  test.each(['caFile', 'bearerFile'])(
    'a %s that cannot be read fails the fetch, and heals when it can',
    async option => {
      const { folder, caFile, ...tls } = privateNetwork()
      const server = await startKeyServer(tls)
      server.answer(json({ keys: [ecJwk('k1')] }))
      const [file, content] = [join(folder, 'later'), option === 'caFile' ? readFileSync(caFile) : 'token']
      const { keySet, seen, advance } = await startedKeySet({
        ...{ type: 'jwksUri', url: server.url, ...TUNING, caFile },
        [option]: file,
      })
      expect(seen.fetches[0]?.result).toBe('local_file')
      expect(keySet.status().lastError).toBe(`${option} cannot be read: there is no such file or folder (ENOENT)`)
      writeFileSync(file, content)
      await advance(1_000)
      expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    },
  )

  test('bearerFile is sent, and read again when it changes as Kubernetes changes it', async () => {
    const { folder, caFile, ...tls } = privateNetwork()
    const server = await startKeyServer(tls)
    // A projected volume is laid out so: token -> ..data/token, ..data -> a folder that is swapped.
    for (const generation of ['first', 'second']) {
      mkdirSync(join(folder, `..${generation}`))
      writeFileSync(join(folder, `..${generation}`, 'token'), `${generation}\n`)
    }
    symlinkSync('..first', join(folder, '..data'))
    symlinkSync('..data/token', join(folder, 'token'))
    server.answer(forBearer('first', json({ keys: [ecJwk('k1')] })))
    const { keySet, advance } = await startedKeySet({
      ...{ type: 'jwksUri', url: server.url, ...TUNING, caFile, bearerFile: join(folder, 'token') },
    })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    symlinkSync('..second', join(folder, '..data_tmp'))
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
    server.answer(forBearer('second', json({ keys: [ecJwk('k2')] })))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k2'))).toHaveLength(1)
  })

  test.each(['', ' \n', 'two words', 'line\nbreak', 'ünicode', 'a\0b'])(
    'a bearerFile with %j sends nothing',
    async text => {
      const { folder, caFile, ...tls } = privateNetwork()
      const server = await startKeyServer(tls)
      const bearerFile = join(folder, 'token')
      writeFileSync(bearerFile, text)
      const { keySet } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, caFile, bearerFile })
      expect(keySet.status().lastError).toBe('bearerFile does not hold a token')
      expect(server.requests).toEqual([])
    },
  )

  test('a bearerFile that is a pipe holds nobody up, and sends nothing', async () => {
    const { folder } = privateNetwork()
    const bearerFile = join(folder, 'pipe')
    execFileSync('mkfifo', [bearerFile])
    const server = await startKeyServer()
    const { keySet } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, bearerFile })
    expect(keySet.status().lastError).toBe('bearerFile is a pipe; it must be a regular file')
    expect(server.requests).toEqual([])
  })

  test('neither the bearer token nor anything of an answer gets into status or events', async () => {
    const { folder, caFile, ...tls } = privateNetwork()
    const server = await startKeyServer(tls)
    const bearerFile = join(folder, 'token')
    writeFileSync(bearerFile, 'MARKED-TOKEN')
    const url = `${server.url}?key=MARKED-QUERY`
    server.answer((_request, response) => void response.writeHead(401, 'MARKED-REASON').end('MARKED-BODY'))
    const { keySet, seen, advance } = await startedKeySet({ type: 'jwksUri', url, ...TUNING, caFile, bearerFile })
    server.answer(request => request.socket.end('MARKED-NOISE\r\n'))
    await advance(1_000)
    expect(seen.fetches.map(({ result }) => result)).toEqual(['http_status', 'connect_error'])
    expect(server.requests[0]?.headers.authorization).toBe('Bearer MARKED-TOKEN')
    const refusal = refusedNow(keySet, es256('k1'))
    const told = [keySet.status(), seen.fetches, seen.states, refusal.evidence]
    expect(inspect([told, refusal], { depth: 10 })).not.toContain('MARKED')
  })

  test('Kubernetes’ own issuer: discovery and keys behind its CA, for authenticated callers only', async () => {
    const { folder, caFile, ...tls } = privateNetwork('IP:127.0.0.1,DNS:localhost')
    const server = await startKeyServer(tls)
    const bearerFile = join(folder, 'token')
    writeFileSync(bearerFile, 'pod-token')
    const issuer = server.origin.replace('127.0.0.1', 'localhost')
    // kube-apiserver answers so: keys at its own address, `Produces` decides on Accept, max-age of an hour.
    const headers = { 'cache-control': 'public, max-age=3600' }
    const jwksUri = `${server.origin}/openid/v1/jwks`
    const metadata = { issuer, jwks_uri: jwksUri, response_types_supported: ['id_token'] }
    server.answerPath('/.well-known/openid-configuration', forBearer('pod-token', json(metadata, headers)))
    server.answerPath('/openid/v1/jwks', (request, response) => {
      const isAccepted = request.headers.accept?.includes('application/jwk-set+json') === true
      const set = json({ keys: [ecJwk('k1')] }, { ...headers, 'content-type': 'application/jwk-set+json' })
      forBearer('pod-token', isAccepted ? set : status(406))(request, response)
    })
    const source = { type: 'discovery', allowInsecureHttp: false, ...TUNING, caFile, bearerFile } as const
    const { keySet } = await startedKeySet({ ...source, hosts: ['127.0.0.1'] }, { issuer })
    expect(keySet.status().lastError).toBeUndefined()
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('close ends a TLS handshake that the server lets hang', async () => {
    const sockets: net.Socket[] = []
    const { promise: connected, resolve } = Promise.withResolvers<void>()
    const server = net.createServer(socket => {
      sockets.push(socket.on('error', () => {}))
      resolve()
    })
    server.listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise(listening => server.once('listening', listening))
    const { port } = server.address() as net.AddressInfo
    const { registry } = startKeySet({ type: 'jwksUri', url: `https://127.0.0.1:${port}/`, ...TUNING })
    await connected
    await registry.close()
    await expect.poll(() => sockets.every(socket => socket.readableEnded || socket.destroyed)).toBe(true)
  })
})
