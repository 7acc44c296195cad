import { describe, expect, test } from 'vitest'
import { fittedTable } from '../../../src/tools/text/fitted-table.ts'

const ROWS = [
  ['ROUTE', 'PATH', 'REQUIRE'],
  ['orders-write', '/orders/:id', 'scopes orders:write; role editor or admin'],
  ['health', '/healthz', '-'],
]
const widest = (lines: readonly string[]): number => Math.max(...lines.map(line => line.length))

describe('a table that fits', () => {
  test('is one line a row', () => {
    expect(fittedTable(ROWS, 80)).toEqual([
      'ROUTE         PATH         REQUIRE',
      'orders-write  /orders/:id  scopes orders:write; role editor or admin',
      'health        /healthz     -',
    ])
  })

  test('wraps its last column where the terminal ends, below itself', () => {
    expect(fittedTable(ROWS, 50)).toEqual([
      'ROUTE         PATH         REQUIRE',
      'orders-write  /orders/:id  scopes orders:write;',
      '                           role editor or admin',
      'health        /healthz     -',
    ])
  })

  test('has the last column on lines of its own where it would be too narrow', () => {
    expect(fittedTable(ROWS, 30)).toEqual([
      'ROUTE         PATH',
      '    REQUIRE',
      'orders-write  /orders/:id',
      '    scopes orders:write; role',
      '    editor or admin',
      'health        /healthz',
    ])
  })

  test.each([20, 12, 1])('stays within %i columns as far as its words do', width => {
    const longestWord = 'orders:write;'.length + 4
    expect(widest(fittedTable(ROWS, width))).toBeLessThanOrEqual(Math.max(width, longestWord))
  })
})

test('a URL is never broken', () => {
  const url = `http://127.0.0.1:4000/${'x'.repeat(60)}`
  expect(fittedTable([['issuer', `${url} (tokens)`]], 40).join('\n')).toContain(url)
})
