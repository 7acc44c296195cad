/**
 * Drives the parser of Node's own HTTP client, llhttp, without a socket: bytes go in, and what it reads comes out.
 *
 * It is as strict as it can be: no leniency is on. What the embedder has to tell it, that an answer to HEAD has no body
 * and that an interim answer is none, is told as Node's client tells it.
 */
import { createRequire } from 'node:module'
import type { HeadRead } from './our-reading.ts'

interface NativeParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenientFlags: number): void
  /** @returns how many bytes it has read, or an error */
  execute(bytes: Buffer): number | Error
  finish(): Error | undefined
  close(): void
  [callback: number]: unknown
}

interface NativeParserClass {
  new (): NativeParser
  readonly REQUEST: number
  readonly RESPONSE: number
  readonly kOnMessageBegin: number
  readonly kOnHeaders: number
  readonly kOnHeadersComplete: number
  readonly kOnBody: number
  readonly kOnMessageComplete: number
  readonly kLenientNone: number
}

const { HTTPParser } = createRequire(import.meta.url)('node:_http_common') as { HTTPParser: NativeParserClass }
const MAX_HEADER_BYTES = 1_048_576
/** What the embedder answers to a head: read on, there is no body, there is another protocol. */
const READ_ON = 0
const NO_BODY = 1
const OTHER_PROTOCOL = 2

export interface MessageRead {
  head: HeadRead | undefined
  requestLine: string
  body: string
  rawTrailers: readonly string[]
  isComplete: boolean
  isUpgrade: boolean
  keepsAlive: boolean
}

export interface NodeParser {
  /** The messages so far, the one under way included. */
  readonly messages: readonly MessageRead[]
  /** Bytes behind the end of an answer are read as the next one. @returns how many were read, or why not */
  read(bytes: Buffer): number | Error
  /** The other side has closed. */
  end(): Error | undefined
  close(): void
}

/** @param methodOf says which method the answer with that number is for, interim answers not counted */
export function nodeAnswerParser(methodOf: (answer: number) => string): NodeParser {
  let finalAnswers = 0
  return nodeParser(HTTPParser.RESPONSE, message => {
    const statusCode = message.head?.statusCode ?? 0
    if (message.isUpgrade) return OTHER_PROTOCOL
    if (statusCode < 200) return NO_BODY
    const method = methodOf(finalAnswers)
    finalAnswers += 1
    return method === 'HEAD' || statusCode === 304 ? NO_BODY : READ_ON
  })
}

export function nodeRequestParser(): NodeParser {
  return nodeParser(HTTPParser.REQUEST, message => (message.isUpgrade ? OTHER_PROTOCOL : READ_ON))
}

function nodeParser(type: number, onHead: (message: MessageRead) => number): NodeParser {
  const messages: MessageRead[] = []
  const parser = new HTTPParser()
  parser.initialize(type, {}, MAX_HEADER_BYTES, HTTPParser.kLenientNone)
  let fields: string[] = []
  let message = noMessage()
  parser[HTTPParser.kOnMessageBegin] = () => {
    message = noMessage()
    messages.push(message)
    fields = []
  }
  // Fields come here if there are many of them, and as trailers.
  parser[HTTPParser.kOnHeaders] = (rawHeaders: readonly string[], url: string) => {
    fields.push(...rawHeaders)
    message.requestLine += url
  }
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    rawHeaders: readonly string[] | undefined,
    method: number | undefined,
    url: string | undefined,
    statusCode: number | undefined,
    _statusMessage: string,
    isUpgrade: boolean,
    keepsAlive: boolean,
  ) => {
    message.head = { statusCode: statusCode ?? 0, rawHeaders: [...fields, ...(rawHeaders ?? [])] }
    fields = []
    message.requestLine = `${method ?? ''} ${message.requestLine}${url ?? ''}`
    message.isUpgrade = isUpgrade
    message.keepsAlive = keepsAlive
    return onHead(message)
  }
  parser[HTTPParser.kOnBody] = (part: Buffer) => {
    message.body += part.toString('latin1')
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    message.isComplete = true
    message.rawTrailers = fields
    fields = []
  }
  return {
    messages,
    read: bytes => parser.execute(bytes),
    end: () => parser.finish(),
    close: () => parser.close(),
  }
}

function noMessage(): MessageRead {
  return {
    head: undefined,
    requestLine: '',
    body: '',
    rawTrailers: [],
    isComplete: false,
    isUpgrade: false,
    keepsAlive: false,
  }
}
