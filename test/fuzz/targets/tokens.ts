/** Macaroons, as bytes, as text, and minted; credentials and challenges as headers. */
import * as Challenge from '../../../src/core/Challenge.ts';
import * as Credential from '../../../src/core/Credential.ts';
import { fromHex, fromUtf8, toBase64, toHex } from '../../../src/core/internal/bytes.ts';
import { isToken68, parseChallenges, splitList, trim } from '../../../src/core/internal/httpAuth.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import { namesOurScheme } from '../../../src/http/headers.ts';
import { bytesOf, charactersOf, linesOf, must, reading, same, type Target, unless } from '../Target.ts';
import { goodToken, invoices, paymentHash, preimage } from './samples.ts';

const caveatWords = ['services=api:0', 'api_capabilities=', 'api_valid_until=', 'path_prefix=/', 'method=GET', 'preimage=', 'expires='];

const macaroonBytes: Target = {
  name: 'macaroon',
  form: 'bytes',
  longest: 5000,
  seeds: [
    charactersOf(Macaroon.encode(Macaroon.parse(goodToken))),
    charactersOf(Macaroon.encode(Macaroon.mint(fromUtf8('k'), fromUtf8('i'), [], ''))),
    charactersOf(Macaroon.encode(Macaroon.mint(fromUtf8('k'), new Uint8Array(200), ['x='.padEnd(300, 'y'), 'a=b'], 'somewhere'))),
    charactersOf(
      Macaroon.encode(
        Macaroon.mint(
          fromUtf8('k'),
          fromUtf8('i'),
          Array.from({ length: 64 }, (_, at) => `a=${at}`),
        ),
      ),
    ),
  ],
  words: [
    '\x02',
    '\x01\x04lsat',
    '\x00\x02',
    '\x00\x00',
    '\x00\x00\x06\x20',
    '\x04\x00',
    '\x02\x80\x01',
    '\x02\x80\x00',
    '\x02\x80\x20',
    '\x02\xff\xff',
    ...caveatWords,
  ],
  run: (input) => {
    const bytes = bytesOf(input);
    const read = reading(() => Macaroon.decode(bytes), 'MACAROON_MALFORMED');
    must(read.caveats.length <= Macaroon.maxCaveats && read.signature.length === 32, 'beyond its limits');
    const written = Macaroon.encode(read);
    same(Macaroon.decode(written), read, 'decode(encode)');
    must(written.length <= bytes.length, 'longer when it is written again');
    // Only locations are ever left out; whatever is as long is the same.
    if (written.length === bytes.length) same(written, bytes, 'a second spelling');
    must(!Macaroon.verify(read, fromUtf8('a key that minted none of them')), 'verified under any key');
    return read;
  },
};

const macaroonText: Target = {
  name: 'macaroon-text',
  form: 'text',
  longest: 6000,
  seeds: [goodToken, goodToken.replace(/=+$/, ''), goodToken.replaceAll('+', '-').replaceAll('/', '_'), 'AgEEbHNhdA=='],
  words: ['=', '-', '_', 'AAA', 'Ag'],
  run: (input) => {
    const read = reading(() => Macaroon.parse(input), 'MACAROON_MALFORMED');
    same(Macaroon.parse(Macaroon.format(read)), read, 'parse(format)');
    return read;
  },
};

const rootKey = new Uint8Array(32).fill(3);

/** A plan: location, identifier, caveats. Minted under a known key, so that what is behind the signature is reached. */
const macaroonMinted: Target = {
  name: 'macaroon-minted',
  form: 'text',
  longest: 3000,
  batch: 60,
  seeds: ['lsat\nidentifier\nservices=api:0\napi_terms=pass', '\n\n', 'x\ny\na=b\nc=d\npath_prefix=/a'],
  words: caveatWords,
  run: (input) => {
    const [place = '', identifier = '', ...caveats] = linesOf(input).slice(0, 70);
    const minted = reading(() => Macaroon.mint(rootKey, fromUtf8(identifier), caveats, place), 'RangeError');
    // Half of a surrogate pair becomes a replacement character in UTF-8, as everywhere in the platform.
    const isText = [place, ...caveats].every((text) => text.isWellFormed());
    const read = Macaroon.parse(Macaroon.format(minted));
    if (isText) same(read, minted, 'parse(format)');
    must(Macaroon.verify(read, rootKey), 'its own signature does not hold');
    must(!Macaroon.verify(read, new Uint8Array(32)), 'another key verifies it');
    if (caveats.length > 0) must(!Macaroon.verify({ ...read, caveats: read.caveats.slice(0, -1) }, rootKey), 'a caveat can be taken off');
    const narrowed = unless(() => Macaroon.attenuate(read, ['method=GET']), 'RangeError');
    if (narrowed) must(Macaroon.verify(narrowed, rootKey), 'narrowed, its signature does not hold');
    return read;
  },
};

