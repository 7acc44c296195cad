/**
 * Lists broken answers that advisories and articles about request smuggling and response splitting are full of.
 *
 * Each is bytes of a service that tries to be read in two ways. `AnswerParser` takes none of them; where it tells a
 * head before it finds out, that is said.
 */
import { type Asked, GET, HEAD, POST, UPGRADE } from './asked.ts'

export interface BrokenAnswer {
  readonly name: string
  /** One character per octet. */
  readonly text: string
  readonly asked: Asked
}

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`
const EVIL = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'

/** The first line. RFC 9112 §4. */
const statusLines: Readonly<Record<string, string>> = {
  'a status line without a version': '200 OK\r\n\r\n',
  'HTTP/0.9: a body alone': '<html>hello</html>\r\n\r\n',
  'HTTP/1.2': 'HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.10': 'HTTP/1.10 200 OK\r\nContent-Length: 0\r\n\r\n',
  'HTTP/01.1': 'HTTP/01.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'http/1.1 in lower case': 'http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  'RTSP/1.0, which llhttp reads': 'RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'ICE/1.0': 'ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n',
  'ICY, as SHOUTcast has it': 'ICY 200 OK\r\nContent-Length: 0\r\n\r\n',
  'two blanks before the status': 'HTTP/1.1  200 OK\r\nContent-Length: 0\r\n\r\n',
  'a tab before the status': 'HTTP/1.1\t200 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
  'status 099': 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n',
  'status 000': 'HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n',
  'a status with a sign': 'HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n',
  'a status in hexadecimal': 'HTTP/1.1 0xc8 OK\r\nContent-Length: 0\r\n\r\n',
  'a bare CR in the reason': 'HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n',
  'a bare LF after the reason': 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n',
  'NUL in the reason': 'HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n',
  'an empty line before the answer': `\r\n${OK}Content-Length: 0\r\n\r\n`,
  'a bare LF before the answer': `\n${OK}Content-Length: 0\r\n\r\n`,
  'a byte order mark before the answer': `\xef\xbb\xbf${OK}Content-Length: 0\r\n\r\n`,
  'a request instead of an answer': 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'the record of a TLS handshake': '\x15\x03\x01\x00\x02\x02\x28\r\n\r\n',
}

/** Lines of fields. RFC 9112 §5, RFC 9110 §5. */
const fieldLines: Readonly<Record<string, string>> = {
  'a blank before the colon (CVE-2021-22959)': 'Content-Length : 0',
  'a tab before the colon': 'Content-Length\t: 0',
  'a folded line': 'X-A: b\r\n c\r\nContent-Length: 0',
  'a folded line with a tab': 'X-A: b\r\n\tc\r\nContent-Length: 0',
  'a first line that begins with a blank': ' X-A: b\r\nContent-Length: 0',
  'a fold that holds Transfer-Encoding': 'X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0',
  'a line without a colon': 'X-A\r\nContent-Length: 0',
  'a line with a colon alone': ': b\r\nContent-Length: 0',
  'a name with a blank': 'X A: b\r\nContent-Length: 0',
  'a name in quotes': '"X-A": b\r\nContent-Length: 0',
  'a name with a slash': 'X/A: b\r\nContent-Length: 0',
  'a name with obs-text': 'X-\xe9: b\r\nContent-Length: 0',
  'a name with NUL': 'X-\0A: b\r\nContent-Length: 0',
  'a non-breaking space after the name': 'Transfer-Encoding\xa0: chunked\r\nContent-Length: 0',
  'NUL in a value': 'X-A: b\0c\r\nContent-Length: 0',
  'a bare CR in a value (CVE-2023-30589)': 'X-A: b\rTransfer-Encoding: chunked\r\nContent-Length: 0',
  'a bare LF in a value': 'X-A: b\nTransfer-Encoding: chunked\r\nContent-Length: 0',
  'CR CR LF after a value': 'X-A: b\r\r\nContent-Length: 0',
  'LF CR after a value': 'X-A: b\n\rContent-Length: 0',
  'VT in a value': 'X-A: b\x0bc\r\nContent-Length: 0',
  'FF in a value': 'X-A: b\x0cc\r\nContent-Length: 0',
  'DEL in a value': 'X-A: b\x7fc\r\nContent-Length: 0',
  'ESC in a value': 'X-A: \x1b[2J\r\nContent-Length: 0',
  'a bare LF after the last field': 'Content-Length: 0\n',
  'an empty name that holds a length': ':Content-Length: 5\r\nContent-Length: 0',
}

/** Fields that say where the body ends. RFC 9112 §6. */
const framings: Readonly<Record<string, string>> = {
  'Content-Length twice': 'Content-Length: 5\r\nContent-Length: 0',
  'Content-Length twice with the same number': 'Content-Length: 5\r\nContent-Length: 5',
  'Content-Length twice in different case': 'Content-Length: 5\r\ncontent-length: 5',
  'a list as Content-Length': 'Content-Length: 5, 5',
  'a list of different numbers': 'Content-Length: 5, 0',
  'a list that begins empty': 'Content-Length: , 5',
  'a length with a plus': 'Content-Length: +5',
  'a negative length': 'Content-Length: -5',
  'minus zero': 'Content-Length: -0',
  'a length in hexadecimal': 'Content-Length: 0x5',
  'a length with an underscore, as Python reads it': 'Content-Length: 0_5',
  'a length with an exponent': 'Content-Length: 5e0',
  'a length with a point': 'Content-Length: 5.0',
  'a length in quotes': 'Content-Length: "5"',
  'a length with a blank inside (CVE-2018-7159)': 'Content-Length: 5 5',
  'a length with a parameter': 'Content-Length: 5;x=y',
  'an empty length': 'Content-Length:',
  'a length of blanks': 'Content-Length:   ',
  'a length of superscript digits': 'Content-Length: \xb2',
  'a length that wraps around 32 bits': 'Content-Length: 4294967301',
  'a length that wraps around 64 bits': 'Content-Length: 18446744073709551621',
  'a length of a thousand digits': `Content-Length: ${'9'.repeat(1000)}`,
  'a length that begins with VT': 'Content-Length: \x0b5',
  'a length that ends with NUL': 'Content-Length: 5\0',
  'a tab around a length': 'Content-Length:\t5',
  'Transfer-Encoding beside Content-Length': 'Transfer-Encoding: chunked\r\nContent-Length: 5',
  'Content-Length beside Transfer-Encoding': 'Content-Length: 5\r\nTransfer-Encoding: chunked',
  xchunked: 'Transfer-Encoding: xchunked',
  chunkedx: 'Transfer-Encoding: chunkedx',
  'chunked in two parts (chunk ed)': 'Transfer-Encoding: chunk ed',
  'chunked, identity': 'Transfer-Encoding: chunked, identity',
  'identity, chunked': 'Transfer-Encoding: identity, chunked',
  identity: 'Transfer-Encoding: identity\r\nContent-Length: 5',
  'gzip, chunked': 'Transfer-Encoding: gzip, chunked',
  'gzip alone': 'Transfer-Encoding: gzip',
  'chunked, chunked': 'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding twice (CVE-2020-8287)': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding twice, the second unknown': 'Transfer-Encoding: chunked\r\nTransfer-Encoding: cow',
  'Transfer-Encoding twice, the first unknown': 'Transfer-Encoding: cow\r\nTransfer-Encoding: chunked',
  'an empty Transfer-Encoding': 'Transfer-Encoding:\r\nContent-Length: 5',
  'chunked behind VT': 'Transfer-Encoding: \x0bchunked',
  'chunked before FF': 'Transfer-Encoding: chunked\x0c',
  'chunked before NUL': 'Transfer-Encoding: chunked\0',
  'chunked before a tab, which llhttp takes for another coding': 'Transfer-Encoding: chunked\t',
  'chunked behind a tab': 'Transfer-Encoding:\tchunked',
  'chunked in quotes': 'Transfer-Encoding: "chunked"',
  'chunked in apostrophes': "Transfer-Encoding: 'chunked'",
  'chunked with a parameter': 'Transfer-Encoding: chunked;q=1',
  'chunked before a comma': 'Transfer-Encoding: chunked,',
  'chunked behind a comma': 'Transfer-Encoding: ,chunked',
  'chunked with a soft hyphen': 'Transfer-Encoding: chun\xadked',
  'a dotless i and a Kelvin sign, in UTF-8': 'Transfer-Encoding: chun\xe2\x84\xaaed',
  'chunked in a folded line (CVE-2022-32215)': 'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding with a blank before the colon': 'Transfer-Encoding : chunked',
  'Transfer-Encoding behind a bare CR': 'X-A: b\rTransfer-Encoding: chunked',
  'Transfer-Encoding behind a bare LF': 'X-A: b\nTransfer-Encoding: chunked',
}

/** What follows a head that is chunked. RFC 9112 §7.1. */
const chunkedBodies: Readonly<Record<string, string>> = {
  'a chunk size with 0x': '0x5\r\nhello\r\n0\r\n\r\n',
  'a chunk size with a plus': '+5\r\nhello\r\n0\r\n\r\n',
  'a chunk size with a minus': '-5\r\nhello\r\n0\r\n\r\n',
  'a chunk size with an underscore': '0_5\r\nhello\r\n0\r\n\r\n',
  'a blank before a chunk size': ' 5\r\nhello\r\n0\r\n\r\n',
  'a blank after a chunk size': '5 \r\nhello\r\n0\r\n\r\n',
  'a tab after a chunk size': '5\t\r\nhello\r\n0\r\n\r\n',
  'VT before a chunk size': '\x0b5\r\nhello\r\n0\r\n\r\n',
  'an empty chunk size': '\r\nhello\r\n0\r\n\r\n',
  'no digit of hexadecimal': 'g\r\nhello\r\n0\r\n\r\n',
  'a size that is cut at a digit that is none': '5h\r\nhello\r\n0\r\n\r\n',
  'a size that wraps around 64 bits': '10000000000000005\r\nhello\r\n0\r\n\r\n',
  'a size that wraps around 32 bits, with no body': '100000005\r\nhello\r\n0\r\n\r\n',
  'a size of a thousand zeros': `${'0'.repeat(1000)}5\r\nhello\r\n0\r\n\r\n`,
  'a list of sizes': '5,5\r\nhello\r\n0\r\n\r\n',
  'NUL after a size': '5\0\r\nhello\r\n0\r\n\r\n',
  'a bare LF after a size': '5\nhello\r\n0\r\n\r\n',
  'a bare CR after a size': '5\rhello\r\n0\r\n\r\n',
  'CR CR LF after a size': '5\r\r\nhello\r\n0\r\n\r\n',
  'two bytes of anything in place of the CRLF after the data': '5\r\nhelloXX0\r\n\r\n',
  'no CRLF after the data': '5\r\nhello0\r\n\r\n',
  'a bare LF after the data': '5\r\nhello\n0\r\n\r\n',
  'a bare CR after the data': '5\r\nhello\r0\r\n\r\n',
  'more data than the size says': '5\r\nhello!\r\n0\r\n\r\n',
  'less data than the size says': '5\r\nhell\r\n0\r\n\r\n',
  'a bare LF in an extension': '5;a\nb\r\nhello\r\n0\r\n\r\n',
  'a bare CR in an extension (CVE-2021-22960)': '5;a\rb\r\nhello\r\n0\r\n\r\n',
  'a bare LF at the end of an extension': '5;a\nhello\r\n0\r\n\r\n',
  'an extension in quotes that holds CRLF': '5;a="\r\nhello\r\n0\r\n\r\n',
  'an extension in quotes that holds LF': '5;a="\n"\r\nhello\r\n0\r\n\r\n',
  'an extension in quotes': '5;a="b"\r\nhello\r\n0\r\n\r\n',
  'an extension without a name': '5;\r\nhello\r\n0\r\n\r\n',
  'an extension without a value': '5;a=\r\nhello\r\n0\r\n\r\n',
  'an extension behind a blank': '5 ;a=b\r\nhello\r\n0\r\n\r\n',
  'an extension with obs-text': '5;a=\xe9\r\nhello\r\n0\r\n\r\n',
  'an extension of a kilobyte (CVE-2024-22019)': `5;${'a'.repeat(1024)}\r\nhello\r\n0\r\n\r\n`,
  'a bare LF after the last chunk': '5\r\nhello\r\n0\n\n',
  'a bare LF after the last size': '5\r\nhello\r\n0\n\r\n',
  'a bare CR after the last chunk': '5\r\nhello\r\n0\r\n\r\r',
  'bytes in place of the last CRLF': '5\r\nhello\r\n0\r\nXX\r\n\r\n',
  'a trailer that is no field': '0\r\nX-A\r\n\r\n',
  'a trailer with a blank before the colon': '0\r\nX-A : b\r\n\r\n',
  'a folded trailer': '0\r\nX-A: b\r\n c\r\n\r\n',
  'a trailer with a bare LF': '0\r\nX-A: b\nX-B: c\r\n\r\n',
  'a trailer with a bare CR': '0\r\nX-A: b\rX-B: c\r\n\r\n',
  'a trailer with NUL': '0\r\nX-A: b\0c\r\n\r\n',
  'Content-Length as a trailer': '0\r\nContent-Length: 5\r\n\r\n',
  'another coding as a trailer': '0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
  'an answer in place of the trailers': `0\r\n${EVIL}`,
  'trailers that never end': `0\r\n${'X-A: b\r\n'.repeat(9000)}\r\n`,
}

/** Answers that fit neither each other nor what was asked. RFC 9110 §15.2, §15.3.5, §7.8. */
const outOfPlace: Readonly<Record<string, readonly [asked: Asked, text: string]>> = {
  'chunked in HTTP/1.0': [GET, 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  'a flood of 100': [GET, `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(33)}${EVIL}`],
  'a flood of 103 with large fields': [GET, `HTTP/1.1 103 Hints\r\nX: ${'y'.repeat(9000)}\r\n\r\n`.repeat(9) + EVIL],
  'a 101 that nobody asked for': [GET, 'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n'],
  'a 101 that does not name a protocol': [UPGRADE, 'HTTP/1.1 101 S\r\nConnection: upgrade\r\n\r\n'],
  'a 101 without Connection: upgrade': [UPGRADE, 'HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n'],
  'a 101 with an empty Upgrade': [UPGRADE, 'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade:\r\n\r\n'],
  'a 101 with neither': [UPGRADE, 'HTTP/1.1 101 S\r\n\r\n'],
  'an interim answer with Connection: close': [GET, `HTTP/1.1 103 H\r\nConnection: close\r\n\r\n${EVIL}`],
  'an interim answer of HTTP/1.0': [GET, `HTTP/1.0 100 Continue\r\n\r\n${EVIL}`],
  'a chunked interim answer beside a length': [
    POST,
    `HTTP/1.1 103 H\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n${EVIL}`,
  ],
  'a head that is too long': [HEAD, `${OK}X-A: ${'b'.repeat(66_000)}\r\n\r\n`],
  'a head that never ends': [GET, `${OK}${'X-A: b\r\n'.repeat(9000)}`],
}

/** A list of line endings that are not CRLF, each for a whole answer. */
const lineEnds: Readonly<Record<string, string>> = { LF: '\n', CR: '\r', 'LF CR': '\n\r', 'CR CR LF': '\r\r\n' }

function from(texts: Readonly<Record<string, string>>, textOf: (part: string) => string): readonly BrokenAnswer[] {
  return Object.entries(texts).map(([name, part]) => ({ name, text: textOf(part), asked: GET }))
}

export const BROKEN_ANSWERS: readonly BrokenAnswer[] = [
  ...from(statusLines, text => text),
  ...from(fieldLines, lines => `${OK}${lines}\r\n\r\n`),
  ...from(framings, lines => `${OK}${lines}\r\n\r\nhello${EVIL}`),
  ...from(chunkedBodies, body => CHUNKED + body),
  ...from(lineEnds, end => `HTTP/1.1 200 OK${end}Content-Length: 0${end}${end}`).map(({ name, ...rest }) => ({
    ...rest,
    name: `${name} at the end of every line`,
  })),
  ...Object.entries(outOfPlace).map(([name, [asked, text]]) => ({ name, asked, text })),
]
