/** Tests the times of conditions: what may be written, and the parts of an instant in any zone. */

import { afterEach, describe, expect, test } from 'vitest'
import { readCondition } from '../../src/condition/condition.ts'

const { TZ } = process.env
afterEach(() => {
  if (TZ === undefined) delete process.env.TZ
  else process.env.TZ = TZ
})

function judged(text: string, now = '2027-06-01T12:00:00Z'): unknown {
  const condition = readCondition(text, { parameters: [] })
  return 'message' in condition ? condition.message : condition.judge({ now: new Date(now) })
}

describe.each([undefined, 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata'])('in a process of the zone %s', zone => {
  test.each([
    // Clocks go forward from 2:00 to 3:00, so 2:30 is an hour that a process of that zone does not have.
    ['2027-03-28T02:30:00Z', 'now.getHours() == 2 && now.getMinutes() == 30'],
    ['2027-03-28T00:59:59Z', 'now.getHours("Europe/Berlin") == 1 && now.getSeconds("Europe/Berlin") == 59'],
    ['2027-03-28T01:00:00Z', 'now.getHours("Europe/Berlin") == 3'],
    ['2027-10-31T00:30:00Z', 'now.getHours("Europe/Berlin") == 2'],
    ['2027-10-31T01:30:00Z', 'now.getHours("Europe/Berlin") == 2'],
    ['2027-03-14T07:30:00Z', 'now.getHours("Europe/London") == 7 && now.getHours("America/New_York") == 3'],
    ['2027-03-28T02:30:00Z', 'now.getHours("Asia/Kolkata") == 8 && now.getMinutes("Asia/Kolkata") == 0'],
    ['2027-07-01T00:00:00Z', 'now.getDayOfYear() == 181 && now.getDayOfYear("Europe/Berlin") == 181'],
    ['2027-12-31T23:30:00Z', 'now.getFullYear() == 2027 && now.getFullYear("Europe/Berlin") == 2028'],
    ['2027-12-31T23:30:00Z', 'now.getDayOfYear("Europe/Berlin") == 0 && now.getMonth("Europe/Berlin") == 0'],
    ['2027-12-31T23:30:00Z', 'now.getDate() == 31 && now.getDayOfMonth() == 30 && now.getDayOfWeek() == 5'],
    ['2027-06-01T22:00:00Z', 'now.getHours("Europe/Berlin") == 0'],
  ])('at %s it holds that %s', (now, text) => {
    if (zone !== undefined) process.env.TZ = zone
    expect(judged(text, now)).toBe(true)
  })
})

test.each([
  'now - timestamp("2027-05-31T12:00:00Z") == duration("24h")',
  'timestamp("2027-05-31T12:00:00Z") + duration("24h") == now',
  'now - duration("1h30m") == timestamp("2027-06-01T12:30:00+02:00")',
  'duration("90m") > duration("1h") && duration("1h30m").getHours() == 1 && duration("1h30m").getMinutes() == 90',
  'timestamp("2028-02-29T23:59:59.999Z") > now',
])('it holds that %s', text => {
  expect(judged(text)).toBe(true)
})

test.each([
  '2027-02-29T00:00:00Z',
  '2027-02-30T00:00:00Z',
  '2027-04-31T00:00:00Z',
  '2027-01-01T24:00:00Z',
  '2027-01-01',
])('%s is no instant', text => {
  expect(judged(`now < timestamp("${text}")`)).toContain('must be an instant')
})