const headerWords = [
  'L402 ',
  'LSAT ',
  'l402',
  'Bearer ',
  'Basic ',
  'macaroon="',
  'token="',
  'invoice="',
  'version="0"',
  ', ',
  ',',
  '"',
  '\\"',
  "'",
  '=',
  ':',
  '\n',
  '\t',
  goodToken,
  preimage,
  `${goodToken}:${preimage}`,
];

const credential: Target = {
  name: 'credential',
  form: 'text',
  longest: 4000,
  seeds: [
    `L402 ${goodToken}:${preimage}`,
    `lsat AA:${preimage.toUpperCase()}`,
    `L402 AAAA,BBBB , CCCC:${preimage}`,
    `Bearer abc, L402 AA==:${preimage}, LSAT AAA=:${preimage}\nL402 AAAA:${preimage}`,
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==',
    `Digest a="x, L402 AAAA:${preimage}"`,
    Array.from({ length: 9 }, () => `L402 AAAA:${preimage}`).join(', '),
  ],
  words: headerWords,
  run: (input) => {
    const lines = linesOf(input);
    const { credentials, malformed } = Credential.parseAuthorization(lines);
    must(credentials.length <= Credential.maxCredentials, 'too many credentials');
    for (const { tokens, preimage: proof } of credentials) {
      must(
        tokens.length >= 1 && tokens.length <= Credential.maxTokens && tokens.every(({ length }) => length >= 1 && length <= 4096),
        'tokens beyond their limits',
      );
      must(proof !== undefined && /^[0-9a-f]{64}$/.test(proof), 'a proof that is none');
    }
    must(malformed === undefined || (malformed.code === 'CREDENTIAL_MALFORMED' && malformed.message.length < 300), 'an unknown fault');
    must(!/[0-9a-f]{16}/i.test(malformed?.message ?? ''), 'a secret in a message');
    checkWritten(credentials);
    // What is read here must not go on to an upstream.
    for (const line of lines) {
      const alone = Credential.parseAuthorization([line]);
      if (alone.credentials.length > 0 || alone.malformed) must(namesOurScheme(line), `a credential that would be forwarded: ${line.slice(0, 80)}`);
    }
    return credentials;
  },
};

/** Credentials with one token each, written and read again, on lines of their own and on one. */
function checkWritten(credentials: readonly Credential.Credential[]): void {
  const single = credentials.filter(({ tokens }) => tokens.length === 1);
  const written = single.map(({ scheme, tokens, preimage: proof }) =>
    Credential.format({ scheme: scheme === 'LSAT' ? 'LSAT' : 'L402', token: toBase64(tokens[0] as Uint8Array), preimage: proof as typeof preimage }),
  );
  if (written.length === 0) return;
  const fits = written.join(', ').length <= Credential.maxHeaderLength;
  if (!fits) return;
  same(Credential.parseAuthorization(written).credentials, single, 'parse(format) on lines');
  same(Credential.parseAuthorization([written.join(', ')]).credentials, single, 'parse(format) on one line');
}

const hexCredential: Target = {
  name: 'credential-hex',
  form: 'text',
  longest: 9000,
  seeds: ['', ' 00 ', toHex(Macaroon.encode(Macaroon.parse(goodToken))), '0'.repeat(8192), '0'.repeat(8194)],
  words: ['00', 'ff', ' ', '\t', '0x'],
  run: (input) => {
    const { credentials, malformed } = Credential.parseHexMacaroon(input);
    must(credentials.length === 0 || malformed === undefined, 'read and refused');
    const bytes = fromHex(trim(input));
    must((credentials.length === 1) === (bytes !== undefined && bytes.length > 0 && bytes.length <= 4096), 'hex is read otherwise than as hex');
    return credentials;
  },
};

