import { expect, test } from 'vitest'
import { exportSettings } from '../../../src/telemetry/traces/export-settings.ts'

function settings(env: Record<string, string>, endpoint?: string, headers: Record<string, string> = {}) {
  const unusable: string[] = []
  return { ...exportSettings({ endpoint, headers }, env, variable => unusable.push(variable)), unusable }
}

test('without a word anywhere, spans go to a collector on this machine', () => {
  expect(settings({})).toEqual({
    url: 'http://localhost:4318/v1/traces',
    headers: {},
    timeoutMs: 10_000,
    compression: 'none',
    caFile: undefined,
    certFile: undefined,
    keyFile: undefined,
    resource: { 'service.name': 'sallyport' },
    unusable: [],
  })
})

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, undefined, 'http://c:4318/v1/traces'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/otlp/' }, undefined, 'http://c:4318/otlp/v1/traces'],
  [
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://c/t', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://d' },
    undefined,
    'https://c/t',
  ],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://c/t' }, 'http://127.0.0.1:1/x', 'http://127.0.0.1:1/x'],
])('with %j and the endpoint %s, spans go to %s', (env, endpoint, url) => {
  expect(settings(env as Record<string, string>, endpoint)).toMatchObject({ url, unusable: [] })
})

test('variables for traces win over those for everything, and the file wins over both', () => {
  const env = {
    OTEL_EXPORTER_OTLP_HEADERS: 'a=1,b=2',
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: 'b=3%2C4, c = 5 ,',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '500',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_CERTIFICATE: '/ca.pem',
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=other,deployment.environment.name=prod',
  }
  expect(settings(env, undefined, { c: '6' })).toMatchObject({
    headers: { a: '1', b: '3,4', c: '6' },
    timeoutMs: 500,
    compression: 'gzip',
    caFile: '/ca.pem',
    resource: { 'service.name': 'other', 'deployment.environment.name': 'prod' },
    unusable: [],
  })
  expect(settings({ ...env, OTEL_SERVICE_NAME: 'mine' }).resource['service.name']).toBe('mine')
})

test('what cannot be used is named and left out', () => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'c:4318',
    OTEL_EXPORTER_OTLP_TIMEOUT: '10s',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'br',
    OTEL_EXPORTER_OTLP_HEADERS: 'secret',
    OTEL_RESOURCE_ATTRIBUTES: 'a=%zz',
  }
  const { unusable, ...used } = settings(env)
  expect(unusable.toSorted()).toEqual(Object.keys(env).toSorted())
  expect(used).toMatchObject({ url: 'http://localhost:4318/v1/traces', headers: {}, timeoutMs: 10_000 })
})
