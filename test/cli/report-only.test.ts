/** Tests `sallyport run --report-only`, which enforces nothing and tells what would have been refused. */
import { expect, test } from 'vitest'
import { sallyport } from '../support/gateway/running.ts'
import { startTestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream } from '../support/services/upstream.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()

test('every request with a route passes, the refusal is logged and counted, identity comes from verified tokens only', async () => {
  const issuer = await startTestIssuer()
  const upstream = await startTestUpstream()
  const file = files.write(
    'sallyport.yaml',
    textOf('{ id: read, path: /orders/**, require: { scopes: [orders:read] } }')
      .replace('127.0.0.1:8080', '127.0.0.1:0\nadmin: { listen: "127.0.0.1:0" }')
      .replace('https://auth.example.com/,', `${issuer.issuer}, keys: { jwksUri: "${issuer.jwksUri}" },`)
      .replace('http://127.0.0.1:3000', upstream.url),
  )
  const gateway = sallyport(['run', '--report-only', '-c', file])
  const output = await gateway.printed(/"url":"[^"]+","admin":"[^"]+"/)
  const [, url, admin] = /"url":"([^"]+)","admin":"([^"]+)"/.exec(output) ?? []
  const send = (path: string, token?: string) =>
    fetch(url + path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } })

  expect((await send('/orders')).status).toBe(200)
  expect((await send('/orders', 'a.b.c')).status).toBe(200)
  expect((await send('/orders', await issuer.mint({ scope: 'other' }))).status).toBe(200)
  expect((await send('/elsewhere')).status).toBe(404)
  expect((await send('/orders//1')).status).toBe(400)
  expect(upstream.seen.map(({ headers }) => headers['x-auth-subject'])).toEqual([undefined, undefined, 'alice'])

  const metrics = await (await fetch(`${admin}/metrics`)).text()
  for (const code of ['token_missing', 'token_malformed', 'scope_missing'])
    expect(metrics).toContain(`sallyport_report_denials_total{route="read",code="${code}"} 1`)
  expect(gateway.stderr()).toContain('nothing is protected')

  gateway.child.kill('SIGTERM')
  await gateway.exited
  expect(gateway.stdout()).toContain('"reported":"scope_missing"')
  await Promise.all([issuer.close(), upstream.close()])
})
