/** Tests what hostile claims are to a condition: no member but their own, one order of texts. */
import { expect, test } from 'vitest'
import { readCondition } from '../../src/condition/condition.ts'

function judged(text: string, claims: unknown): unknown {
  const condition = readCondition(text, { parameters: ['x'] })
  return 'message' in condition ? condition.message : condition.judge({ claims, params: { x: '1' } })
}

test.each([
  ['claims.a == claims.b', '{"a": {"__proto__": {}}, "b": {"c": 1}}', false],
  ['claims.a == claims.b', '{"a": {"toString": 1}, "b": {"c": 1}}', false],
  ['claims.a == 1', '{"a": 1, "constructor": null}', true],
  ['claims.a.c == 1', '{"a": {"c": 1, "constructor": 5}}', true],
  ['claims.a == claims.b', '{"a": {"constructor": 5}, "b": {"constructor": 5}}', true],
  ['has(claims.a.constructor) || has(claims.a.__proto__) || "valueOf" in claims.a', '{"a": {}}', false],
  ['has(claims.a) && claims.a == null', '{"a": null}', true],
  ['has(claims.a.b)', '{"a": null}', false],
  ['claims.a["1"] == 5 && claims.a[params.x] == 5', '{"a": {"1": 5}}', true],
  ['claims.a[0] == 5', '{"a": [5]}', true],
  ['claims.a[0] == null', '{"a": [null]}', true],
  ['claims.a == 9007199254740991 || claims.b == 9007199254740991', '{"a": 9007199254740993, "b": 1}', false],
  ['string(claims.a) == "9007199254740991" && string(claims.b) == "0"', '{"a": 9007199254740991, "b": -0}', true],
  ['claims.a == 1 && claims.b < 2', '{"a": 1.0, "b": 1.9999}', true],
  ['claims.a < claims.b', '{"a": "\\uffff", "b": "\\ud83d\\ude00"}', true],
  ['size(claims.a) == 2', '{"a": "\\ud83d\\ude00b"}', true],
  ['claims.a || claims.b', '{"a": "x", "b": true}', true],
  ['!(claims.a && claims.b)', '{"b": false}', true],
  ['claims.a.exists(x, x.y == 1)', '{"a": [3, null, {"y": 1}]}', true],
  ['claims.a.all(x, x.y == 1)', '{"a": [3, {"y": 2}]}', false],
])('%s of %s is %s', (text, json, expected) => {
  expect(judged(text, JSON.parse(json))).toBe(expected)
})

test.each([
  ['claims.a[1] == 5', '{"a": {"1": 5}}', 'no_such_key'],
  ['claims.a[5] == 5', '{"a": [5]}', 'no_such_key'],
  ['claims.a["0"] == 5', '{"a": [5]}', 'no_such_key'],
  ['claims.a || claims.b', '{"b": false}', 'no_such_key'],
  ['claims.a && claims.b == 1', '{"a": "true", "b": 1}', 'no_such_overload'],
  ['claims.a ? true : true', '{"a": 1}', 'no_such_overload'],
  ['claims.a.exists_one(x, x.y == 1)', '{"a": [{"y": 1}, 3]}', 'no_such_key'],
  ['claims.a.exists(x, x.y == 1)', '{"a": [3]}', 'no_such_key'],
  ['string(claims.a) == "9007199254740992"', '{"a": 9007199254740993}', 'no_such_overload'],
  ['string(claims.a) == "-1e+400"', '{"a": -1e400}', 'no_such_overload'],
])('%s of %s is an error: %s', (text, json, error) => {
  expect(judged(text, JSON.parse(json))).toMatchObject({ error })
})

test.each(['claims.a[claims.b] == 1', 'claims.a[true] == 1', 'claims.a[1.0] == 1', 'claims.a[null] == 1'])(
  '%s is not accepted',
  text => {
    expect(judged(text, {})).toContain('is looked up by what may be no text')
  },
)
