/**
 * Holds what `AnswerParser` read against what Node's own parser, and undici's client, read in the same bytes.
 *
 * What ours takes, the judge must take and read the same: interim answers, status, fields, body, trailers, and the byte
 * at which the answer ends. Where ours would use the connection again, the judge must go on to the next answer. What
 * ours refuses is no disagreement; but what it told before it refused must be right, too, as a client may have it by
 * then.
 */
import assert from 'node:assert/strict'
import type { Asked } from '../services/asked.ts'
import { type MessageRead, type NodeParser, nodeAnswerParser } from './node-parser.ts'
import { type AnswerRead, readByUs } from './our-reading.ts'
import type { UndiciJudge } from './undici-judge.ts'

/** How much was seen, so that a test can tell that it has compared something. */
export interface Tally {
  inputs: number
  /** Answers that both took, and that were over. */
  agreed: number
  /** Answers after which the connection may be used again. */
  reusable: number
  chunked: number
  closed: number
  switched: number
  interim: number
  trailers: number
  refused: number
  cut: number
}

export function newTally(): Tally {
  return {
    inputs: 0,
    agreed: 0,
    reusable: 0,
    chunked: 0,
    closed: 0,
    switched: 0,
    interim: 0,
    trailers: 0,
    refused: 0,
    cut: 0,
  }
}

const NEXT_ANSWER = Buffer.from('HTTP/1.1 299 Next\r\nContent-Length: 2\r\n\r\nok')

/** @throws {assert.AssertionError} a disagreement */
export function assertNodeAgrees(bytes: Buffer, requests: readonly Asked[], tally: Tally): readonly AnswerRead[] {
  const answers = readByUs(bytes, requests)
  tally.inputs += 1
  const judge = nodeAnswerParser(answer => requests[answer]?.method ?? 'GET')
  try {
    let from = 0
    let seen = 0
    for (const answer of answers) {
      assertAnswer(judge, bytes, answer, from, seen)
      seen += answer.interim.length + 1
      from = answer.end
      count(tally, answer)
    }
    if (answers.at(-1)?.isReusable) assertGoesOn(judge)
  } finally {
    judge.close()
  }
  return answers
}

/**
 * Holds the first answer alone against the judge.
 *
 * @throws {assert.AssertionError} a disagreement
 */
export async function assertUndiciAgrees(judge: UndiciJudge, bytes: Buffer, asked: Asked, tally: Tally): Promise<void> {
  tally.inputs += 1
  const [answer] = readByUs(bytes, [asked])
  if (answer === undefined || answer.ending === 'refused' || answer.ending === 'cut') return
  // It refuses a 100 that it did not ask for. That decision is not one about how to read.
  if (answer.interim.some(({ statusCode }) => statusCode === 100)) return
  const { ending, end, head, interim, isReusable, keepAliveSeconds } = answer
  const reading = await judge.read(bytes.subarray(0, end), asked, ending === 'closed' ? 'close' : 'wait')
  assert.equal(reading.error, undefined, `the judge refuses what we take: ${reading.error?.message}`)
  assert.deepEqual(reading.interim, interim)
  assert.deepEqual(reading.head, head)
  const isSwitch = ending === 'switched'
  assert.equal(reading.isUpgrade, isSwitch, 'one of the two sees a switch of protocols')
  assert.equal(reading.isComplete, !isSwitch, 'the judge sees no end')
  assert.equal(reading.body, isSwitch ? '' : answer.body)
  assert.deepEqual(reading.rawTrailers, answer.rawTrailers)
  // It heeds a hint of `Keep-Alive` at once, which ours leaves to the pool. It never uses the connection of a declined
  // upgrade again, nor most of those of HEAD, where llhttp misses the length of a body that does not come.
  if (isReusable && keepAliveSeconds === undefined && asked.upgrade === null && asked.method !== 'HEAD')
    assert.equal(reading.isReused, true, 'the judge closes the connection')
  count(tally, answer)
}

/**
 * Holds what was read one byte at a time against what is read in pieces.
 *
 * @param offsets where the pieces end, besides the ends of answers
 * @throws {assert.AssertionError} a disagreement
 */
