/** Keeps the console up to date: asks for the view every two seconds, and draws what has changed of it. */

const ASK_MS = 2_000
const LONGEST_PAUSE_MS = 15_000
const LONGEST_ANSWER_MS = 10_000
/** So many lines of refusals are shown at first. */
const FIRST_SHOWN = 20

const SVG = 'http://www.w3.org/2000/svg'
const OF_SVG = new Set(['svg', 'rect', 'path'])
/** The attributes that this script or a person sets, which no view takes back. */
const OWN_ATTRIBUTES = new Set(['hidden', 'title', 'aria-current', 'open'])

const root = document.documentElement
const element = id => document.getElementById(id)

/** The parts as they were drawn last, by their ids: each with the mark by which the server knows it. */
const marks = new Map()
/** By how much the clock of the gateway is ahead of this one. */
let aheadMs = 0
let failures = 0
let lostAt
let isPaused = false
let isAsking = false
let filter
let isShowingAll = false
let timer

// Drawing

function made(tree) {
  if (typeof tree === 'string') return document.createTextNode(tree)
  const [tag, attributes, ...children] = tree
  const fresh = OF_SVG.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) fresh.setAttribute(name, value)
  fresh.append(...children.map(made))
  return fresh
}

/** Makes an element what the tree says, and touches nothing that is so already: selections and places stay. */
function patch(old, tree) {
  if (typeof tree === 'string') {
    if (old.data !== tree) old.data = tree
    return
  }
  const [tag, attributes, ...children] = tree
  const isSameMoment = tag === 'time' && old.getAttribute('datetime') === attributes.datetime
  for (const [name, value] of Object.entries(attributes))
    if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  for (const name of old.getAttributeNames())
    if (!(name in attributes) && !OWN_ATTRIBUTES.has(name)) old.removeAttribute(name)
  if (!isSameMoment && attributes['data-own'] === undefined) patchChildren(old, children)
}

function patchChildren(parent, trees) {
  const wanted = new Set(trees.map(keyOf).filter(key => key !== undefined))
  const keyed = [...parent.children].filter(({ dataset }) => dataset.key !== undefined)
  const known = new Map(keyed.map(child => [child.dataset.key, child]))
  const fresh = trees.filter(tree => kindOf(tree) !== undefined && !known.has(keyOf(tree)))
  for (const child of keyed) {
    if (wanted.has(child.dataset.key)) continue
    // The refusal that named a block may be forgotten, and the block stays.
    const at = fresh.findIndex(tree => kindOf(tree) === child.dataset.kind)
    if (at === -1) child.remove()
    else known.set(keyOf(fresh.splice(at, 1)[0]), child)
  }
  let next = parent.firstChild
  for (const tree of trees) {
    const key = keyOf(tree)
    const old = key !== undefined ? known.get(key) : isAlike(next, tree) ? next : undefined
    if (old === undefined) parent.insertBefore(made(tree), next)
    else {
      if (old === next) next = next.nextSibling
      else parent.insertBefore(old, next)
      patch(old, tree)
    }
  }
  while (next !== null) {
    const gone = next
    next = next.nextSibling
    gone.remove()
  }
}

function keyOf(tree) {
  return typeof tree === 'string' ? undefined : tree[1]['data-key']
}

function kindOf(tree) {
  return typeof tree === 'string' ? undefined : tree[1]['data-kind']
}

function isAlike(old, tree) {
  if (old === null) return false
  if (typeof tree === 'string') return old.nodeType === Node.TEXT_NODE
  return old.nodeType === Node.ELEMENT_NODE && old.localName === tree[0] && old.dataset.key === undefined
}

// Times

function agoText(ms) {
  const seconds = Math.round(Math.abs(ms) / 1_000)
  const text =
    seconds < 100
      ? `${seconds} s`
      : seconds < 6_000
        ? `${Math.round(seconds / 60)} min`
        : seconds < 172_800
          ? `${Math.round(seconds / 3_600)} h`
          : `${Math.round(seconds / 86_400)} days`
  return ms < 0 ? `in ${text}` : `${text} ago`
}

function showTimes() {
  const now = Date.now() + aheadMs
  for (const time of document.querySelectorAll('time')) {
    const at = Date.parse(time.dateTime)
    const text = agoText(now - at)
    if (time.textContent !== text) time.textContent = text
    const title = new Date(at).toLocaleString()
    if (time.title !== title) time.title = title
  }
  showConnection()
}

function showConnection() {
  const [state, text] =
    lostAt !== undefined
      ? ['lost', `Connection lost at ${new Date(lostAt).toLocaleTimeString()}, trying again`]
      : isPaused
        ? ['paused', 'Paused']
        : ['live', 'Live']
  root.dataset.connection = state
  // Whoever listens is told of a change, and not of each second.
  const shown = element('connection')
  if (shown.textContent !== text) shown.textContent = text
}

// Which refusals are shown

