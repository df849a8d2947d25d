/** What the command line reads of tokens that somebody else wrote. */

import type { Terminal } from '../../../src/cli/Terminal.ts';
import { printable } from '../../../src/cli/Terminal.ts';
import { narrow } from '../../../src/cli/token/attenuate.ts';
import { print } from '../../../src/cli/token/inspect.ts';
import * as Presented from '../../../src/cli/token/Presented.ts';
import * as Reading from '../../../src/cli/token/Reading.ts';
import { fromUtf8, toHex } from '../../../src/core/internal/bytes.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import { describe } from '../../../src/server/CaveatWords.ts';
import { judge } from '../../../src/server/policies/Judgement.ts';
import { linesOf, must, reading, same, type Target, unless } from '../Target.ts';
import { goodToken, invoices, mint, mintedCaveats, nowAt, paymentHash, preimage, rootKeys } from './samples.ts';

const shown: { readonly [name: string]: string } = {
  T: goodToken,
  P: preimage,
  H: toHex(Macaroon.encode(mint(mintedCaveats))),
  G: invoices.good,
  E: invoices.endless,
  N: Macaroon.format(Macaroon.mint(fromUtf8('k'), fromUtf8('not ours'), ['a=b'])),
};

/** A ring whose file is never looked at: every fingerprint is of the key that mints, or of none. */
const ring: Reading.Ring = { file: '/dev/null', network: 'sandbox', realm: 'main', keys: rootKeys };

/** A plan: what somebody pastes, in which `{T}`, `{P}`, `{H}`, `{G}`, `{E}`, `{N}` stand for a token, its preimage, hex, invoices and a foreign token. */
const presented: Target = {
  name: 'presented-token',
  form: 'text',
  longest: 600,
  batch: 30,
  seeds: [
    '{T}',
    ' "{H}" ',
    'L402 {T}:{P}',
    'Authorization: LSAT {N}:{P}\r\n',
    'WWW-Authenticate: L402 macaroon="{T}", invoice="{G}"\nwww-authenticate: LSAT macaroon="{T}", invoice="{G}"',
    '{"macaroon":"{T}","invoice":"{E}"}',
    '< macaroon: {H}',
    "'{T}:{P}'",
    '{"token":5}',
  ],
  words: [
    '{T}',
    '{P}',
    '{H}',
    '{G}',
    '{E}',
    '{N}',
    'L402 ',
    'lsat ',
    ':',
    'Authorization: ',
    'WWW-Authenticate: ',
    'macaroon=',
    'token="',
    'invoice="',
    '{"macaroon":"',
    '"',
    "'",
    '\r\n',
    '< ',
    ',',
  ],
  run: (input) => {
    const text = input.replace(/\{([TPHGEN])\}/g, (_, name: string) => shown[name] as string);
    const read = reading(() => Presented.parse(text), 'CONFIG_INVALID', 'MACAROON_MALFORMED', 'CREDENTIAL_MALFORMED', 'CHALLENGE_MALFORMED');
    const written = Presented.format(read, read.macaroon);
    const again = Presented.parse(written);
    same(
      [again.macaroon, again.preimage, again.encoding],
      [read.macaroon, read.preimage, read.preimage === undefined ? read.encoding : again.encoding],
      'parse(format)',
    );
    return [read, shownOf(read)];
  },
};

/** A plan: caveats, a line each, of a token that is inspected. */
const inspected: Target = {
  name: 'inspected-token',
  form: 'text',
  longest: 3000,
  batch: 20,
  growth: 400,
  seeds: [
    mintedCaveats.join('\n'),
    [...mintedCaveats, 'scope=/data\u001b[2J', `Preimage = "${preimage}"`, 'expires=1'].join('\n'),
    'services=a:0,b:1,c:2\na_method=A,B,C\nb_path=/x\nscope=/y',
    'a=b',
    `x=${preimage}`,
  ],
  words: [
    'services=',
    'a:0,',
    'method=',
    'GET,',
    'scope=/',
    '_path=/x',
    '_terms=pass',
    '_priced=',
    'valid_until=',
    'preimage=',
    preimage,
    '\n',
    ',',
    '\u202e',
    '\u001b[',
    '9999-12-31T23:59:59Z',
  ],
  run: (input) => {
    const caveats = linesOf(input);
    const macaroon = reading(() => mint(caveats), 'RangeError');
    const words = describe(caveats, { nowAt, paymentHash });
    same(words.length, caveats.length, 'caveats in words');
    const verdict = judge(caveats, { nowAt, preimage });
    return [
      words.map(({ means }) => printable(means)),
      verdict,
      shownOf({ kind: 'token', macaroon, encoding: 'base64', scheme: 'L402', preimage: undefined, invoice: undefined }),
    ];
  },
};

