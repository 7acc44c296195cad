import { expect, test } from 'vitest'
import { coveredMethods, takesMethod } from '../../src/route/methods.ts'

test('a route for GET takes HEAD, and one for HEAD does not take GET', () => {
  expect(takesMethod(new Set(['GET', 'PUT']), 'HEAD')).toBe(true)
  expect(takesMethod(new Set(['HEAD']), 'GET')).toBe(false)
  expect(takesMethod(new Set(['POST']), 'HEAD')).toBe(false)
  expect([...coveredMethods(['PUT', 'GET'])]).toEqual(['PUT', 'GET', 'HEAD'])
  expect([...coveredMethods(['POST'])]).toEqual(['POST'])
})

test('a route that lists no methods takes every one', () => {
  for (const method of ['GET', 'HEAD', 'PROPFIND', 'get']) expect(takesMethod(undefined, method)).toBe(true)
})
