/**
 * What verifying and minting a token costs, beside the npm package `macaroon` and the library in Go.
 *
 * - *The token* is the same work for all three: base64, the binary form, and a signature that holds under the root key. Nobody looks into
 *   the caveats.
 * - *Sign* is a root key, an identifier and three caveats made into a macaroon in memory; *mint* is that and the base64 of its binary form.
 * - *The credential* is ours alone: the value of `Authorization` is parsed, the macaroon decoded, its signature verified under the root key,
 *   and the preimage hashed and held against the identifier.
 * - *First sight* is all that the gateway's verifier does with a token that it does not remember: the credential, the root key derived from
 *   the master key, six caveats held against the request, and the key under which its use is counted.
 */
import * as Credential from '../../src/core/Credential.ts';
import { equal } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import type { RequestView } from '../../src/http/RequestView.ts';
import { createVerifier } from '../../src/server/Verifier.ts';
import type { Run } from '../harness/Bench.ts';
import { type Comparison, compare, type Side } from '../harness/Comparison.ts';
import { loop } from '../harness/Loop.ts';
import { printRows, printTable } from '../harness/Table.ts';
import { startGoLibrary } from './goLibrary.ts';
import { loadNpmPackage } from './npmPackage.ts';
import { keys, mintedAt, mintTokens, type PaidToken, sixCaveats, threeCaveats } from './Tokens.ts';

export const summary = 'Tokens verified and minted, beside the npm package macaroon and the library in Go';

const tokenCount = 256;

export const run: Run = async ({ isQuick }) => {
  const tokens = mintTokens(tokenCount, threeCaveats);
  const count = isQuick ? 500 : 10_000;
  const options = { rounds: isQuick ? 9 : 31, warmUps: 3 };
  const side = (name: string, work: (token: PaidToken) => unknown, of: readonly PaidToken[] = tokens): Side => ({
    name,
    run: () => loop((index) => work(of[index % of.length] as PaidToken), count),
  });
  const ours = { token: side('ours', verifyToken), credential: side('ours', verifyCredential), mint: side('ours', mint), sign: side('ours', sign) };
  const whole = side('ours, by the verifier', firstSight, mintTokens(tokenCount, sixCaveats));
  const comparisons: Comparison[] = [];
  const add = async (name: string, a: Side, b: Side) => comparisons.push(await compare({ name, a, b, ...options }));

  const npm = await loadNpmPackage();
  if (typeof npm === 'string') console.log(`Not beside the npm package: ${npm}.`);
  else {
    for (const token of tokens) if (!equal(npm.sign(token), sign(token))) throw new Error(`${npm.name} signs another way`);
    await add('verify the token', side(npm.name, npm.verify), ours.token);
    await add('sign a new token', side(npm.name, npm.sign), ours.sign);
  }
  const go = await startGoLibrary(tokens);
  if (typeof go === 'string') console.log(`Not beside the library in Go: ${go}.`);
  else {
    try {
      await add('verify the token', { name: go.name, run: () => go.run('verify', count) }, ours.token);
      await add('mint a token', { name: go.name, run: () => go.run('mint', count) }, ours.mint);
    } finally {
      await go.stop();
    }
  }
  await add('the token alone, and the credential', ours.token, ours.credential);
  await add('the credential, and first sight', ours.credential, whole);
  printTable(comparisons);
  printRates(comparisons);
};

/** What the others can do as well. */
function verifyToken({ text, rootKey }: PaidToken): void {
  if (!Macaroon.verify(Macaroon.parse(text), rootKey)) throw new Error('the signature does not hold');
}

/** From the header to a token whose payment is proven. */
function verifyCredential({ header, rootKey }: PaidToken): void {
  const [credential] = Credential.parseAuthorization([header]).credentials;
  const [bytes] = credential?.tokens ?? [];
  if (credential?.preimage === undefined || bytes === undefined) throw new Error('the header was not read');
  const macaroon = Macaroon.decode(bytes);
  if (!Macaroon.verify(macaroon, rootKey)) throw new Error('the signature does not hold');
  if (!Preimage.provesBytes(credential.preimage, macaroon.identifier.subarray(2, 34))) throw new Error('the preimage proves nothing');
}

function sign({ rootKey, identifier, caveats }: PaidToken): Uint8Array {
  return Macaroon.mint(rootKey, identifier, caveats).signature;
}

function mint({ rootKey, identifier, caveats }: PaidToken): string {
  return Macaroon.format(Macaroon.mint(rootKey, identifier, caveats));
}

/** It remembers passes only, and these tokens are good for one request each: every one is seen for the first time. */
const verifier = createVerifier(keys);

const demand = {
  service: 'api',
  tier: 0,
  method: 'GET',
  path: '/v1/translate',
  pattern: '/v1/translate',
  priced: '',
  nowAt: mintedAt + 60,
  capabilities: [],
};

const nothing: readonly string[] = [];

function firstSight({ header }: PaidToken): void {
  const lines = [header];
  const request: RequestView = {
    method: 'GET',
    target: '/v1/translate',
    clientAddress: '127.0.0.1',
    header: () => undefined,
    headerLines: (name) => (name === 'authorization' ? lines : nothing),
    readBody: async () => new Uint8Array(0),
  };
  if (verifier(request, demand).kind !== 'verified') throw new Error('the verifier did not accept a good token');
}

/** Every side once, as a rate. */
function printRates(comparisons: readonly Comparison[]): void {
  const rate = (microseconds: number) => `${Math.round(1000 / microseconds)} thousand a second on one core`;
  const rows = comparisons.flatMap(({ name, a, b, aMicroseconds, bMicroseconds }) => [
    [name, a, rate(aMicroseconds)],
    [name, b, rate(bMicroseconds)],
  ]);
  printRows(rows);
}