/** A plan: `path=`, `method=`, `expires=` and `caveat=` of `farebox token attenuate`, a line each. */
const narrowed: Target = {
  name: 'narrowed-token',
  form: 'text',
  longest: 400,
  batch: 50,
  seeds: [
    'path=/data/a',
    'method=GET\nexpires=10m',
    'expires=2027-01-15T08:10:00Z\ncaveat=token_id=x',
    'caveat=api_capabilities=read',
    'path=/data/*\ncaveat=x = "y"',
  ],
  words: ['path=', 'method=', 'expires=', 'caveat=', '/data', '/*', 'GET', ',POST', '1h', '10m', 'api_path=', 'preimage=', '"', 'services=api:0'],
  run: (input) => {
    const wish = (name: string) => linesOf(input).flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));
    const [path] = wish('path');
    const [method] = wish('method');
    const [expires] = wish('expires');
    const wishes = {
      ...(path === undefined ? {} : { path }),
      ...(method === undefined ? {} : { method }),
      ...(expires === undefined ? {} : { expires }),
      caveat: wish('caveat'),
    };
    const token = Presented.parse(goodToken);
    const read = reading(() => narrow(token, wishes, nowAt), 'CONFIG_INVALID', 'CREDENTIAL_EXPIRED', 'CREDENTIAL_NARROWED');
    must(Macaroon.verify(read.macaroon, rootKeys.derive(rootKeys.mintingAt(nowAt), token.macaroon.identifier) as Uint8Array), 'its signature does not hold');
    same(read.macaroon.caveats.slice(0, mintedCaveats.length), mintedCaveats, 'what was minted');
    must(unless(() => Macaroon.parse(Macaroon.format(read.macaroon)), 'MACAROON_MALFORMED') !== undefined, 'it cannot be read again');
    return read;
  },
};

/** What `farebox token inspect` prints, which never holds a preimage, nor anything that steers a terminal. */
function shownOf(read: Presented.Presented): string {
  let out = '';
  const terminal: Terminal = {
    isInteractive: true,
    isWatched: false,
    isJson: false,
    width: 100,
    line: (text = '') => {
      out += `${text}\n`;
    },
    data: (value) => {
      out += JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)).replace(
        /[\u007f-\u009f\u200b\u202e\u2028\u2029\ufeff\u00ad]/g,
        '?',
      );
    },
    raw: async () => {},
    note: () => {},
    live: () => {},
    whileAsking: (ask) => ask(),
    tone: (_, text) => text,
    withJson: () => terminal,
  };
  print(terminal, read, Reading.read(read, ring, nowAt), ring, nowAt);
  // Where a preimage is a part of something longer nobody can tell that it is one.
  const isPlain = read.macaroon.caveats.every(
    (text) => !text.toLowerCase().includes(preimage) || (text.toLowerCase().split(preimage).length === 2 && proof.test(text)),
  );
  must(!isPlain || !out.toLowerCase().includes(preimage), 'a preimage is shown');
  must(!/[\p{Cc}\u202e\u2028]/u.test(out.replaceAll('\n', '')), 'what steers a terminal is shown');
  return out;
}

/** A caveat of which a preimage is one whole side, or all. */
const proof = new RegExp(`^\\s*(?:${preimage}\\s*(?:=(?!.*${preimage}).*)?|[^=]*=\\s*(["']?)${preimage}\\1\\s*)$`, 'i');

export const targets: readonly Target[] = [presented, inspected, narrowed];
