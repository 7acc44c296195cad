/** Tests that the demo service answers with what arrived. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DemoService, startDemoService } from '../../src/demo/demo-service.ts'

let service: DemoService
beforeAll(async () => {
  service = await startDemoService({ port: 0 })
})
afterAll(() => service.close())

/** Sends bytes as they are, since `fetch` would change the names and lines that these tests are about. */
async function exchange(bytes: string): Promise<unknown> {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(bytes)
  const [, body = ''] = (await text(socket)).split('\r\n\r\n')
  return JSON.parse(body)
}

test('it answers with the method, the path and every header line it received', async () => {
  const echo = await exchange(
    'PUT /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-Auth-Subject: alice\r\nX_Auth_Subject: bob\r\n' +
      'X-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello',
  )
  expect(echo).toMatchObject({
    method: 'PUT',
    path: '/a%20b?c=d',
    bodyBytes: 5,
    headers: { 'x-auth-subject': 'alice', x_auth_subject: 'bob', 'x-twice': ['1', '2'] },
  })
})

test('a browser gets a page that needs nothing else, and whose policy allows nothing else', async () => {
  const headers = { accept: 'text/html', 'x-auth-subject': '<i>alice</i>' }
  const response = await fetch(service.url, { headers })
  expect(response.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-\S+'; script-src 'sha256-/,
  )
  const html = await response.text()
  expect(html).toContain('<dt>x-auth-subject</dt><dd>&#60;i&#62;alice&#60;/i&#62;</dd>')
  expect(html).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="(?!data:)/)
  expect(await (await fetch(`${service.url}/goodbye`, { headers })).text()).toContain('Goodbye')
})

test('HEAD has no body', async () => {
  const response = await fetch(service.url, { method: 'HEAD' })
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('')
})

test('a caller who leaves in the middle of a body does no harm', async () => {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe')
  socket.resetAndDestroy()
  await once(socket, 'close')
  expect((await fetch(service.url)).status).toBe(200)
})

test('closing cuts connections that are still open', async () => {
  const other = await startDemoService({ port: 0 })
  const socket = connect(Number(new URL(other.url).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.on('error', () => {})
  const cut = once(socket, 'close')
  await other.close()
  await cut
})
