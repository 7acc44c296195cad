import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { authorityOfFile } from '../../support/certificates.ts'
import {
  CLIENT_ID,
  type IntrospectionEndpoint,
  JSON_TYPE,
  MARK,
  saysStatus,
  startIntrospectionEndpoint,
  thumbprintOf,
} from '../../support/services/introspection-endpoint.ts'
import { clientOf, failureOf, fileOf, never } from './server-support.ts'

const authority = authorityOfFile()

const connectionsOf = ({ questions }: IntrospectionEndpoint) => questions.map(({ connection }) => connection)

describe('connections', () => {
  test.each([['http'], ['https']])('over %s are kept between questions, and no more than were told', async protocol => {
    const tls = protocol === 'https' ? { tls: authority.issue('endpoint', ['IP:127.0.0.1']) } : {}
    const endpoint = await startIntrospectionEndpoint(tls)
    const server = clientOf(endpoint, { caFile: authority.certFile, connections: 3 })
    for (const token of ['a', 'b', 'c']) await server.ask(token, never)
    expect(connectionsOf(endpoint)).toEqual([1, 1, 1])
    await Promise.all(Array.from({ length: 20 }, (_, index) => server.ask(`t${index}`, never)))
    expect(endpoint.questions).toHaveLength(23)
    expect(new Set(connectionsOf(endpoint)).size).toBe(3)
    server.close()
    await expect.poll(() => endpoint.openConnections()).toBe(0)
  })

  test.each([['http'], ['https']])(
    'over %s that are closed just as a question comes are made anew, and it is asked again',
    async protocol => {
      const tls = protocol === 'https' ? { tls: authority.issue('endpoint', ['IP:127.0.0.1']) } : {}
      const endpoint = await startIntrospectionEndpoint(tls)
      const server = clientOf(endpoint, { caFile: authority.certFile })
      await server.ask('a', never)
      endpoint.answerWith((response, { connection }) =>
        connection === 1
          ? void response.socket?.destroy()
          : void response.writeHead(200, { 'content-type': JSON_TYPE }).end('{"active":true}'),
      )
      expect(await server.ask('b', never)).toEqual({ active: true, claims: {} })
      expect(connectionsOf(endpoint)).toEqual([1, 1, 2])
    },
  )

  test('that are new are not tried again, nor is the second one', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint)
    await server.ask('a', never)
    endpoint.answerWith(response => void response.socket?.resetAndDestroy())
    expect(await failureOf(server.ask('b', never))).toMatchObject({ result: 'error' })
    expect(connectionsOf(endpoint)).toEqual([1, 1, 2])
    expect(await failureOf(server.ask('c', never))).toMatchObject({ result: 'error' })
    expect(connectionsOf(endpoint)).toEqual([1, 1, 2, 3])
  })

  test('on which an answer had begun are not tried again', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint)
    await server.ask('a', never)
    endpoint.answerWith(response => {
      response.socket?.write('HTTP/1.1 200 OK\r\nX-Beg', () => response.socket?.resetAndDestroy())
    })
    expect(await failureOf(server.ask('b', never))).toMatchObject({ result: 'error' })
    expect(connectionsOf(endpoint)).toEqual([1, 1])
  })

  test('that the server has closed while they were idle are made anew', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint)
    await server.ask('a', never)
    endpoint.dropIdle()
    expect(await server.ask('b', never)).toEqual({ active: false })
    expect(connectionsOf(endpoint).at(-1)).toBe(2)
  })

  test.each([['http'], ['https']])(
    'over %s on which bytes come that nobody asked for are closed, and those are no answer',
    async protocol => {
      const tls = protocol === 'https' ? { tls: authority.issue('endpoint', ['IP:127.0.0.1']) } : {}
      const endpoint = await startIntrospectionEndpoint(tls)
      const server = clientOf(endpoint, { caFile: authority.certFile })
      const sockets: ServerResponse['socket'][] = []
      endpoint.answerWith(response => {
        sockets.push(response.socket)
        response.writeHead(200, { 'content-type': JSON_TYPE }).end('{"active":false}')
      })
      for (const token of ['a', 'b']) await server.ask(token, never)
      const forged = `{"active":true,"sub":"${MARK}"}`
      const head = `HTTP/1.1 200 OK\r\nContent-Type: ${JSON_TYPE}\r\nContent-Length: ${forged.length}\r\n\r\n`
      sockets[0]?.write(head + forged)
      await expect.poll(() => endpoint.openConnections()).toBe(0)
      expect(await server.ask('c', never)).toEqual({ active: false })
      expect(connectionsOf(endpoint)).toEqual([1, 1, 2])
    },
  )

  test('are not kept after an answer that was not read to its end', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint)
    endpoint.answerWith(saysStatus(500))
    await failureOf(server.ask('a', never))
    endpoint.answerWith(undefined)
    await server.ask('b', never)
    expect(connectionsOf(endpoint)).toEqual([1, 2])
  })

  test('are made anew when the files with certificates change, and the old ones are closed', async () => {
    const endpoint = await startIntrospectionEndpoint({ tls: authority.issue('endpoint', ['IP:127.0.0.1']) })
    const [one, two] = [authority.issue('one', ['DNS:one.example']), authority.issue('two', ['DNS:two.example'])]
    const [certFile, keyFile] = [fileOf(one.cert), fileOf(one.key)]
    const client = { id: CLIENT_ID, auth: 'tls', certFile, keyFile } as const
    const server = clientOf(endpoint, { client, caFile: authority.certFile })
    await server.ask('a', never)
    await server.ask('b', never)
    writeFileSync(certFile, two.cert)
    writeFileSync(keyFile, two.key)
    await server.ask('c', never)
    const [first, second] = [thumbprintOf(one.cert), thumbprintOf(two.cert)]
    expect(endpoint.questions.map(({ certificate }) => certificate)).toEqual([first, first, second])
    expect(connectionsOf(endpoint)).toEqual([1, 1, 2])
    await expect.poll(() => endpoint.openConnections()).toBe(1)
  })

  test('of questions that are given up are closed, and the others go on', async () => {
    const endpoint = await startIntrospectionEndpoint()
    const server = clientOf(endpoint, { connections: 1 })
    endpoint.answerWith(() => {})
    const controller = new AbortController()
    const asked = server.ask('a', controller.signal)
    await endpoint.asked(1)
    const waiting = server.ask('b', never)
    endpoint.answerWith(undefined)
    controller.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    expect(await waiting).toEqual({ active: false })
  })
})
