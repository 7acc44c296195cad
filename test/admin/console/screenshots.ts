/**
 * Takes the pictures of the console that the documents show: `node test/admin/console/screenshots.ts` starts a gateway
 * that refuses requests of many kinds, and Chromium, and writes into `src/admin/console/screenshots/`.
 */
import { mkdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { BROWSER_PROGRAM, ensureBrowserPrograms } from '../../support/services/browser-programs.ts'
import { startDrivenGateway } from './driven.ts'

const FOLDER = fileURLToPath(new URL('../../../src/admin/console/screenshots/', import.meta.url))

/** So long that the bars of the last minutes have some shape. */
const ROUNDS = 6
const ROUND_MS = 15_000

const DESK = { width: 1120, height: 1008 }
const PICTURES = [
  { name: 'light', colorScheme: 'light', viewport: DESK },
  { name: 'dark', colorScheme: 'dark', viewport: DESK },
  { name: 'phone', colorScheme: 'light', viewport: { width: 375, height: 1200 } },
] as const

await ensureBrowserPrograms()
mkdirSync(FOLDER, { recursive: true })
const gateway = await startDrivenGateway({ serviceMs: 25, host: 'api.example.com' })
const browser = await chromium.launch({ executablePath: BROWSER_PROGRAM, chromiumSandbox: false })
try {
  await gateway.reject()
  for (let round = 0; round < ROUNDS; round++) {
    await gateway.pass(40 + 30 * (round % 3))
    for (let times = 0; times <= round % 4; times++) await gateway.drive('unevenly')
    await pause(ROUND_MS)
  }
  await gateway.drive('unevenly')
  await gateway.repeat(6)
  for (const { name, ...options } of PICTURES) {
    const page = await browser.newPage({ ...options, reducedMotion: 'reduce' })
    await page.goto(`${gateway.adminUrl}/-/`)
    await page.waitForFunction("document.title.startsWith('Sallyport:')")
    await page.screenshot({ path: `${FOLDER}${name}.png` })
    await page.close()
  }
} finally {
  await browser.close()
  await gateway.close()
}