const challenge: Target = {
  name: 'challenge',
  form: 'text',
  longest: 4000,
  seeds: [
    Challenge.formatLines({ token: goodToken, invoice: invoices.good }).join('\n'),
    Challenge.formatLines({ token: goodToken, invoice: invoices.good }).join(', '),
    'L402 macaroon=AAAA== invoice=lnbc1xyz',
    "LSAT macaroon='AAAA', invoice='LNBC1QQQ'",
    'Basic realm="a, L402 b", L402 token="t", invoice="lnbc1q", version="0"',
    'L402 macaroon="AA==", token="AA", invoice="lnbc1q"',
    'L402',
    'Negotiate YII=, L402 macaroon="x',
  ],
  words: headerWords,
  run: (input) => {
    const read = reading(() => Challenge.parse(linesOf(input)), 'CHALLENGE_MALFORMED');
    for (const { scheme, token, invoice } of read) {
      must(scheme === 'L402' || scheme === 'LSAT', 'a scheme of others');
      must(isToken68(token) && /^ln[a-z0-9]+$/.test(invoice), 'what could not be sent back');
      Credential.format({ scheme, token, preimage });
      const lines = unless(() => Challenge.formatLines({ token, invoice }), 'TypeError');
      if (lines === undefined) continue;
      const again = Challenge.parse(lines);
      must(again.length === 2 && again.every((one) => one.token === token && one.invoice === invoice), 'read otherwise when it is written again');
      same(Challenge.parse(lines.join(', ')), again, 'joined lines');
    }
    const chosen = Challenge.choose(read);
    must((chosen === undefined) === (read.length === 0), 'none is chosen');
    for (const line of linesOf(input)) {
      const ours = parseChallenges(line).some(({ scheme }) => scheme === 'l402' || scheme === 'lsat');
      if (ours) must(namesOurScheme(line), `a challenge of an upstream that would go back: ${line.slice(0, 80)}`);
    }
    return read;
  },
};

const httpAuth: Target = {
  name: 'http-auth',
  form: 'text',
  longest: 4000,
  seeds: ['Basic realm="a\\"b", charset=UTF-8', 'a b=c, d e==, f', ',,, x', "a b='c", 'a "b" c', 'Digest a=1 b=2,c = "3"'],
  words: headerWords,
  run: (input) => {
    const read = parseChallenges(input);
    const size = read.reduce(
      (sum, { scheme, parameters }) => sum + scheme.length + parameters.reduce((all, [name, value]) => all + name.length + value.length, 0),
      0,
    );
    must(size <= input.length, 'more is read than was there');
    must(
      read.every(({ scheme }) => scheme !== '' && scheme === scheme.toLowerCase()),
      'a scheme without a name',
    );
    const elements = splitList(input);
    must(
      elements.every((one) => one !== '' && one === trim(one)),
      'an element with spaces around it',
    );
    must(elements.join('').length <= input.length, 'more elements than were there');
    return [read, elements];
  },
};

const body: Target = {
  name: 'challenge-body',
  form: 'text',
  longest: 600,
  seeds: ['{"price":"10 sat"}\n1700000000', 'Translation API - 1 request\n0', '\n-1', 'x\n8640000000001'],
  words: ['8640000000000', '-62135596800', '9007199254740991', '"', '\\u0000'],
  run: (input) => {
    const [description = '', seconds = ''] = linesOf(input);
    const expiresAt = Number(seconds);
    const shared = {
      amountMsat: 10_001n as never,
      type: 't',
      title: 't',
      detail: description,
      code: 'PAYMENT_REQUIRED' as const,
      invoice: 'i',
      macaroon: 'm',
      paymentHash,
    };
    const text = reading(() => Challenge.formatBody({ ...shared, description, expiresAt, buys: { [description]: description } }), 'RangeError');
    const read = JSON.parse(text) as { readonly amount: number; readonly description: string };
    must(read.amount === 11 && read.description === description, 'JSON that says something else');
    return text;
  },
};

export const targets: readonly Target[] = [macaroonBytes, macaroonText, macaroonMinted, credential, hexCredential, challenge, httpAuth, body];
