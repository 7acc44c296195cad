/** Holds the reference tables of the documents to the code: whoever changes one and not the other finds out here. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { configJsonSchema } from '../../src/config/schema/json-schema.ts'
import { DENIAL_CODES, DENIALS, type DenialSpec, denialSpec, type Stage } from '../../src/errors.ts'
import { DEFAULT_IDENTITY_HEADERS } from '../../src/identity/header-lines.ts'
import { createMetrics } from '../../src/telemetry/metrics/metrics.ts'
import { WARNING_CODES } from '../../src/tools/check/warnings.ts'
import { FINDING_IDS, findingSpec } from '../../src/tools/k8s/lint/finding-table.ts'
import { bearer, startTestStack } from '../support/gateway/gateway.ts'
import { configKeys } from './config-keys.ts'
import { codes, documentAt, plain, ROOT, type Table, tableOf } from './markdown.ts'

/** What prom-client keeps of a metric; its types do not tell. */
interface RegisteredMetric {
  readonly name: string
  readonly type: string
  readonly labelNames: readonly string[]
}

test('the refusals are those of the code, with their status and their challenge', () => {
  const { rows } = tableOf('Code')
  expect(rows.map(([code = '', status, error = '']) => [plain(code), Number(status), plain(error)])).toEqual(
    Object.entries(DENIALS).map(([code, { status, error }]: [string, DenialSpec]) => [code, status, error]),
  )
})

describe('the steps of README.md', () => {
  const { rows } = tableOf('#', 'Step')
  /** At which step each stage refuses; a bug can break any of them. */
  const STEP_OF: { readonly [S in Stage]: readonly string[] } = {
    receive: ['1'],
    head: ['2'],
    route: ['3', '4', '5'],
    credential: ['7'],
    session: ['7'],
    form: ['8'],
    decryption: ['8'],
    issuer: ['9'],
    introspection: ['10'],
    algorithm: ['10'],
    key: ['10'],
    signature: ['10'],
    type: ['11'],
    claims: ['11'],
    audience: ['11'],
    lifetime: ['11'],
    time: ['11'],
    revocation: ['12'],
    proof: ['13'],
    identity: ['14'],
    requirements: ['15'],
    limits: ['16'],
    forward: ['17'],
    anywhere: ['any'],
  }

  test.each(DENIAL_CODES)('have the status of %s where it is refused', code => {
    const { stage, status } = denialSpec(code)
    const refusals = rows.filter(([step = '']) => STEP_OF[stage].includes(step)).map(([, , refusal]) => refusal)
    expect(refusals.join()).toContain(String(status))
  })

  test('have no status that no refusal has, and codes with the status they have', () => {
    const refusals = rows.map(([, , refusal = '']) => refusal)
    const known = new Set(DENIAL_CODES.map(code => String(denialSpec(code).status)))
    expect(refusals.flatMap(text => text.match(/\d{3}/g) ?? []).filter(status => !known.has(status))).toEqual([])
    const named = refusals.flatMap(text =>
      [...text.matchAll(/(\d{3}) `(\w+)`/g)].map(([, status, code]) => [code, status]),
    )
    expect(
      named.filter(
        ([code, status]) => !DENIAL_CODES.some(each => each === code && String(denialSpec(each).status) === status),
      ),
    ).toEqual([])
  })

  test('are numbered in their order', () => {
    const numbers = rows.map(([step]) => step).filter(step => step !== 'any')
    expect(numbers).toEqual(numbers.map((_step, index) => String(index + 1)))
  })
})

test('the metrics are those that are registered, with their type and their labels', () => {
  const { registry } = createMetrics({ version: '0', node: '0', cacheResults: [], fetchResults: [] })
  const ours = (registry.getMetricsAsArray() as unknown as readonly RegisteredMetric[]).filter(({ name }) =>
    name.startsWith('sallyport_'),
  )
  const documented = tableOf('Metric').rows.map(([name = '', type, labels = '']) => [plain(name), type, codes(labels)])
  expect(documented.toSorted()).toEqual(ours.map(({ name, type, labelNames }) => [name, type, labelNames]).toSorted())
})

test('the HELP of a metric is short, and in sentences', () => {
  const { registry } = createMetrics({ version: '0', node: '0', cacheResults: [], fetchResults: [] })
  const ours = registry.getMetricsAsArray().filter(({ name }) => name.startsWith('sallyport_'))
  for (const { name, help } of ours) expect.soft(help.length <= 160 && /^[A-Z0-9].*\.$/.test(help), name).toBe(true)
})

