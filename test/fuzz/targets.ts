/** Says what `test/fuzz/main.ts` throws at which part, and what must hold whatever comes. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { extractCredential } from '../../src/authenticate/extract.ts'
import { parseJwt } from '../../src/authenticate/jwt/parse-jwt.ts'
import { loadConfig } from '../../src/config/read/load.ts'
import { checkHead } from '../../src/downstream/head.ts'
import { ConfigError, Denial } from '../../src/errors.ts'
import { requestHeaders } from '../../src/forward/request-headers.ts'
import { responseHeaders } from '../../src/forward/response-headers.ts'
import { compileIdentity, DEFAULT_IDENTITY_HEADERS } from '../../src/identity/header-lines.ts'
import { foldedFieldName } from '../../src/lib/field-name.ts'
import { compileMatcher } from '../../src/route/match.ts'
import { naiveRoute, STEPS, serverOf } from '../route/lax-servers.ts'
import {
  assertNodeAgrees,
  assertPiecesAgree,
  assertUndiciAgrees,
  newTally,
} from '../support/clients/answer-agreement.ts'
import { assertOneRequest, newWrittenTally, requestInput } from '../support/clients/request-text-agreement.ts'
import { startUndiciJudge } from '../support/clients/undici-judge.ts'
import { factsOf } from '../support/facts.ts'
import { get, startRawStack } from '../support/raw.ts'
import { cuts, exchange } from '../support/services/answer-input.ts'
import { GET } from '../support/services/asked.ts'
import { headers, pathText, rawRequest, routeTexts, tokenText } from './input.ts'

export interface FuzzTarget {
  readonly name: string
  start(): Promise<FuzzRun>
}

interface FuzzRun {
  /** An `IProperty` or `IAsyncProperty` of whatever the target generates. */
  readonly property: unknown
  /** @returns what was seen, in words */
  readonly stop?: () => Promise<string | undefined>
}

export const fuzzTargets: readonly FuzzTarget[] = [
  { name: 'path', start: async () => ({ property: pathProperty() }) },
  { name: 'headers', start: async () => ({ property: headersProperty() }) },
  { name: 'token', start: async () => ({ property: tokenProperty() }) },
  { name: 'config', start: async () => ({ property: configProperty() }) },
  { name: 'request', start: requestRun },
  { name: 'answer', start: async () => answerRun() },
  { name: 'undici', start: undiciRun },
  { name: 'request-text', start: async () => requestTextRun() },
]

/** Gives the value, or undefined for a refusal. Any other error is a finding. */
function unlessRefused<T>(refusal: typeof Denial | typeof ConfigError, action: () => T): T | undefined {
  try {
    return action()
  } catch (error) {
    if (error instanceof refusal) return undefined
    throw error
  }
}

/** The ways of reading a path that take up to two steps, and decoding twice. */
const STEP_NAMES = Object.keys(STEPS)
const SERVERS = [
  ...STEP_NAMES.map(name => [name]),
  ...STEP_NAMES.flatMap(first => STEP_NAMES.map(second => [first, second])),
  ['decode', 'decode', 'resolveDots'],
  ['decode', 'cutParameters', 'resolveDots', 'lowerCase'],
].map(serverOf)

function pathProperty() {
  return fc.property(routeTexts, pathText, (paths, target) => {
    const routes = paths.map(path => ({ path, methods: undefined }))
    const resolution = unlessRefused(Denial, () => compileMatcher(routes).resolve('GET', target, 'app.example'))
    if (resolution === undefined) return
    const { path, query, route } = resolution
    assert.ok(target === path + query || target.toLowerCase() === `http://app.example${path}${query}`.toLowerCase())
    assert.match(path, /^\/[\x21-\x22\x24-\x5b\x5d-\x7e]*$/)
    for (const read of SERVERS) {
      const other = naiveRoute(routes, 'GET', read(path), text => read(text))
      assert.ok(other === undefined || other.path === route.path, `${path} read as ${read(path)}: ${other?.path}`)
    }
  })
}

