import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  isOwnSetCookie,
  loginCookieLine,
  loginCookiesIn,
  noLoginCookieLine,
  noSessionCookieLine,
  sessionCookieIn,
  sessionCookieLine,
  withoutOwnCookies,
} from '../../src/session/cookie-lines.ts'

const OWN = '__Host-sallyport'

describe('the session cookie of a request', () => {
  test('is found among others, and over several lines as HTTP/2 sends them', () => {
    expect(sessionCookieIn(['Host', 'a', 'Cookie', `a=b; ${OWN}=value; c=d`])).toBe('value')
    expect(sessionCookieIn(['cookie', 'a=b', 'cookie', `${OWN}=value`, 'cookie', 'c=d'])).toBe('value')
  })

  test('is none when there are two of them, on one line or on two', () => {
    expect(sessionCookieIn(['cookie', `${OWN}=one; ${OWN}=two`])).toBeUndefined()
    expect(sessionCookieIn(['cookie', `${OWN}=one`, 'cookie', `${OWN}=one`])).toBeUndefined()
  })

  test('is read in its exact spelling only', () => {
    for (const cookie of [
      '__host-sallyport=x',
      '__Host-sallyport2=x',
      `\u00e2\u0080\u0080${OWN}=x`,
      `\u00a0${OWN}=x`,
      `"${OWN}"=x`,
      '__Host%2Dsallyport=x',
      `=${OWN}=x`,
      `a=b,${OWN}=x`,
      OWN,
    ])
      expect(sessionCookieIn(['cookie', cookie]), cookie).toBeUndefined()
    expect(sessionCookieIn(['x-cookie', `${OWN}=x`, 'other', 'cookie'])).toBeUndefined()
    expect(sessionCookieIn([])).toBeUndefined()
  })

  test('is not one of a login', () => {
    const lines = ['cookie', `${OWN}-login-abcd_-12=sealed; ${OWN}=value; ${OWN}-login-short=x; ${OWN}-login-=x`]
    expect(sessionCookieIn(lines)).toBe('value')
    expect(loginCookiesIn(lines)).toEqual([{ label: 'abcd_-12', value: 'sealed' }])
    expect(loginCookiesIn(['cookie', 'a=b'])).toEqual([])
  })
})

describe('a Set-Cookie line of ours', () => {
  test('has all that the prefix asks for, and a session has no Max-Age', () => {
    expect(sessionCookieLine('v')).toBe('__Host-sallyport=v; Path=/; Secure; HttpOnly; SameSite=Lax')
    expect(noSessionCookieLine()).toBe('__Host-sallyport=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0')
    expect(loginCookieLine({ label: 'abcdefgh', value: 'v' }, 600)).toBe(
      '__Host-sallyport-login-abcdefgh=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600',
    )
    expect(noLoginCookieLine('abcdefgh')).toBe(
      '__Host-sallyport-login-abcdefgh=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0',
    )
  })

  test('is known as ours', () => {
    for (const line of [sessionCookieLine('v'), noSessionCookieLine(), noLoginCookieLine('abcdefgh')])
      expect(isOwnSetCookie(line)).toBe(true)
  })
})

/** Each is our name to some reader: see `cookie-names.ts`. */
const SPELLINGS = [
  OWN,
  `${OWN}-login-abcdefgh`,
  `${OWN}-anything`,
  '__HOST-SALLYPORT',
  '__host-sallyport',
  ` \t${OWN}`,
  `"${OWN}"`,
  `'${OWN}`,
  `=${OWN}`,
  ` = ${OWN}`,
  `$${OWN}`,
  '__Host%2Dsallyport',
  '%5F%5FHost-sallyport',
  '__Host%252Dsallyport',
  '__Host-%73allyport',
  '__Host-%u0073allyport',
  '..Host-sallyport',
  '__Host.sallyport',
  '__Host_sallyport',
  '[_Host-sallyport',
  '++Host-sallyport',
  // U+2000, which Django strips, U+00A0, U+FEFF and U+3000, as bytes of UTF-8
  `\u00e2\u0080\u0080${OWN}`,
  `\u00c2\u00a0${OWN}`,
  `\u00ef\u00bb\u00bf${OWN}`,
  `\u00e3\u0080\u0080${OWN}`,
  `\u00a0${OWN}`,
  `\u0085${OWN}`,
  // a long s, and letters of full width
  '__Ho\u00c5\u00bft-sallyport',
  '__\u00ef\u00bc\u00a8ost-sallyport',
]