test('the dependencies are those of package.json', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'))
  expect(
    tableOf('Package')
      .rows.map(([name = '']) => plain(name))
      .toSorted(),
  ).toEqual(Object.keys(dependencies).toSorted())
})

describe('the configuration reference', () => {
  const documented = documentAt('config/README.md')
    .tables.filter(({ header }) => header[0] === 'Key')
    .flatMap(documentedKeys)
  const known = configKeys(configJsonSchema())

  test('has every key of the JSON Schema, and no other', () => {
    expect(documented.map(({ path }) => path).toSorted()).toEqual(known.map(({ path }) => path).toSorted())
  })

  test.each(known)('says of $path what the schema says', ({ path, isRequired, defaultText }) => {
    const expected = isRequired ? 'required' : defaultText === undefined ? '—' : `\`${defaultText}\``
    expect(documented.find(key => key.path === path)?.default).toBe(expected)
  })

  function documentedKeys({ heading, rows }: Table): ReadonlyArray<{ path: string; default: string | undefined }> {
    const prefix = heading === 'Top level' ? '' : `${heading}.`
    return rows.map(([key = '', fallback]) => ({ path: prefix + plain(key), default: fallback }))
  }
})

test('the alerts are those of k8s/monitoring', () => {
  const rules = readFileSync(new URL('k8s/monitoring/prometheus-rule.yaml', ROOT), 'utf8')
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name)
  expect(tableOf('Alert').rows.map(([name = '']) => plain(name))).toEqual(alerts)
})

test('the warnings of sallyport check are those of the code', () => {
  expect(tableOf('Warning').rows.map(([name = '']) => plain(name))).toEqual(WARNING_CODES)
})

test('the findings of sallyport k8s lint are those of the code', () => {
  expect(tableOf('Finding').rows.map(([id = '', severity, title]) => [plain(id), severity, title])).toEqual(
    FINDING_IDS.map(id => [id, findingSpec(id).severity, findingSpec(id).title]),
  )
})

test.each(FINDING_IDS)('%s has a link into our documents that leads somewhere', id => {
  const [path = '', anchor] = findingSpec(id).link.split('#')
  const anchors = documentAt(path).headings.map(({ text }) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
  expect(anchors).toContain(anchor)
})

test('the default identity headers are those of the code', () => {
  const documented = tableOf('Header', 'Value').rows.map(([name = '']) => plain(name))
  expect(documented).toEqual(DEFAULT_IDENTITY_HEADERS.map(({ name }) => name))
})

describe('a running gateway', () => {
  test('answers at the admin endpoints, and logs the fields that are listed', async () => {
    const { admin, request, issuer, logs, logged, close } = await startTestStack({
      admin: { listen: '127.0.0.1:0', appProbes: ['/healthz'] },
      identity: { token: { issuer: 'https://orders.internal/', audience: 'orders' } },
    })
    try {
      for (const [cell = ''] of tableOf('Endpoint').rows) {
        const [method = '', path = ''] = plain(cell)?.replace('/<path>', '/healthz').split(' ') ?? []
        expect((await admin(path, { method })).status, cell).toBe(200)
      }
      const headers = {
        ...bearer(await issuer.mint({ scope: 'orders:read', client_id: 'shop' })),
        'user-agent': 'shop/1.0',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      }
      await request('/orders/1', { headers })
      await request('/private/1', { headers, method: 'POST', body: 'a' })
      await request('/orders/1', { method: 'DELETE', headers })
      await request('/report/1', { headers })
      await logged({ code: 'ok', route: 'orders-read' })
      await logged({ code: 'ok', route: 'private' })
      await logged({ code: 'scope_missing', route: 'orders-write' })
      await logged({ reported: 'scope_missing' })
    } finally {
      await close()
    }
    const requests = logs.filter(line => 'request_id' in line)
    const seen = new Set(requests.flatMap(line => Object.keys(line)))
    // These take a failure, overload, or a token that expires meanwhile.
    for (const name of ['aborted', 'closed', 'err', 'suppressed']) seen.add(name)
    expect(
      tableOf('Field')
        .rows.flatMap(([names = '']) => codes(names))
        .toSorted(),
    ).toEqual([...seen].toSorted())
  })
})