function headersProperty() {
  const identity = compileIdentity({
    headers: DEFAULT_IDENTITY_HEADERS,
    reserved: ['X-Auth-*', 'X-Team'],
    maxBytes: 8192,
  })
  const outgoing = requestHeaders({ isManaged: identity.isManaged, authorization: 'drop', trusts: () => false })
  const identityLines = ['X-Auth-Subject', 'alice']
  return fc.property(headers, fc.integer({ min: 200, max: 599 }), (lines, statusCode) => {
    for (const name of lines.filter((_, i) => i % 2 === 0)) {
      assert.equal(foldedFieldName(name).length, name.toLowerCase().length)
      assert.equal(foldedFieldName(foldedFieldName(name)), foldedFieldName(name))
    }
    const answer = unlessRefused(Denial, () => responseHeaders({ statusCode, rawHeaders: lines, requestId: 'id' }))
    for (const folded of foldedNames(answer ?? []))
      assert.ok(!/^(?:connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy.*)$/.test(folded), folded)

    const head = unlessRefused(Denial, () =>
      checkHead(factsOf({ rawHeaders: lines }), { maxHeaders: 100, maxHeadBytes: 16_384 }),
    )
    if (head === undefined) return
    assert.match(head.host, /^[\w.:[\]-]+$/)
    const sent = outgoing({
      rawHeaders: lines,
      host: head.host,
      peer: { address: '10.0.0.1', protocol: 'http' },
      requestId: 'id',
      trace: undefined,
      identityLines,
    })
    const names = foldedNames(sent)
    for (const own of ['host', 'x-auth-subject', 'x-request-id', 'x-forwarded-for', 'forwarded', 'x-real-ip'])
      assert.equal(names.filter(name => name === own).length, 1, `${own} in ${names}`)
    for (const name of names)
      assert.ok(
        !/^(?:x-team|x-auth-(?!subject$).*|connection|te|trailer|upgrade|transfer-encoding|authorization|proxy.*)$/.test(
          name,
        ),
        name,
      )
    assert.equal(sent[sent.indexOf('X-Auth-Subject') + 1], 'alice')
  })
}

function foldedNames(lines: readonly string[]): readonly string[] {
  return lines.filter((_, i) => i % 2 === 0).map(foldedFieldName)
}

function tokenProperty() {
  return fc.property(fc.constantFrom('Bearer ', 'bearer  ', 'Basic ', 'Bearer\t', ''), tokenText, (scheme, text) => {
    const credential = unlessRefused(Denial, () =>
      extractCredential(['Authorization', scheme + text], { tokenBytes: 8192, takesProofs: true }),
    )
    if (credential === undefined) return
    assert.equal(credential.token, text.replace(/^ +/, ''))
    const jwt = unlessRefused(Denial, () => parseJwt(credential.token))
    if (jwt === undefined) return
    const [header = '', payload = '', signature = ''] = credential.token.split('.')
    // There is one spelling: whatever decodes to the same bytes is the same text.
    for (const part of [header, payload, signature])
      assert.equal(Buffer.from(part, 'base64url').toString('base64url'), part)
    assert.deepEqual(JSON.parse(Buffer.from(payload, 'base64url').toString()), jwt.claims)
    assert.notEqual(jwt.header.alg.toLowerCase(), 'none')
  })
}

