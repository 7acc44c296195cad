/** Frames end where RFC 6455 §5.2 says, however the bytes are cut. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as ws from 'ws'
import { closeFrame, FrameBoundaries, maskedCloseFrame } from '../../src/forward/websocket-frames.ts'

/** The `ws` package reads and writes frames with these; its types do not show them. */
const { Sender, Receiver } = ws as unknown as {
  readonly Sender: { frame(payload: Buffer, options: object): Buffer[] }
  readonly Receiver: new (options: object) => NodeJS.WritableStream
}

function frame(payload: Buffer, mask: boolean): Buffer {
  return Buffer.concat(Sender.frame(payload, { fin: true, opcode: 2, mask, rsv1: false, readOnly: true }))
}

const frames = fc.array(
  fc.record({
    bytes: fc.oneof(fc.nat(130), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000)),
    mask: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
)

describe('boundaries', () => {
  test('are found whatever the frames and wherever the chunks are cut', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(), { maxLength: 12 }), (list, cuts) => {
        const wire = list.map(({ bytes, mask }) => frame(Buffer.alloc(bytes, 0xff), mask))
        const ends = new Set([0])
        let at = 0
        for (const each of wire) {
          at += each.length
          ends.add(at)
        }
        const all = Buffer.concat(wire)
        const positions = [...new Set([...cuts.map(cut => cut % (all.length + 1)), all.length])].sort((a, b) => a - b)
        const boundaries = new FrameBoundaries()
        let from = 0
        for (const to of positions) {
          boundaries.pass(all.subarray(from, to))
          expect(boundaries.isBetweenFrames).toBe(ends.has(to))
          from = to
        }
      }),
    )
  })

  test('the end of the frame under way is found in the chunk that brings it', () => {
    fc.assert(
      fc.property(frames, fc.nat(), (list, cut) => {
        const wire = list.map(({ bytes, mask }) => frame(Buffer.alloc(bytes, 0xff), mask))
        const all = Buffer.concat(wire)
        const at = cut % all.length
        let end = 0
        for (const each of wire) {
          if (end >= at) break
          end += each.length
        }
        const boundaries = new FrameBoundaries()
        boundaries.pass(all.subarray(0, at))
        expect(boundaries.finish(all.subarray(at))).toBe(end - at)
        expect(boundaries.isBetweenFrames).toBe(true)
      }),
    )
  })

  test('a frame of the largest length there is has no end', () => {
    const boundaries = new FrameBoundaries()
    boundaries.pass(Buffer.from([0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4]))
    boundaries.pass(Buffer.alloc(1_000_000))
    expect(boundaries.isBetweenFrames).toBe(false)
  })
})

describe('a Close', () => {
  test.each([
    ['of a server', closeFrame, false],
    ['of a client', maskedCloseFrame, true],
  ])('%s is understood by the other end', async (_name, make, isServer) => {
    const receiver = new Receiver({ isServer })
    const concluded = new Promise<[number, Buffer]>((resolve, reject) => {
      receiver.on('conclude', (code: number, reason: Buffer) => resolve([code, reason]))
      receiver.on('error', reject)
    })
    receiver.write(make({ code: 1008, reason: 'grüße' }))
    const [code, reason] = await concluded
    expect([code, reason.toString()]).toEqual([1008, 'grüße'])
  })
})
