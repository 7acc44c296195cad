/** Holds `src/README.md` to the code: it lists every room, its pictures name files that exist, and every refusal. */
import { expect, test } from 'vitest'
import { DENIAL_CODES } from '../../src/errors.ts'
import { roomOf } from '../support/rooms.ts'
import { filesIn, readSources } from '../support/sources.ts'
import { type Block, codes, documentAt, tableOf } from './markdown.ts'

const HOUSE = documentAt('src/README.md')

const pictures = HOUSE.blocks.filter(({ info }) => info === 'text')

test('its table of rooms has every room that is no part of another, and no other', () => {
  const listed = tableOf('Room').rows.flatMap(([names = '']) => codes(names))
  const rooms = new Set(readSources('src').map(({ path }) => roomOf(path).split('/')[0]))
  expect(listed.map(name => name.replace(/\/$|\.ts$/, '')).toSorted()).toEqual([...rooms].toSorted())
})

test('the life of a request has every refusal at least once, and no other', () => {
  const words = wordsOf(pictureUnder('The life of a request'))
  expect(DENIAL_CODES.filter(code => !words.includes(code))).toEqual([])
  // A word with an underscore can only be a code.
  expect(words.filter(word => word.includes('_') && !DENIAL_CODES.some(code => code === word))).toEqual([])
})

test('its pictures name files and folders that exist', () => {
  const files = filesIn('src').map(path => `/${path}`)
  const named = pictures.flatMap(({ text }) => [...text.matchAll(/[\w/-]+(?:\.ts|\/(?!\w))/g)].map(([name]) => name))
  expect(named.length).toBeGreaterThan(20)
  expect(
    named.filter(name => !files.some(file => file.endsWith(`/${name}`) || file.startsWith(`/src/${name}`))),
  ).toEqual([])
})

function pictureUnder(heading: string): Block {
  const [, section = ''] = HOUSE.text.split(`\n## ${heading}\n`)
  const picture = pictures.find(({ text }) => section.trimStart().includes(text))
  if (picture === undefined) throw new Error(`there is no picture under ${heading}`)
  return picture
}

function wordsOf({ text }: Block): readonly string[] {
  return text.match(/\w+/g) ?? []
}
