/** `sallyport doctor --through` looks at real proxies, and finds each hole that a line of the snippet closes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { doctorCommand } from '../../../src/cli/doctor.ts'
import { runCommand } from '../../support/gateway/command.ts'
import {
  ASKING_KINDS,
  type AskingKind,
  startAskingProxy,
  WITHOUT_PROXIES,
} from '../../support/services/asking-proxy.ts'
import { freePort } from '../../support/services/free-port.ts'
import { type ProxiedStack, printedSnippet, startProxiedStack } from './support.ts'

const CONFIG = {
  identity: { reserved: ['X-Auth-*', 'X-Tenant'] },
  credentials: ['authorization', { header: 'X-Access-Token' }],
  routes: [
    { id: 'public', path: '/public/**', access: 'public' },
    { id: 'private', path: '/private/**' },
  ],
}

interface Hole {
  readonly title: string
  /** The lines that are taken away, or put in place of others. */
  readonly change: (snippet: string) => string
  /** What `sallyport doctor` says of each: check and subject. */
  readonly found: readonly string[]
}

/** Each line is a hole of its own, and found by its own name. */
const without =
  (...lines: readonly RegExp[]) =>
  (snippet: string): string =>
    lines.reduce((text, line) => {
      if (!line.test(text)) throw new Error(`nothing like ${line} in it`)
      return text.replace(line, '')
    }, snippet)
const instead =
  (line: string, other: string) =>
  (snippet: string): string => {
    if (!snippet.includes(line)) throw new Error(`no ${line} in it`)
    return snippet.replaceAll(line, other)
  }

const TOLD = ['X-Auth-Issuer', 'X-Auth-Subject', 'X-Auth-Roles', 'X-Tenant', 'X-Access-Token', 'Authorization']
const UNTOLD = [
  ...['X-Original-URI', 'X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-URI', 'X-Forwarded-Method', 'Forwarded'],
  ...['X-Real-IP', 'X-HTTP-Method-Override', 'Client-Cert'],
]
const SET = ['For', 'Proto', 'Host']

