/** When many clients connect at one moment, requests wait until they are in, and for no longer than that. */
import { EventEmitter } from 'node:events'
import { createServer, type Server } from 'node:http'
import { Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { burst } from '../../src/downstream/burst.ts'
import { manualTime } from '../support/manual-time.ts'

const time = manualTime()
let server: Server
let served: string[]
let ask: (name: string, socket?: Socket) => void

beforeEach(() => {
  server = createServer()
  served = []
  const arrivals = burst(time)
  arrivals.add(server)
  const listener = arrivals.gate((request: { socket: Socket; name: string }) => void served.push(request.name))
  ask = (name, socket = new Socket()) => listener({ socket, name }, undefined)
})

/** Each turn brings a connection, and then what else there is to do in it. */
async function turns(count: number, inEach: (turn: number) => void = () => {}): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    server.emit('connection', new EventEmitter())
    inEach(turn)
    await nextTurn()
  }
}

describe('a request', () => {
  test('is served at once while nobody connects, and while a client opens a few connections', async () => {
    ask('first')
    expect(served).toEqual(['first'])
    await turns(2, turn => {
      ask(String(turn))
      expect(served.at(-1)).toBe(String(turn))
    })
  })

  test('waits while every turn brings another connection, and is served in the first that brings none', async () => {
    await turns(10, turn => ask(String(turn)))
    expect(served).toEqual(['0', '1', '2'])
    await nextTurn()
    expect(served).toEqual(Array.from({ length: 10 }, (_, turn) => String(turn)))
    ask('after')
    expect(served.at(-1)).toBe('after')
  })

  test('waits for a hundred connections and no more, however many come', async () => {
    let longest = 0
    await turns(1_000, turn => {
      ask(String(turn))
      longest = Math.max(longest, turn + 1 - served.length)
    })
    expect(longest).toBeGreaterThan(50)
    expect(longest).toBeLessThanOrEqual(100)
    await nextTurn()
    expect(served.length).toBe(1_000)
  })

  test('waits for 50 ms and no longer, however few connections come in that time', async () => {
    await turns(5, () => ask('waiting'))
    await time.advance(50)
    await turns(1)
    expect(served.length).toBe(5)
  })

  test('of a client who has left is not served', async () => {
    const [left, stayed] = [new Socket(), new Socket()]
    await turns(5)
    ask('left', left)
    ask('stayed', stayed)
    left.destroy()
    await nextTurn()
    await nextTurn()
    expect(served).toEqual(['stayed'])
  })
})
