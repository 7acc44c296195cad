/**
 * Reads the answers of a service that speaks HTTP/1.1: bytes go in as they arrive; heads, bodies and ends come out.
 *
 * It takes a narrow part of the grammar. What it takes, every other parser takes and reads the same; whatever two
 * parsers could read in two ways is {@link UpstreamFailure} `ANSWER_MALFORMED`, and the connection is used no more.
 *
 * RFC 9112 §4 (status line), §5 (fields; no folding, no blank before the colon), §6 (framing), §7.1 (chunks), §9.3
 * (persistence). Attack: a second answer hidden in the body or behind the end of the first (response splitting,
 * response queue poisoning).
 */
import { boundedMemo } from '../lib/bounded-memo.ts'
import { isFieldValue } from '../lib/field-lines.ts'
import { isToken } from '../lib/field-name.ts'
import { MAX_INTERIM_ANSWERS } from './connections.ts'
import { UpstreamFailure } from './failure.ts'
import { GrowingBuffer } from './growing-buffer.ts'

/** The parser tells its user in this order: interim heads, one head, parts of the body, the end. */
export interface AnswerReader {
  /** @param rawHeaders flat names and values, one character per octet */
  onInterim(statusCode: number, rawHeaders: readonly string[]): void
  onHead(statusCode: number, rawHeaders: readonly string[]): void
  /** The bytes belong to whoever gets them. */
  onBody(bytes: Buffer): void
  /** @param rawTrailers flat names and values */
  onEnd(rawTrailers: readonly string[]): void
  /** The service switches to another protocol, whose first bytes are these. */
  onSwitch(rawHeaders: readonly string[], rest: Buffer): void
}

/** What was asked decides what the answer looks like. */
interface Asked {
  readonly method: string
  readonly upgrade: string | null
}

type State = 'idle' | 'head' | 'length' | 'close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers' | 'over'

interface Head {
  readonly statusCode: number
  readonly rawHeaders: readonly string[]
  readonly length: number | undefined
  readonly isChunked: boolean
  /** Nothing but this answer comes on the connection. */
  readonly isLast: boolean
  /** It names another protocol, and says that this connection goes on with it. */
  readonly isSwitch: boolean
  readonly keepAliveSeconds: number | undefined
}

/** An extension of a chunk means nothing to anybody. */
const MAX_CHUNK_LINE_BYTES = 256

export class AnswerParser {
  readonly #maxHeadBytes: number
  #reader: AnswerReader = NOBODY
  #state: State = 'idle'
  #asked: Asked | undefined
  /** The bytes of a head, a chunk's line or trailers that are not whole yet. */
  #held: GrowingBuffer | undefined
  #rest = 0
  #interimAnswers = 0
  #headBytes = 0
  #isLast = false
  #keepAliveSeconds: number | undefined

  /** @param maxHeadBytes bounds a head with all interim heads before it, and trailers */
  constructor(maxHeadBytes: number) {
    this.#maxHeadBytes = maxHeadBytes
  }

  /** Call it before a request is sent. @param reader is told of the answer, until its end */
  expect(asked: Asked, reader: AnswerReader): void {
    this.#state = 'head'
    this.#asked = asked
    this.#reader = reader
    this.#interimAnswers = 0
    this.#headBytes = 0
    this.#isLast = false
    this.#keepAliveSeconds = undefined
  }

  /** Is true once an answer has come to its end, in a way that leaves the connection fit for another request. */
  get isReusable(): boolean {
    return this.#state === 'idle' && !this.#isLast
  }

  /** After so long without a request the service ends the connection, as it said itself. */
  get keepAliveSeconds(): number | undefined {
    return this.#keepAliveSeconds
  }

  /**
   * @param chunk is not kept, but parts of it are handed on as they are
   * @throws {UpstreamFailure} `ANSWER_MALFORMED`, and whatever the reader throws; either way no more may be read
   */
  read(chunk: Buffer): void {
    let at = 0
    while (at < chunk.length) {
      switch (this.#state) {
        case 'head':
        case 'trailers':
        case 'chunk-size':
          at = this.#readLines(chunk, at)
          break
        case 'length':
        case 'chunk':
          at = this.#readCounted(chunk, at)
          break
        case 'close':
          this.#reader.onBody(at === 0 ? chunk : chunk.subarray(at))
          return
        case 'chunk-end':
          at = this.#readChunkEnd(chunk, at)
          break
        case 'idle':
          throw malformed('bytes after the end of an answer')
        case 'over':
          return
      }
    }
  }

