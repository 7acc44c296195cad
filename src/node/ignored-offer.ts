/**
 * Reads on behind a request whose `Upgrade` is ignored (RFC 9110 §7.8).
 *
 * Node's parser stops at the end of such a request, as if another protocol began there, and drops what came behind it
 * in the same read (nodejs/node, `lib/_http_server.js`, seen on Node 26.10). Attack: the head of a second request is
 * dropped so, and its body, which comes in the next read, is taken for a request. For the same reason the parser
 * reports nothing when the body of a request with an offer is broken. So this file looks at how far the parser got, has
 * it read the rest, and reports what it cannot read.
 *
 * Breaks first: `test/raw/upgrade-offers.test.ts`.
 * Remove when: bytes behind a request for which `shouldUpgradeCallback` said no are read as the next request.
 */
import type { IncomingMessage } from 'node:http'

/** Where the parser keeps what it calls after each read (`HTTPParser.kOnExecute`). */
const ON_EXECUTE = 5

/** How many bytes of a read the parser has taken, or why it cannot go on. */
type Result = number | Error

interface Parser {
  [ON_EXECUTE]?: ((result: Result) => void) | null
  /** `upgrade` is true of a request that Node hands over together with its connection. */
  readonly incoming: (IncomingMessage & { readonly upgrade?: boolean | null }) | null
  execute(bytes: Buffer): Result
  /** A copy of what is being read. */
  getCurrentBuffer(): Buffer
}

/** The last request with an offer of each parser that still reads it. A parser serves another connection later. */
const offers = new WeakMap<Parser, { request: IncomingMessage; readonly hook: (result: Result) => void }>()

/** Call it while the parser reads the head of the request. */
export function readOnBehind(request: IncomingMessage): void {
  const { parser } = request.socket as unknown as { readonly parser?: Parser | null }
  const tell = parser?.[ON_EXECUTE]
  if (parser === undefined || parser === null || typeof tell !== 'function') {
    // Nobody would see how far this parser gets, and a request that is lost is worse than a connection.
    request.socket.destroy()
    return
  }
  const known = offers.get(parser)
  if (known !== undefined && known.hook === tell) {
    known.request = request
    return
  }
  const hook = (result: Result): void => {
    const read = typeof result === 'number' ? readRest(parser, offer, result) : result
    // A request that has arrived in full is behind the parser, which then holds and copies nothing for it any more.
    if (offer.request.complete && parser[ON_EXECUTE] === hook) {
      parser[ON_EXECUTE] = tell
      offers.delete(parser)
    }
    tell(read)
  }
  const offer = { request, hook }
  offers.set(parser, offer)
  parser[ON_EXECUTE] = hook
}

function readRest(parser: Parser, offer: { readonly request: IncomingMessage }, taken: number): Result {
  let bytes = parser.getCurrentBuffer()
  let result: Result = taken
  while (typeof result === 'number' && result !== bytes.length && parser.incoming?.upgrade !== true) {
    // Within a message the parser stops only where that is broken.
    if (!offer.request.complete || result <= 0 || result > bytes.length) return brokenMessage()
    bytes = bytes.subarray(result)
    result = parser.execute(bytes)
  }
  return result
}

function brokenMessage(): Error {
  return Object.assign(new Error('Parse Error'), { code: 'HPE_USER', reason: 'broken behind an ignored Upgrade' })
}
