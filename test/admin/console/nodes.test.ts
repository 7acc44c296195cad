import { expect, test } from 'vitest'
import { html, node } from '../../../src/admin/console/nodes.ts'

test('HTML of a tree has what is text as text, in attributes, too', () => {
  const tree = node(
    'p',
    { title: `"'><script>`, class: undefined },
    '</p><img src=x onerror=alert(1)>',
    node('b', {}, 'a & b'),
  )
  expect(html(tree)).toBe(
    '<p title="&#34;&#39;&#62;&#60;script&#62;">&#60;/p&#62;&#60;img src=x onerror=alert(1)&#62;<b>a &#38; b</b></p>',
  )
})

test('what nobody sees, and what turns the direction of text round, is shown by its number', () => {
  expect(node('p', { title: '\u202e' }, '\u202egpj.exe \u001b[31m\u200b\u0000')).toEqual([
    'p',
    { title: '\\u{202e}' },
    '\\u{202e}gpj.exe \\u{1b}[31m\\u{200b}\\u{0}',
  ])
})

test('the lines of a text stay lines', () => {
  expect(node('pre', {}, 'one\ntwo')).toEqual(['pre', {}, 'one\ntwo'])
})
