/** Targets that servers read differently: what tests ask about, and send through proxies. */

/** No two servers agree on all of them. */
export const ODD_TARGETS: readonly string[] = [
  ...['/', '/public', '/public/', '/public/a', '/public/a/', '/exact', '/exact/', '/exact?', '/exact?a=b#c', '/folder'],
  ...['/folder/', '/PUBLIC/a', '/public/admin', '/public/admin/a', '/public/ADMIN/a', '/public/%61dmin/a'],
  ...['/public/../private/a', '/public/./a', '/public/..', '/public/.', '/public/a/..', '/public/..;/private/a'],
  ...['/public/%2e%2e/private/a', '/public/%2E%2E%2Fprivate', '/public/..%2fprivate', '/public/%252e%252e/private'],
  ...['//public/a', '/public//a', '/public///admin/a', '/%2fpublic/a', '/public%2fa', '/public/a%2fb', '/public/a%5cb'],
  ...['/public\\a', '/public/a\\..\\private', '/public/a;b=c', '/public;a/b', '/matrix/a;b/c', '/matrix/..;/private'],
  ...['/packages/@a%2fb', '/packages/@a%2Fb', '/packages/a%2f..%2fb', '/packages/a%3fb', '/packages/a%23b', '/s3/a//b'],
  ...[
    '/s3//',
    '/s3/%2e/',
    '/public/%',
    '/public/%zz',
    '/public/%c0%af',
    '/public/%ff',
    '/public/%c3%a4',
    '/public/%00',
  ],
  ...['/public/%0a', '/public/%7e', '/public/~', '/public/a%20b', '/public/a+b', '/public/a#b', '/public/a%23b', '*'],
  ...['public/a', 'http://app.example/public/a', 'http://evil.example/public/a', 'https://app.example/private/a'],
  ...[
    'http://app.example',
    'http://u@app.example/public/a',
    'app.example:443',
    '/public/a?b=/../c',
    '/public/a??',
    '?',
  ],
  ...['/public/a?x=%', '/public/\u00e4', '/private/a?access=public', '/public/a&b', '/public/a|b', '/public/a`b', '/.'],
]