function showChosen() {
  const blocks = [...document.querySelectorAll('ol.recent > li')]
  const fits = block => filter === undefined || block.dataset[filter.by] === filter.value
  const isCut = filter === undefined && !isShowingAll && blocks.length > FIRST_SHOWN
  for (const block of blocks) block.hidden = !fits(block)
  if (isCut) for (const block of blocks.slice(FIRST_SHOWN)) block.hidden = true
  for (const link of document.querySelectorAll('a.filter')) {
    const isChosen = filter !== undefined && link.dataset.by === filter.by && link.dataset.value === filter.value
    if (isChosen) link.setAttribute('aria-current', 'true')
    else link.removeAttribute('aria-current')
  }
  const telling = element('filter')
  if (telling === null) return
  telling.parentElement.hidden = filter === undefined
  telling.textContent =
    filter === undefined
      ? ''
      : `${refusalsIn(blocks.filter(fits))} of ${refusalsIn(blocks)} shown: ${filter.by} ${filter.value}`
  const more = element('more')
  more.parentElement.hidden = !isCut
  more.textContent = `Show ${refusalsIn(blocks.slice(FIRST_SHOWN))} older ones`
}

function refusalsIn(blocks) {
  return blocks.reduce((sum, { dataset }) => sum + Number(dataset.count), 0)
}

document.addEventListener('click', event => {
  const button = event.target.closest('button')
  const link = event.target.closest('a.filter')
  const fold = event.target.closest('.fold')
  // Whoever closes a block does not want to see a part of it.
  if (fold?.open === true) for (const one of fold.nextElementSibling.querySelectorAll('[open]')) one.open = false
  if (link !== null) {
    const { by, value } = link.dataset
    const isChosen = filter !== undefined && filter.by === by && filter.value === value
    // Somebody who looks at the list already does not want to be led to its beginning.
    if (isChosen || link.closest('#recent') !== null) event.preventDefault()
    filter = isChosen ? undefined : { by, value }
  } else if (button?.id === 'unfilter') filter = undefined
  else if (button?.id === 'more') isShowingAll = true
  else if (button?.id === 'pause') pause()
  else if (button?.classList.contains('copy') === true) copy(button)
  else return
  showChosen()
})

async function copy(button) {
  const source = button.previousElementSibling ?? button.parentElement
  try {
    await navigator.clipboard.writeText(source.textContent)
    button.textContent = 'Copied'
  } catch {
    // Where the browser does not let pages copy, a person does.
    getSelection().selectAllChildren(source)
    button.textContent = 'Selected'
  }
  setTimeout(() => {
    button.textContent = 'Copy'
  }, 1_500)
}

// Asking

function pause() {
  isPaused = !isPaused
  element('pause').setAttribute('aria-pressed', String(isPaused))
  element('pause').textContent = isPaused ? 'Go on' : 'Pause'
  showConnection()
  if (!isPaused) askNow()
}

async function ask() {
  const have = [...marks].map(([id, mark]) => `${id}.${mark}`).join()
  const response = await fetch(`/-/view?have=${have}`, {
    cache: 'no-store',
    signal: AbortSignal.timeout(LONGEST_ANSWER_MS),
  })
  if (!response.ok) throw new Error(`answered ${response.status}`)
  return response.json()
}

async function askAgain() {
  if (isAsking) return
  isAsking = true
  try {
    const view = await ask()
    failures = 0
    lostAt = undefined
    if (!isPaused) draw(view)
  } catch {
    failures++
    lostAt ??= Date.now()
  }
  isAsking = false
  showTimes()
  const wait = Math.min(ASK_MS * 2 ** Math.max(failures - 1, 0), LONGEST_PAUSE_MS)
  if (!isPaused && !document.hidden) timer = setTimeout(askAgain, wait)
}

function draw({ edition, now, parts }) {
  if (edition !== root.dataset.edition) {
    // Another version of the gateway answers, whose page may be another.
    location.reload()
    return
  }
  aheadMs = Date.parse(now) - Date.now()
  for (const { id, mark, tree } of parts) {
    const isFirst = !marks.has(id)
    const before = new Set([...element(id).querySelectorAll('.ones > li')].map(({ dataset }) => dataset.key))
    patch(element(id), tree)
    marks.set(id, mark)
    if (isFirst) continue
    for (const { dataset, parentElement } of element(id).querySelectorAll('.ones > li'))
      if (!before.has(dataset.key)) parentElement.parentElement.classList.add('new')
  }
  showChosen()
  const { textContent: word } = document.querySelector('#state .word')
  document.title = `Sallyport: ${word.toLowerCase()}`
}

function askNow() {
  clearTimeout(timer)
  void askAgain()
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden && !isPaused) askNow()
})

addEventListener('online', askNow)
addEventListener('offline', askNow)

root.classList.add('scripted')
showChosen()
showTimes()
setInterval(showTimes, 1_000)
askNow()