const HOLES: Readonly<Record<AskingKind, readonly Hole[]>> = {
  nginx: [
    { title: 'it does not ask', change: without(/ *auth_request \/.*\n/), found: ['through /private'] },
    {
      title: 'what the gateway says is not set, or what others say is not cleared',
      change: without(
        ...TOLD.map(name => new RegExp(` *proxy_set_header ${name} \\$.*\n`)),
        ...UNTOLD.map(name => new RegExp(` *proxy_set_header ${name} "";\n`)),
      ),
      found: [...TOLD.map(name => `forged ${name}`), ...UNTOLD.map(name => `forged ${name.toLowerCase()}`)],
    },
    {
      title: 'the client names itself',
      change: text =>
        SET.reduce((rest, name) => {
          const at = rest.lastIndexOf(`proxy_set_header X-Forwarded-${name}`)
          return rest.slice(0, at) + rest.slice(rest.indexOf(';', at) + 1)
        }, text),
      found: SET.map(name => `forged x-forwarded-${name.toLowerCase()}`),
    },
    ...['X-Original-URI', 'X-Original-Method', 'X-Forwarded-Host'].map(name => ({
      title: `it asks without ${name}`,
      change: without(new RegExp(` *proxy_set_header ${name} \\$.*\n`)),
      found: name === 'X-Original-URI' ? [`forged ${name}`, 'through /public'] : ['through /public'],
    })),
    {
      title: 'odd names pass',
      change: text =>
        instead(
          'underscores_in_headers off',
          'underscores_in_headers on',
        )(instead('ignore_invalid_headers on', 'ignore_invalid_headers off')(text)),
      found: ['forged x_original_url', 'forged X.Original-URL', 'forged X~Forwarded-Uri'],
    },
    {
      title: 'it lets clients change to another protocol',
      change: instead('Upgrade $sallyport_upgrade', 'Upgrade $http_upgrade'),
      found: ['forged Upgrade'],
    },
    {
      title: 'it forwards another path',
      change: instead('proxy_pass http://sallyport_service;', 'proxy_pass http://sallyport_service/;'),
      found: ['path /public/%c3%a4'],
    },
  ],
  caddy: [
    {
      title: 'it does not ask',
      change: without(/forward_auth [^{]*\{(?:[^{}]|\{[^}]*\})*\}/),
      found: ['through /private'],
    },
    {
      title: 'what the gateway says is not set, or what others say is not cleared',
      change: without(
        /request_header "-X-Auth-Subject"\n/,
        /copy_headers "X-Auth-Subject"\n/,
        /request_header "-X-Auth-\*"\n/,
        /copy_headers "X-Access-Token"\n/,
        /copy_headers "Authorization"\n/,
        /request_header "-X-Original\*"\n/,
        /request_header "-X-Rewrite\*"\n/,
        /request_header "-X-Forwarded\*"\n/,
        /request_header "-Forwarded"\n/,
        /request_header "-X-Real\*"\n/,
        /request_header "-X~\*"\n/,
        /request_header @sallyport_plain -Connection\n/,
        /request_header @sallyport_plain -Upgrade\n/,
      ),
      found: [
        ...['X-Auth-Subject', 'X-Access-Token', 'Authorization', 'x-original-url', 'x-original-uri', 'x-rewrite-url'],
        ...['x-forwarded-uri', 'x-forwarded-method', 'forwarded', 'x-real-ip', 'X~Original-URL'],
        ...['Connection', 'Upgrade'],
      ].map(name => `forged ${name}`),
    },
    {
      title: 'it forwards another path',
      change: instead('reverse_proxy 127', 'uri replace /public/ /private/\n\t\treverse_proxy 127'),
      found: ['path /public/%c3%a4'],
    },
  ],
  envoy: [
    {
      title: 'it does not ask',
      change: text =>
        text.replace(
          / *- name: envoy\.filters\.http\.ext_authz\n[\s\S]*?(?= *- name: envoy\.filters\.http\.router\n)/,
          '',
        ),
      found: ['through /private'],
    },
    {
      title: 'what the gateway says is asked with in one spelling, or what others say is not cleared',
      change: without(
        / *- safe_regex: \{ regex: "x\[\^a-z0-9\]auth\[\^a-z0-9\]subject" \}\n/,
        / *- safe_regex: \{ regex: "x\[\^a-z0-9\]auth\[\^a-z0-9\]\.\*" \}\n/,
        / *- safe_regex: \{ regex: "x\[\^a-z0-9\]tenant" \}\n/,
        / *- remove_on_match.*"x\[\^a-z0-9\]original\[\^a-z0-9\]url".*\n/,
        / *- remove_on_match.*"x\[\^a-z0-9\]forwarded\[\^a-z0-9\]uri".*\n/,
        / *- remove_on_match.*"x\[\^a-z0-9\]forwarded\[\^a-z0-9\]for".*\n/,
        / *- remove_on_match.*"forwarded".*\n/,
      ),
      found: [
        ...['X.Auth-Subject', 'X-Auth-Forged', 'X.Tenant', 'x-original-url', 'x-forwarded-uri', 'x-forwarded-for'],
        ...['forwarded', 'X.Original-URL'],
      ].map(name => `forged ${name}`),
    },
    {
      title: 'it forwards another path',
      change: instead(
        'route: { cluster: service,',
        'route: { regex_rewrite: { pattern: { regex: "%c3" }, substitution: "%C3" }, cluster: service,',
      ),
      found: ['path /public/%c3%a4'],
    },
  ],
}

describe.skipIf(WITHOUT_PROXIES).for(ASKING_KINDS)('behind %s', kind => {
  let stack: ProxiedStack
  beforeAll(async () => {
    stack = await startProxiedStack(kind, CONFIG)
  })
  afterAll(() => stack.close())

  const examined = async (change: (snippet: string) => string) => {
    const [port, service] = [await freePort(), await freePort()]
    const proxy = await startAskingProxy(kind, change(await printedSnippet(kind, stack.file, port, service)), port)
    try {
      const { code, stdout, stderr } = await runCommand(doctorCommand, [
        ...['-c', stack.file, '--through', `http://127.0.0.1:${port}`, '--service-listen', `127.0.0.1:${service}`],
        '--json',
      ])
      if (stderr !== '') throw new Error(stderr)
      const { findings } = JSON.parse(stdout) as { findings: ReadonlyArray<Record<string, string>> }
      const own = findings.filter(({ check = '' }) => ['through', 'forged', 'path'].includes(check))
      const texts = (outcomes: readonly string[]) =>
        own.filter(({ outcome = '' }) => outcomes.includes(outcome)).map(({ check, subject }) => `${check} ${subject}`)
      return { code, good: texts(['ok']), bad: texts(['fail', 'warn']), own }
    } finally {
      await proxy.stop()
    }
  }

  test('the snippet has no holes', async () => {
    const { bad, good, own } = await examined(snippet => snippet)
    expect(bad, JSON.stringify(own)).toEqual([])
    expect(good).toEqual(['through /private', 'through /public', 'forged /public', 'path /public'])
  })

  test.concurrent.each(HOLES[kind])('it finds that $title', async ({ change, found }) => {
    const { bad, own } = await examined(change)
    expect(bad, JSON.stringify(own)).toEqual(expect.arrayContaining([...found]))
    for (const each of own) if (each.outcome !== 'ok') expect(each.remedy ?? each.seen).toBeTruthy()
  })
})
