/** The command `sallyport explain` shows which route takes a request, what each check saw, and the outcome. */
import { loadConfigForTool } from '../config/read/load.ts'
import { systemClock } from '../lib/clock.ts'
import { fromBrowser } from '../tools/engine/browser-request.ts'
import { putInForce } from '../tools/engine/known-revocations.ts'
import { withCertificate } from '../tools/engine/shown-certificate.ts'
import { closeToolServices, toolServices } from '../tools/engine/tool-policy.ts'
import { trialRequest } from '../tools/engine/trial.ts'
import { explanationText } from '../tools/explain/explanation-text.ts'
import type { RequestFacts } from '../types.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { checkedCaller, questionOf, refusedQuestion, saidText } from './explained-question.ts'
import {
  type AskedRequest,
  explainedAsSent,
  explainedWithSession,
  explainedWithStandIn,
  explainedWithToken,
} from './explained-request.ts'
import { type AskedBrowser, fetchSite } from './explained-session.ts'
import {
  certificateIn,
  claimsObject,
  introspectionAnswer,
  proofText,
  revokedEntries,
  TOKEN_HELP,
  tokenText,
} from './inputs.ts'
import { NO_FILES, namedFiles } from './no-files.ts'
import { checkedProvider } from './provider-option.ts'

export const explainCommand: Command = {
  help: `Usage: sallyport explain METHOD PATH [--token T | --claims FILE] [--introspection FILE] [-H 'Name: value']... [-c FILE]
                         [--proof auto|TEXT] [--certificate FILE] [--tool NAME] [--revoked FILE] [--caller PROXY]
                         [--no-files] [--json]
       sallyport explain METHOD PATH [--session FILE [--fetch-site SITE]] [--origin URL] [--navigate] [-c FILE]...

Puts one request through the policy, without sending anything, and shows the route and what else could have matched,
each check with what it wanted and saw, the headers that are removed and added, and the answer the client would get.

  --token T           a real token: ${TOKEN_HELP};
                      its provider’s keys are fetched if they are not in the configuration
  --claims FILE       claims (JSON or YAML, or {…} as it is) as if a provider had signed them; nothing is fetched.
                      What a token needs and they leave out (iss, aud, iat, exp) is filled in and listed
  --introspection FILE
                      what the server says of the token (JSON, or {…} as it is), in place of asking it; nothing is filled
                      in. Without --token, one is made up
  --session FILE      claims (as for --claims) of somebody whom a browser is logged in as: its cookie is sent, and the
                      claims are those of the session's access token, or ID token
  --fetch-site SITE   where the page is that sends the request: same-origin, same-site or cross-site; none for what the
                      user begins, absent for a browser that does not say. Left out: as --origin says, else same-origin
  --origin URL        the page that sends the request, as its browser says in the header Origin
  --navigate          a browser is about to show the page in a tab
  --provider ID       whose token the claims are; else the one their iss names, else the first the route accepts
  --proof auto|TEXT   the token comes with a DPoP proof: a real one for --token (or @FILE); with --claims only auto, which
                      binds the token to a key and makes a valid proof for the request, under the first of
                      \`dpop.baseUrls\`
  --certificate FILE  the client shows this certificate (PEM), or a trusted proxy names it, as the configuration has it.
                      Claims are bound to it, unless their cnf says to what. Who has signed it is not judged
  --tool NAME         the request calls this tool, where the route has \`mcp.tools\`; else it calls none
  --caller PROXY      METHOD, PATH and headers are what nginx, caddy, traefik or envoy asks: see config/decide.md. Shows
                      which of them are believed; that its address is one of \`decide.trustedProxies\` is not judged
  -H, --header LINE   a header of the request; may be repeated
  --revoked FILE      entries, as in \`revocation.file\`, that are in force besides what the configuration names
  --peer ADDRESS      where the request comes from; else 192.0.2.1, which is nobody
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --no-files          do not read the files that the configuration names: secrets, certificates, tokens, key sets
  --json              the explanation as JSON

Exit codes: 0 explained, a refusal too; 2 bad configuration or usage. No signature of a token is ever printed, and no
proof.

Examples:
  sallyport explain GET /orders/42
  sallyport explain DELETE /orders/42 --claims '{ sub: alice, scope: orders:read }'
  sallyport explain GET /orders --claims '{ sub: alice }' --proof auto
  sallyport explain POST /orders --session '{ sub: alice }' --fetch-site cross-site
  sallyport explain GET /orders -H 'X-Auth-Subject: root' --token - < token.txt
  sallyport explain OPTIONS /orders -H 'Origin: https://app.example.com' -H 'Access-Control-Request-Method: PUT'
  sallyport explain GET /decide --caller nginx -H 'X-Original-URI: /orders' -H 'X-Original-Method: GET' -H 'X-Forwarded-Host: a'
  sallyport explain POST /mcp --claims '{ scope: mcp:use }' --tool orders.delete
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('explain', args, {
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        token: { type: 'string' },
        claims: { type: 'string' },
        session: { type: 'string' },
        'fetch-site': { type: 'string' },
        origin: { type: 'string' },
        navigate: { type: 'boolean' },
        introspection: { type: 'string' },
        provider: { type: 'string' },
        proof: { type: 'string' },
        certificate: { type: 'string' },
        tool: { type: 'string' },
        caller: { type: 'string' },
        header: { type: 'string', short: 'H', multiple: true },
        peer: { type: 'string' },
        revoked: { type: 'string' },
        json: { type: 'boolean' },
        ...NO_FILES,
      },
    })
    const [method, target, ...more] = positionals
    if (method === undefined || target === undefined || more.length > 0) {
      const example = target === undefined && method?.startsWith('/') === true ? method : "'/orders/42?x=1'"
      throw new UsageError(`explain takes a method and a path, as in: sallyport explain GET ${example}`)
    }
    if (!/^[/*]/.test(target)) io.stderr(`a path begins with "/"; did you mean ${pathIn(target)}\n`)
    if (values.token !== undefined && values.claims !== undefined)
      throw new UsageError('give --token or --claims, not both')
    if (values.introspection !== undefined && values.claims !== undefined)
      throw new UsageError('give --claims or --introspection, not both: each says what the token holds')
    refuseBesideSession(values)
    const browser: AskedBrowser = {
      site: fetchSite(values['fetch-site']),
      origin: values.origin,
      mode: values.navigate === true ? 'navigate' : 'fetch',
    }
    if (values.navigate === true && method !== 'GET') throw new UsageError('--navigate needs GET: so a tab is opened')
    if (values.introspection === '-' && values.token === '-')
      throw new UsageError('standard input holds one of them: name a file for --introspection, or write --token @FILE')
    if (values.token !== undefined && values['no-files'] === true)
      throw new UsageError('--token needs keys, which may stand in files; give --claims with --no-files')
    if (values.proof !== undefined && [values.token, values.claims, values.introspection].every(isLeftOut))
      throw new UsageError('--proof belongs to a token: give --token or --claims, too')
    if (values.proof !== undefined && values.proof !== 'auto' && values.token === undefined)
      throw new UsageError(
        `a proof is for one token, and --${values.claims === undefined ? 'introspection' : 'claims'} makes a new one: write --proof auto, or give --token`,
      )
    if (values.proof === 'auto' && values.token !== undefined)
      throw new UsageError('--proof auto has no key of a real token; make a proof with sallyport token proof')
    if (values.tool === '') throw new UsageError('--tool needs the name of a tool; leave it out for a call of none')
    const config = loadConfigForTool(configFile(values.config, io.env), io.env, namedFiles(values))
    if (values.proof === 'auto' && config.dpop === undefined)
      throw new UsageError('--proof auto has no effect: the configuration has no section `dpop`')
    const proof = values.proof === undefined || values.proof === 'auto' ? undefined : proofText(values.proof)
    const provider = checkedProvider(config, values.provider)
    const services = toolServices({ ...io, clock: systemClock })
    if (values.revoked !== undefined && config.revocation === undefined)
      throw new UsageError('--revoked has no effect: the configuration has no section `revocation`')
    const further = values.revoked === undefined ? [] : revokedEntries(values.revoked)
    putInForce(services.revocations, config, { namedFiles: namedFiles(values), further })
    const certificate = values.certificate === undefined ? undefined : certificateIn(values.certificate)
    const sent = askedRequest(method, target, (values.header ?? []).flatMap(headerLine), values.peer)
    const question = values.caller === undefined ? undefined : questionOf(checkedCaller(values.caller), sent)
    if (question?.refusal !== undefined) {
      await closeToolServices(services)
      io.stdout(refusedQuestion(question, question.refusal, { isJson: values.json === true, paint: io.paint }))
      return 0
    }
    const bare = question?.facts ?? sent
    const plain = certificate === undefined ? bare : withCertificate(bare, certificate, config)
    if (plain === undefined)
      throw new UsageError('--certificate has no effect: the configuration asks for no client certificates')
    const answer = values.introspection === undefined ? undefined : introspectionAnswer(values.introspection)
    const brings = values.session === undefined ? 'token' : 'session'
    const request = brings === 'session' ? plain : asOfBrowser(plain, browser)
    const asked: AskedRequest = {
      config,
      request,
      services,
      provider,
      certificate,
      caller: question?.caller,
      tool: values.tool,
      brings,
    }
    const proofOfStandIn = values.proof === 'auto' ? 'auto' : undefined
    const explained = await (values.session !== undefined
      ? explainedWithSession(asked, { claims: claimsObject(values.session), browser })
      : values.token !== undefined
        ? explainedWithToken(asked, { token: tokenText(values.token, io), proof, answer })
        : values.claims !== undefined
          ? explainedWithStandIn(asked, { claims: claimsObject(values.claims), proof: proofOfStandIn })
          : answer !== undefined
            ? explainedWithStandIn(asked, { answer, proof: proofOfStandIn })
            : explainedAsSent(asked))
    await closeToolServices(services)
    io.stdout(
      values.json === true
        ? `${JSON.stringify({ ...(question && { said: question.said }), ...explained }, undefined, 2)}\n`
        : `${explanationText(explained, io.paint, systemClock.nowMs())}${question === undefined ? '' : saidText(question, io.paint)}`,
    )
    return 0
  },
}

const WITHOUT_SESSION = ['token', 'claims', 'introspection', 'provider', 'proof'] as const

type Values = Readonly<Record<(typeof WITHOUT_SESSION)[number] | 'session' | 'fetch-site', string | undefined>>

/** @throws {UsageError} a session goes with other options */
function refuseBesideSession(values: Partial<Values>): void {
  if (values.session === undefined) {
    if (values['fetch-site'] !== undefined)
      throw new UsageError('--fetch-site decides about sessions alone: give --session, too')
    return
  }
  const other = WITHOUT_SESSION.find(each => values[each] !== undefined)
  if (other === undefined) return
  throw new UsageError(
    other === 'provider' || other === 'proof'
      ? `--${other} is about a token; leave it out beside --session`
      : `give --session or --${other}, not both: a session counts only where no token comes`,
  )
}

/** Adds what a browser without a session says of the page, where the options are about one. */
function asOfBrowser(request: RequestFacts, { origin, mode }: AskedBrowser): RequestFacts {
  const site = mode === 'navigate' ? 'none' : 'absent'
  return fromBrowser(request, { cookie: undefined, site, origin, mode })
}

/** Returns `/orders` of `orders` and of `https://api.example.com/orders`. */
function pathIn(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '')
  return path.startsWith('/') ? path : `/${path}`
}

function isLeftOut(option: string | undefined): boolean {
  return option === undefined
}

function headerLine(line: string): readonly string[] {
  const colon = line.indexOf(':')
  if (colon < 1) throw new UsageError(`"${line}" is no header; write 'Name: value'`)
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
}

function askedRequest(method: string, target: string, headers: readonly string[], peer?: string): RequestFacts {
  try {
    const request = trialRequest(method, target, headers)
    return peer === undefined ? request : { ...request, peer: { ...request.peer, address: peer } }
  } catch (error) {
    throw error instanceof SyntaxError ? new UsageError(error.message) : error
  }
}