function configProperty() {
  const good = readFileSync(new URL('../../config/example.yaml', import.meta.url), 'utf8')
  const piece = fc.oneof(
    fc.string({ maxLength: 12, unit: 'binary' }),
    fc.constantFrom(
      '\n',
      '  ',
      ': ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '!!js ',
      '!!binary ',
      '<<: ',
      '? ',
      '| ',
      '> ',
      '# ',
    ),
    fc.constantFrom(
      '$\u007bX}',
      '$\u007bX:-y}',
      '$\u007b',
      '\t',
      '---\n',
      '...\n',
      '0x10',
      '1e999',
      '.nan',
      'null',
      '~',
      'yes',
      '__proto__: ',
    ),
  )
  const edit = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(30), piece })
  const edits = fc.array(edit, { minLength: 1, maxLength: 6 })
  return fc.property(edits, changes => {
    const text = changes.reduce((whole, { at, cut, piece: added }) => {
      const index = Math.floor(at * whole.length)
      return whole.slice(0, index) + added + whole.slice(index + cut)
    }, good)
    try {
      const config = loadConfig({ text, file: 'fuzz.yaml', env: { X: 'x' }, readFile: () => Buffer.from('') })
      assert.ok(Object.isFrozen(config) && config.routes.length > 0)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      assert.ok(error.problems.length > 0)
      assert.match(error.message, /^fuzz\.yaml:\d+:\d+/)
    }
  })
}

async function requestRun(): Promise<FuzzRun> {
  const stack = await startRawStack(() => ({ limits: { headersTimeout: '200ms', bodyIdleTimeout: '200ms' } }))
  const token = stack.token
  let runs = 0
  const property = fc.asyncProperty(rawRequest, async build => {
    const bytes = build.replaceAll('TOKEN', token)
    const before = stack.upstream.seen.length
    const connection = stack.connect()
    // A good request behind it has the connection closed; where it is taken for a part of what went
    // before, a limit does.
    connection.write(bytes + get('/public/end', ['Connection: close']))
    await connection.closed
    for (const [, status] of connection.rest().matchAll(/^HTTP\/1\.1 (\d+)/gm))
      assert.ok(Number(status) < 500, `answered ${status}`)
    for (const { url, rawHeaders } of stack.upstream.seen.slice(before)) {
      const lines = rawHeaders.map((text, i) => (i % 2 === 0 ? foldedFieldName(text) : text))
      const at = (name: string) =>
        lines.flatMap((text, i) => (i % 2 === 0 && text === name ? [lines[i + 1] ?? ''] : []))
      assert.equal(at('host').length, 1)
      assert.ok(
        at('x-auth-subject').every(subject => subject === 'alice'),
        'identity',
      )
      assert.equal(at('x-auth-subject').length, url.startsWith('/private') ? 1 : at('x-auth-subject').length)
      assert.equal(at('transfer-encoding').length + at('content-length').length <= 1, true)
      assert.doesNotMatch(url, /^\/admin|^[^?]*\/\.\.?(?:[/;?]|$)/i)
    }
    // It is often enough to find the request that did it, and seldom enough to leave time for others.
    runs++
    if (runs % 50 === 0) await stack.control()
  })
  return {
    property,
    stop: async () => {
      await stack.control()
      await stack.close()
      return undefined
    },
  }
}

/** Answers of services: what we read, Node's own parser reads the same, however the bytes are cut into pieces. */
function answerRun(): FuzzRun {
  const tally = newTally()
  const property = fc.property(exchange, cuts, ({ requests, text }, offsets) => {
    const bytes = Buffer.from(text, 'latin1')
    const answers = assertNodeAgrees(bytes, requests, tally)
    assertPiecesAgree(bytes, requests, answers, offsets)
  })
  return { property, stop: async () => seenOf(tally) }
}

/** The same with undici's client as the judge, over a socket. */
async function undiciRun(): Promise<FuzzRun> {
  const tally = newTally()
  const judge = await startUndiciJudge()
  const property = fc.asyncProperty(exchange, ({ requests, text }) =>
    assertUndiciAgrees(judge, Buffer.from(text, 'latin1'), requests[0] ?? GET, tally),
  )
  return {
    property,
    stop: async () => {
      await judge.close()
      return seenOf(tally)
    },
  }
}

function requestTextRun(): FuzzRun {
  const tally = newWrittenTally()
  const property = fc.property(requestInput, input => assertOneRequest(input, tally))
  return { property, stop: async () => seenOf(tally) }
}

function seenOf(tally: object): string {
  return Object.entries(tally)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')
}
