/** Shows the session as it goes on. The page has no token: the browser sends the cookie, and the gateway does the rest. */

const LOOK_MS = 5_000

const element = id => document.getElementById(id)
const clock = () => new Date().toLocaleTimeString()

function addLine(list, text) {
  const line = document.createElement('li')
  line.textContent = `${clock()}  ${text}`
  list.prepend(line)
}

/** What `/auth/session` said last; undefined while it has not answered, or when the session is over. */
let session
/** Seconds that the access token had when it was new, as far as this page has seen. */
let lifeSeconds = 1

const secondsLeft = () => Math.max(0, Math.round(session.tokenExpiresAt - Date.now() / 1_000))

function showCountdown() {
  if (session === undefined) return
  const left = secondsLeft()
  element('left').value = left / lifeSeconds
  element('state').textContent =
    left > 0
      ? `The access token of ${session.sub} expires in ${left} s.`
      : `The access token of ${session.sub} has expired. The next request renews it.`
}

/** Resolves with false when there is nothing to look at any more. */
async function look() {
  const response = await fetch('/auth/session')
  if (!response.ok) {
    session = undefined
    element('left').value = 0
    element('state').textContent =
      response.status === 401
        ? 'The session is over. Load the page again to sign in.'
        : `The gateway cannot tell at the moment (${response.status}).`
    return response.status !== 401
  }
  const before = session
  session = await response.json()
  if (before !== undefined && session.tokenExpiresAt > before.tokenExpiresAt) {
    const until = new Date(session.tokenExpiresAt * 1_000).toLocaleTimeString()
    addLine(element('refreshes'), `refreshed: good until ${until}`)
  }
  lifeSeconds = Math.max(lifeSeconds, secondsLeft())
  showCountdown()
  return true
}

async function lookAgain() {
  try {
    if (element('busy').checked && session !== undefined) await fetch('/orders/42')
    if (!(await look())) return
  } catch {
    session = undefined
    element('state').textContent = 'The gateway does not answer.'
  }
  setTimeout(lookAgain, LOOK_MS)
}

async function call({ method, path }) {
  const body = method === 'POST' ? { body: '{"item":"tea"}', headers: { 'content-type': 'application/json' } } : {}
  try {
    const response = await fetch(path, { method, ...body })
    element('answer').textContent = `${method} ${path}: ${response.status}\n\n${await response.text()}`
  } catch {
    element('answer').textContent = `${method} ${path}: no answer`
  }
}

let socket
function openSocket() {
  const messages = element('messages')
  socket = new WebSocket('/live')
  element('socket').textContent = 'Close'
  socket.onmessage = ({ data }) => addLine(messages, data)
  socket.onclose = ({ code, reason }) => {
    socket = undefined
    element('socket').textContent = 'Open'
    addLine(messages, `closed: ${code} ${reason}`)
  }
}

for (const button of document.querySelectorAll('button[data-path]'))
  button.addEventListener('click', () => call(button.dataset))
element('socket').addEventListener('click', () => (socket === undefined ? openSocket() : socket.close()))
setInterval(showCountdown, 1_000)
lookAgain()