export function assertPiecesAgree(
  bytes: Buffer,
  requests: readonly Asked[],
  answers: readonly AnswerRead[],
  offsets: readonly number[],
): void {
  const ends = answers.filter(({ ending }) => ending === 'whole').map(({ end }) => end)
  const inPieces = readByUs(bytes, requests, [...offsets, ...ends])
  assert.deepEqual(inPieces.map(withoutPosition), answers.map(withoutPosition))
}

/** Where an answer is refused depends on the pieces, and with it where it ends; what is told before does not. */
function withoutPosition({ end, body, ending, ...rest }: AnswerRead) {
  if (ending === 'whole' || ending === 'closed') return { ...rest, ending, end, body }
  // Bytes behind a switch are handed on with the head only if they came with it.
  return ending === 'switched' ? { ...rest, ending } : { ...rest, ending, body }
}

function assertAnswer(judge: NodeParser, bytes: Buffer, answer: AnswerRead, from: number, seen: number): void {
  const { ending, end, head } = answer
  if (ending === 'refused' || ending === 'cut') {
    if (head === undefined) return
    judge.read(bytes.subarray(from, end))
    assertSame(judge.messages.slice(seen), answer)
    return
  }
  assertReads(judge, bytes.subarray(from, end - 1))
  assert.equal(judge.messages[seen + answer.interim.length]?.isComplete ?? false, false, 'the judge sees an end before')
  assertReads(judge, bytes.subarray(end - 1, end))
  const messages = judge.messages.slice(seen)
  assert.equal(messages.length, answer.interim.length + 1, 'the judge sees another number of answers')
  const message = messages.at(-1)
  if (ending === 'closed') {
    assert.equal(message?.isComplete, false, 'the judge sees an end before that of the connection')
    assert.ok(
      !(judge.end() instanceof Error),
      'the judge does not take the end of the connection for that of the answer',
    )
  }
  assert.equal(message?.isComplete, true, 'the judge sees no end')
  assert.equal(message?.isUpgrade, ending === 'switched', 'one of the two sees a switch of protocols')
  assertSame(messages, answer)
  // llhttp says this before it is told that an answer to HEAD has no body, so that one which does not say how long the
  // body would be seems to end with the connection. That it goes on nevertheless is asserted by what comes next.
  if (answer.isReusable && answer.asked.method !== 'HEAD')
    assert.equal(message?.keepsAlive, true, 'the judge would close the connection')
}

function assertReads(judge: NodeParser, bytes: Buffer): void {
  const read = judge.read(bytes)
  if (read instanceof Error)
    assert.fail(`the judge refuses what we take: ${(read as Error & { reason?: string }).reason}`)
  assert.equal(read, bytes.length, 'the judge stops before the end')
}

function assertSame(messages: readonly MessageRead[], answer: AnswerRead): void {
  const heads = answer.head === undefined ? answer.interim : [...answer.interim, answer.head]
  assert.deepEqual(
    messages.slice(0, heads.length).map(({ head }) => head),
    heads,
  )
  const last = messages[heads.length - 1]
  // After a switch of protocols the bytes are no body, and both leave them alone.
  assert.equal(last?.body, answer.ending === 'switched' ? '' : answer.body)
  assert.deepEqual(last?.rawTrailers, answer.rawTrailers)
}

/** Nothing is left over, and nothing has ended the connection: what comes next is the next answer. */
function assertGoesOn(judge: NodeParser): void {
  assertReads(judge, NEXT_ANSWER)
  const next = judge.messages.at(-1)
  assert.equal(next?.head?.statusCode, 299, 'the judge does not take the next answer for one')
}

function count(tally: Tally, { ending, head, interim, isReusable, rawTrailers }: AnswerRead): void {
  if (ending === 'refused' || ending === 'cut') {
    tally[ending] += 1
    return
  }
  tally.agreed += 1
  if (isReusable) tally.reusable += 1
  if (ending !== 'whole') tally[ending] += 1
  else if (head?.rawHeaders.some(text => text.toLowerCase() === 'chunked')) tally.chunked += 1
  if (interim.length > 0) tally.interim += 1
  if (rawTrailers.length > 0) tally.trailers += 1
}
