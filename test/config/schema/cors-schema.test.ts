/** What is wrong within the `cors` of a route is told as it is for the `cors` of the file. */
import { expect, test } from 'vitest'
import { problemsOf, SMALL } from '../support.ts'

const ofRoute = (value: string): readonly string[] => problemsOf(SMALL.replace('/** }', `/**, cors: ${value} }`))

test.each([
  ['{ origins: [null] }', 'routes[0].cors.origins[0]: '],
  ['{ origins: [https://app.example.com/] }', 'routes[0].cors.origins[0]: has more than an origin'],
  ['{ origins: [https://app.example.com], maxAge: 25h }', 'routes[0].cors.maxAge: '],
  ['{ origins: [https://app.example.com], headers: ["*"] }', 'routes[0].cors.headers[0]: does not cover'],
  ['{ origins: [https://app.example.com], maxage: 5m }', 'routes[0].cors.maxage: '],
  ['{}', 'routes[0].cors.origins: '],
  ['no', 'routes[0].cors: must be a block, or `off`'],
])('cors: %s', (value, problem) => {
  const problems = ofRoute(value)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain(problem)
})
