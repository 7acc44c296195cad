/** Reads the bytes of a connection with `AnswerParser` and writes down everything that it tells. */
import { AnswerParser } from '../../../src/upstream/answer-parser.ts'
import { UpstreamFailure } from '../../../src/upstream/failure.ts'
import type { Asked } from '../services/asked.ts'

export interface HeadRead {
  readonly statusCode: number
  readonly rawHeaders: readonly string[]
}

/** One answer, with as much of it as was told. */
export interface AnswerRead {
  readonly asked: Asked
  readonly interim: HeadRead[]
  head: HeadRead | undefined
  /** One character per octet. */
  body: string
  rawTrailers: readonly string[]
  /**
   * `whole` by its own framing, `closed` with the connection, `switched` to another protocol, or not over: `refused`
   * and `cut` (the connection ended before).
   */
  ending: 'whole' | 'closed' | 'switched' | 'refused' | 'cut'
  /** The offset of the first byte that does not belong to it; where it is refused, of the byte that was too much. */
  end: number
  isReusable: boolean
  keepAliveSeconds: number | undefined
}

export const MAX_HEAD_BYTES = 65_536

/**
 * Asks for one answer after the other, as long as the connection may be used again.
 *
 * @param cuts the offsets at which the bytes come in two pieces; where an answer ends, they have to, because the next
 *   request is sent in a later turn of the loop. Every offset if left out.
 */
export function readByUs(bytes: Buffer, requests: readonly Asked[], cuts?: readonly number[]): readonly AnswerRead[] {
  const parser = new AnswerParser(MAX_HEAD_BYTES)
  const answers: AnswerRead[] = []
  const ends = cuts === undefined ? undefined : [...new Set(cuts)].filter(at => at < bytes.length).sort((a, b) => a - b)
  let at = 0
  for (const asked of requests) {
    const answer = begun(asked)
    answers.push(answer)
    let isOver = false
    parser.expect(asked, {
      onInterim: (statusCode, rawHeaders) => answer.interim.push({ statusCode, rawHeaders }),
      onHead: (statusCode, rawHeaders) => {
        if (answer.head !== undefined) throw new Error('a second head')
        answer.head = { statusCode, rawHeaders }
      },
      onBody: part => {
        if (answer.head === undefined || isOver) throw new Error('a body outside of an answer')
        if (part.length === 0) throw new Error('an empty part of a body')
        answer.body += part.toString('latin1')
      },
      onEnd: rawTrailers => {
        if (answer.head === undefined || isOver) throw new Error('an end outside of an answer')
        isOver = true
        answer.rawTrailers = rawTrailers
        answer.ending = 'whole'
      },
      onSwitch: (rawHeaders, rest) => {
        isOver = true
        answer.head = { statusCode: 101, rawHeaders }
        answer.ending = 'switched'
        answer.body = rest.toString('latin1')
      },
    })
    try {
      while (at < bytes.length && !isOver) {
        let next = at + 1
        if (ends !== undefined) {
          while (ends.length > 0 && (ends[0] as number) <= at) ends.shift()
          next = ends[0] ?? bytes.length
        }
        // The parser may keep nothing of what it was given, so each piece is wiped once it is read.
        const piece = Buffer.from(bytes.subarray(at, next))
        parser.read(piece)
        piece.fill(0x2a)
        at = next
      }
      if (!isOver) {
        parser.end()
        if (isOver) answer.ending = 'closed'
        else throw new Error('no answer at all, and no complaint')
      }
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error
      answer.ending = error.code === 'ANSWER_CUT' ? 'cut' : 'refused'
    }
    answer.end = at
    answer.isReusable = isOver && answer.ending === 'whole' && parser.isReusable
    answer.keepAliveSeconds = parser.keepAliveSeconds
    if (!answer.isReusable) break
  }
  return answers
}

function begun(asked: Asked): AnswerRead {
  return {
    asked,
    interim: [],
    head: undefined,
    body: '',
    rawTrailers: [],
    ending: 'refused',
    end: 0,
    isReusable: false,
    keepAliveSeconds: undefined,
  }
}