  /** The service has closed its side. @throws {UpstreamFailure} `ANSWER_CUT`: that was too early */
  end(): void {
    if (this.#state === 'idle' || this.#state === 'over') return
    if (this.#state !== 'close') throw new UpstreamFailure('ANSWER_CUT', 'the connection ended before the answer did')
    this.#finish([])
  }

  /** Reads a head, trailers or the line of a chunk: what ends with a certain sequence of bytes. */
  #readLines(chunk: Buffer, at: number): number {
    const isChunkLine = this.#state === 'chunk-size'
    const held = this.#held
    const heldBytes = held?.length ?? 0
    const bytes = held === undefined ? chunk : held.append(at === 0 ? chunk : chunk.subarray(at))
    const from = held === undefined ? at : 0
    // What was held has been searched, but for an end that was only half there.
    const searchFrom = held === undefined ? at : Math.max(0, heldBytes - 3)
    const end = isChunkLine
      ? bytes.indexOf(CRLF, searchFrom, 'latin1')
      : endOfFields(bytes, from, searchFrom, this.#state)
    const longest = isChunkLine ? MAX_CHUNK_LINE_BYTES : this.#maxHeadBytes - this.#headBytes
    if ((end === -1 ? bytes.length : end) - from > longest) throw malformed('a head that is too long')
    if (end === -1) {
      this.#held ??= new GrowingBuffer(bytes.subarray(from))
      return chunk.length
    }
    this.#held = undefined
    const text = bytes.toString('latin1', from, end)
    const next = end + (isChunkLine || text === '' ? 2 : 4) - (held === undefined ? 0 : heldBytes - at)
    if (isChunkLine) this.#onChunkLine(text)
    else if (this.#state === 'trailers') this.#onTrailers(text)
    else {
      this.#headBytes += end - from
      this.#onHead(text, chunk, next)
    }
    return this.#state === 'over' ? chunk.length : next
  }

  #onHead(text: string, chunk: Buffer, next: number): void {
    const head = headOf(text)
    const { statusCode, rawHeaders, length } = head
    const asked = this.#asked
    if (statusCode === SWITCHING_PROTOCOLS) {
      if (asked?.upgrade == null) throw malformed('a switch of protocols that nobody asked for')
      if (!head.isSwitch) throw malformed('a switch of protocols that does not say so')
      this.#state = 'over'
      this.#reader.onSwitch(rawHeaders, Buffer.from(chunk.subarray(next)))
      return
    }
    if (statusCode < 200) {
      this.#interimAnswers += 1
      if (this.#interimAnswers > MAX_INTERIM_ANSWERS) throw malformed('too many interim answers')
      // Others take nothing that comes behind it for an answer.
      if (head.isLast) throw malformed('an interim answer that is the last one')
      this.#reader.onInterim(statusCode, rawHeaders)
      return
    }
    const isBodiless = statusCode === 204 || statusCode === 304
    const hasNoBody = isBodiless || asked?.method === 'HEAD'
    this.#keepAliveSeconds = head.keepAliveSeconds
    // What such an answer announces it may well send, and that would be read as the next answer. A 304 may announce
    // what another answer would hold (RFC 9110 §8.6), but nobody can tell whether it means that.
    this.#isLast = head.isLast || (isBodiless && (head.isChunked || (length ?? 0) > 0))
    if (hasNoBody || (length === 0 && !head.isChunked)) {
      this.#reader.onHead(statusCode, rawHeaders)
      this.#finish([])
      return
    }
    if (head.isChunked) this.#state = 'chunk-size'
    else if (length === undefined) {
      this.#state = 'close'
      this.#isLast = true
    } else {
      this.#state = 'length'
      this.#rest = length
    }
    this.#reader.onHead(statusCode, rawHeaders)
  }

  #onTrailers(text: string): void {
    const rawTrailers = fieldsOf(text, 0, (meaning, value) => {
      // RFC 9110 §6.5.1. Parsers that judge such a field as one of the head refuse the answer, or what comes after it.
      if (meaning === 'length' || (meaning === 'coding' && value.toLowerCase() !== 'chunked'))
        throw malformed('a trailer that frames')
      if (meaning === 'coding' || (meaning === 'connection' && saysClose(value))) this.#isLast = true
    })
    this.#finish(rawTrailers)
  }

  #onChunkLine(line: string): void {
    const [, size] = CHUNK_LINE.exec(line) ?? []
    if (size === undefined) throw malformed('a chunk without a size')
    this.#rest = Number.parseInt(size, 16)
    this.#state = this.#rest === 0 ? 'trailers' : 'chunk'
  }

  #readCounted(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#rest)
    this.#rest -= end - at
    this.#reader.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
    if (this.#rest > 0) return end
    if (this.#state === 'chunk') {
      this.#state = 'chunk-end'
      this.#rest = 2
    } else this.#finish([])
    return end
  }

  #readChunkEnd(chunk: Buffer, at: number): number {
    if (chunk[at] !== (this.#rest === 2 ? 0x0d : 0x0a)) throw malformed('a chunk that is longer than its size')
    this.#rest -= 1
    if (this.#rest === 0) this.#state = 'chunk-size'
    return at + 1
  }

  #finish(rawTrailers: readonly string[]): void {
    const reader = this.#reader
    this.#state = 'idle'
    this.#asked = undefined
    this.#reader = NOBODY
    reader.onEnd(rawTrailers)
  }
}

/** Stands in between two answers, when nothing may come. */
const NOBODY: AnswerReader = {
  onInterim() {},
  onHead() {},
  onBody() {},
  onEnd() {},
  onSwitch() {},
}

const CRLF = '\r\n'
const SWITCHING_PROTOCOLS = 101
/** No service that means it well says more than so many digits; more would not fit a number. */
const MAX_LENGTH_DIGITS = 15
const CHUNK_LINE = /^([0-9A-Fa-f]{1,12})(?:;[!#$%&'*+\-.^_`|~\w]+(?:=[!#$%&'*+\-.^_`|~\w]+)?)*$/
/** A version that is not 1.1 is read as 1.0: services say 2.0 where they mean nothing by it. */
const STATUS_LINE = /^HTTP\/(1\.[01]|2\.0) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/
/** RFC 9110 §7.8: in `Connection`. */
const SAYS_UPGRADE = /(?:^|,)[\t ]*upgrade[\t ]*(?:,|$)/i

/** @returns where the lines end, or -1; no trailers at all are an empty line */
function endOfFields(bytes: Buffer, from: number, searchFrom: number, state: State): number {
  if (state === 'trailers' && bytes[from] === 0x0d && bytes[from + 1] === 0x0a) return from
  return bytes.indexOf('\r\n\r\n', searchFrom, 'latin1')
}

type Meaning = 'length' | 'coding' | 'connection' | 'keep-alive' | 'upgrade' | 'other' | 'invalid'

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ['content-length', 'length'],
  ['transfer-encoding', 'coding'],
  ['connection', 'connection'],
  // No RFC has it, but some take it for `Connection`, and whoever sends it means that.
  ['proxy-connection', 'connection'],
  ['keep-alive', 'keep-alive'],
  ['upgrade', 'upgrade'],
])

const meaningOf = boundedMemo<Meaning>(
  name => (isToken(name) ? (MEANINGS.get(name.toLowerCase()) ?? 'other') : 'invalid'),
  { maxEntries: 1000, maxKeyLength: 64 },
)

/** @param notice is told of the fields that mean something here */
function fieldsOf(text: string, start: number, notice: (meaning: Meaning, value: string) => void): readonly string[] {
  const fields: string[] = []
  for (let at = start; at < text.length; ) {
    const found = text.indexOf(CRLF, at)
    const end = found === -1 ? text.length : found
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon > end) throw malformed('a line that is no field')
    const name = text.slice(at, colon)
    const meaning = meaningOf(name)
    if (meaning === 'invalid') throw malformed('a field whose name is no token')
    const value = trimmed(text, colon + 1, end)
    if (!isFieldValue(value)) throw malformed('a control character in a field')
    fields.push(name, value)
    // A tab around `chunked` is allowed, but llhttp takes it for a part of another coding's name.
    if ((meaning === 'length' || meaning === 'coding') && text.slice(colon, end).includes('\t'))
      throw malformed('a tab in a field that frames')
    if (meaning !== 'other') notice(meaning, value)
    at = end + 2
  }
  return fields
}

/** RFC 9112 §5.1: blanks and tabs around a value do not belong to it. */
function trimmed(text: string, start: number, end: number): string {
  let from = start
  let to = end
  while (from < to && isBlank(text.charCodeAt(from))) from += 1
  while (to > from && isBlank(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}

function headOf(text: string): Head {
  const found = text.indexOf(CRLF)
  const lineEnd = found === -1 ? text.length : found
  const [, version, status] = STATUS_LINE.exec(text.slice(0, lineEnd)) ?? []
  if (status === undefined) throw malformed('no status line of HTTP/1.1')
  let length: number | undefined
  let isChunked = false
  let isLast = version !== '1.1'
  let namesProtocol = false
  let isUpgrade = false
  let keepAliveSeconds: number | undefined
  const rawHeaders = fieldsOf(text, lineEnd + 2, (meaning, value) => {
    if (meaning === 'length') {
      if (length !== undefined || !/^\d+$/.test(value) || value.length > MAX_LENGTH_DIGITS)
        throw malformed('Content-Length is not one number')
      length = Number(value)
    } else if (meaning === 'coding') {
      if (isChunked || value.toLowerCase() !== 'chunked') throw malformed('Transfer-Encoding is not chunked')
      isChunked = true
    } else if (meaning === 'keep-alive') {
      const [, seconds] = /(?:^|[,;\s])timeout\s*=\s*"?(\d{1,9})/i.exec(value) ?? []
      if (seconds !== undefined) keepAliveSeconds = Number(seconds)
    } else if (meaning === 'upgrade') namesProtocol ||= value !== ''
    else if (saysClose(value)) isLast = true
    else if (SAYS_UPGRADE.test(value)) isUpgrade = true
  })
  if (isChunked && (length !== undefined || version !== '1.1'))
    throw malformed('Transfer-Encoding where it cannot be, or beside Content-Length')
  const isSwitch = namesProtocol && isUpgrade
  return { statusCode: Number(status), rawHeaders, length, isChunked, isLast, isSwitch, keepAliveSeconds }
}

/** RFC 9112 §9.6. @param value of `Connection` */
function saysClose(value: string): boolean {
  return !/^keep-alive$/i.test(value) && /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i.test(value)
}

function malformed(reason: string): UpstreamFailure {
  return new UpstreamFailure('ANSWER_MALFORMED', reason)
}
