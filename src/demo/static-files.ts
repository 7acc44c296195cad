/**
 * Holds the text of the pages and of the configuration of the demo. Nothing lies beside a bundle, so `texts` in
 * src/build/texts.ts puts their text into it.
 */
import { readFileSync } from 'node:fs'

/** The configuration with which `sallyport dev` shows what the gateway does. */
export const DEMO_CONFIG = readFileSync(new URL('../../config/demo.yaml', import.meta.url), 'utf8')

export const STYLE = readFileSync(new URL('./pages/pages.css', import.meta.url), 'utf8')
export const HOME_SCRIPT = readFileSync(new URL('./pages/home.js', import.meta.url), 'utf8')
export const HOME = readFileSync(new URL('./pages/home.html', import.meta.url), 'utf8')
export const GOODBYE = readFileSync(new URL('./pages/goodbye.html', import.meta.url), 'utf8')
export const SIGN_IN = readFileSync(new URL('./pages/sign-in.html', import.meta.url), 'utf8')