describe('what a service gets to see of cookies', () => {
  test.each(SPELLINGS)('is not %j', name => {
    const rest = 'a=b;  c="d; e'
    expect(withoutOwnCookies(`${name}=x`)).toBe('')
    expect(withoutOwnCookies(`${name}`)).toBe('')
    expect(withoutOwnCookies(`${name} = "x"; ${rest}`)).toBe(rest)
    expect(withoutOwnCookies(`${rest}; ${name}=x`)).toBe(rest)
    expect(withoutOwnCookies(`a=b; ${name}=x; ; c`)).toBe('a=b; ; c')
    expect(withoutOwnCookies(`$Version=1; a=b; ${name}=x; $Path="/"`)).toBe('$Version=1; a=b; $Path="/"')
    expect(isOwnSetCookie(`${name}=x; Path=/`)).toBe(true)
    expect(isOwnSetCookie(`${name}`)).toBe(true)
  })

  test('is nothing of a cookie in which readers with other separators find ours', () => {
    expect(withoutOwnCookies(`a=b, ${OWN}=x; c=d`)).toBe('c=d')
    expect(withoutOwnCookies(`a=b ${OWN}=x; c=d`)).toBe('c=d')
    expect(withoutOwnCookies(`a="b; ${OWN}=x; c"; d=e`)).toBe('a="b; c"; d=e')
  })

  test('is nothing of ours, whatever stands around it', () => {
    const piece = fc.oneof(fc.constantFrom(...SPELLINGS, ';', '=', ' ', ',', '"', 'a=b', '%', '='), fc.string())
    fc.assert(
      fc.property(fc.array(piece), pieces => {
        const rest = withoutOwnCookies(pieces.join(''))
        expect(rest).not.toMatch(/(?:^|[;,\s])\s*__Host-sallyport/i)
        expect(withoutOwnCookies(rest)).toBe(rest)
      }),
    )
  })

  test('is every other cookie, byte for byte', () => {
    for (const line of [
      '',
      ';',
      'a=b',
      ' a=b;; c = d ;',
      'sallyport=x; Host-sallyport=y; __Host-sally=z; __Host-other=w',
      `note=${OWN}; x=__Host-sally%70ort`,
      'a=%7B%22x%22%3A1%7D; b=\u00e9\u00ff; c="d;e"',
      '__Secure-sallyport=x; my__Host-sallyport=y',
    ])
      expect(withoutOwnCookies(line)).toBe(line)
    const cookie = fc.tuple(fc.stringMatching(/^[a-z]{1,8}$/), fc.stringMatching(/^[!-:<-~]{0,20}$/))
    fc.assert(
      fc.property(fc.array(cookie, { minLength: 1 }), cookies => {
        const line = cookies.map(([name, value]) => `${name}=${value}`).join('; ')
        expect(withoutOwnCookies(line)).toBe(line)
      }),
    )
  })
})

describe('a Set-Cookie line of a service', () => {
  test('is its own unless it sets one of ours', () => {
    for (const line of [
      '',
      'a=b',
      'sid=x; Path=/; Expires=Wed, 21 Oct 2026 07:28:00 GMT',
      `a=${OWN}`,
      '__Host-other=%20; Path=/',
      'sallyport=1',
    ])
      expect(isOwnSetCookie(line), line).toBe(false)
  })

  test('is ours behind the comma of a joined line', () => {
    expect(isOwnSetCookie(`a=b, ${OWN}=x`)).toBe(true)
    expect(isOwnSetCookie(`a=b; Path=/, ${OWN}=x; Secure`)).toBe(true)
    expect(isOwnSetCookie(`a=b; Expires=Wed, 21 Oct 2026 07:28:00 GMT, ${OWN}=x`)).toBe(true)
  })
})
