/**
 * Holds the script and the style of the console. Nothing lies beside a bundle, so `texts` in src/build/texts.ts puts
 * their text into it.
 */
import { readFileSync } from 'node:fs'

export const SCRIPT = readFileSync(new URL('./console.js', import.meta.url), 'utf8')
export const STYLE = readFileSync(new URL('./console.css', import.meta.url), 'utf8')
