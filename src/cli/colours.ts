/** Colours as the terminal and its user want them: Node's `styleText` knows `NO_COLOR`, `FORCE_COLOR` and no terminal. */
import { styleText } from 'node:util'
import type { Paint } from '../tools/text/paint.ts'

export const colours: Paint = (style, text) => styleText(style, text, { stream: process.stdout })
