/** Holds the script and the style of the console. The bundle has their text in it: see `texts` in src/build/texts.ts. */
import { readFileSync } from 'node:fs'

export const SCRIPT = readFileSync(new URL('./console.js', import.meta.url), 'utf8')
export const STYLE = readFileSync(new URL('./console.css', import.meta.url), 'utf8')
