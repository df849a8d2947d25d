/**
 * What each command writes to standard output, for programs: bytes, words for people alone, or JSON of these shapes.
 *
 * A field's type is a word of {@link types}; "?" behind it: it may be missing. A command with several shapes tells them apart by `kind`, or by
 * which fields are there.
 */

import type { Operation } from '../../admin/Operation.ts';
import { operations } from '../../admin/operations/index.ts';
import { kindOf } from '../../admin/Text.ts';

/** Fields and their types. */
export type Shape = { readonly [field: string]: string };

/** What a command writes. */
export type Output =
  /** What was bought, or made, as it is; JSON where `--json` is given. */
  | { readonly stdout: 'bytes'; readonly withJson?: Shapes }
  /** Words for people; there is nothing for programs. */
  | { readonly stdout: 'words' }
  /** Words on a terminal, JSON where it is piped or `--json` is given. */
  | ({ readonly stdout: 'words-or-json' } & Shapes);

/** `one`: a line. `many`: any number of lines. */
export type Shapes = { readonly lines: 'one' | 'many'; readonly shapes: readonly Shape[] };

/** What the words for types mean. */
export const types = {
  text: 'a string',
  number: 'a number',
  boolean: 'true or false',
  msat: 'a whole number of millisatoshi, as decimal text',
  amount: 'an amount with its unit, such as "50 sat"',
  hash: '64 hex digits',
  seconds: 'a time, in Unix seconds',
  time: 'a time, in ISO 8601',
  object: 'an object',
  list: 'an array',
} as const;

const payment: Shape = {
  paymentHash: 'hash',
  state: 'text',
  method: 'text',
  origin: 'text',
  path: 'text',
  scheme: 'text',
  invoice: 'text',
  invoiceExpiresAt: 'seconds',
  amountMsat: 'msat',
  reservedMsat: 'msat',
  spentMsat: 'msat',
  payer: 'text',
  network: 'text',
  usable: 'boolean',
  createdAt: 'seconds',
  dispatchedAt: 'seconds?',
  updatedAt: 'seconds',
  seen: 'boolean',
  note: 'text',
  hasProof: 'boolean',
};
const token: Shape = { ...payment, terms: 'text', validUntil: 'seconds?', services: 'list', paths: 'list', methods: 'list', good: 'boolean' };
const quote: readonly Shape[] = [
  { url: 'text', method: 'text', network: 'text', kind: 'text', status: 'number' },
  {
    ...{
      url: 'text',
      method: 'text',
      network: 'text',
      kind: 'text',
      paymentHash: 'hash',
      amountMsat: 'msat',
      maxFeeMsat: 'msat',
      invoice: 'text',
      payee: 'text',
    },
    ...{ description: 'text?', expiresAt: 'seconds', terms: 'text', buys: 'object?', allowed: 'boolean', refusedBy: 'text?', why: 'text?' },
  },
  { url: 'text', method: 'text', network: 'text', kind: 'text', paymentHash: 'hash', amountMsat: 'msat', terms: 'text', left: 'text?', validUntil: 'seconds?' },
  { url: 'text', method: 'text', network: 'text', kind: 'text', code: 'text', message: 'text', details: 'object' },
];
const receipt: Shape = {
  ...{
    paymentHash: 'hash',
    paidAt: 'seconds',
    amountMsat: 'msat',
    feeMsat: 'msat',
    fiat: 'object?',
    method: 'text',
    origin: 'text',
    path: 'text',
    bought: 'object',
  },
  ...{ outcome: 'text', payer: 'text', network: 'text', payee: 'text?', invoice: 'text' },
};
const budget: readonly Shape[] = [
  {
    ...{ kind: 'text', budget: 'text', per: 'text', host: 'text?', tag: 'text?', maxMsat: 'msat', spentMsat: 'msat', heldMsat: 'msat', leftMsat: 'msat' },
    endsAt: 'time?',
  },
  { kind: 'text', name: 'text', allow: 'list?', deny: 'list', consentAboveMsat: 'msat?' },
  { kind: 'text', network: 'text', spentMsat: 'msat', heldMsat: 'msat', stopped: 'boolean', stoppedBy: 'hash?', why: 'text?' },
];
const denial: Shape = { kind: 'text?', revoked: 'text', value: 'text', until: 'time?' };
const keys: Shape = { file: 'text', sealed: 'boolean', keys: 'list' };
const listening: Shape = { kind: 'text', url: 'text', network: 'text?' };

const branch: Shape = {
  ...{ kind: 'text', within: 'text?', name: 'text', state: 'text', note: 'text?', spentMsat: 'msat', heldMsat: 'msat', leftMsat: 'msat?' },
  ...{ payments: 'number', endsAt: 'time?' },
};

const one = (...shapes: readonly Shape[]): Output => ({ stdout: 'words-or-json', lines: 'one', shapes });
const many = (...shapes: readonly Shape[]): Output => ({ stdout: 'words-or-json', lines: 'many', shapes });
const words: Output = { stdout: 'words' };

/** What a command answers with that is an operation of admin, as its schema says. */
function ofOperation({ output, kind }: Operation): Output {
  const shape = Object.entries(output.shape).map(([name, field]) => [
    name,
    typeOf(name, field as Field) + ((field as Field).safeParse(null).success ? '?' : ''),
  ]);
  return { stdout: 'words-or-json', lines: kind === 'stream' ? 'many' : 'one', shapes: [Object.fromEntries(shape) as Shape] };
}

type Field = Parameters<typeof kindOf>[0];

function typeOf(name: string, field: Field): string {
  const kind = kindOf(field);
  if (kind === 'number') return name.endsWith('At') ? 'seconds' : 'number';
  if (kind === 'text' && name.endsWith('Msat')) return 'msat';
  return kind === 'json' ? (field.safeParse([]).success ? 'list' : 'object') : kind;
}

/** By the command's words. */
export const outputs: { readonly [command: string]: Output } = {
  ...Object.fromEntries(operations.map((operation) => [`admin ${operation.name.replace('.', ' ')}`, ofOperation(operation)])),
  'admin token': { stdout: 'bytes', withJson: { lines: 'one', shapes: [{ token: 'text' }] } },
  'admin link': one({ url: 'text' }),
  'mcp admin': { stdout: 'words' },
  demo: many(listening, { kind: 'text', sales: 'number', earnedMsat: 'msat' }, { kind: 'text' }),
  'mcp gate': many(
    { kind: 'text', url: 'text', network: 'text' },
    { kind: 'text', at: 'time', what: 'text', message: 'text', level: 'text?', code: 'text?' },
    { kind: 'text', at: 'time', route: 'text?', amountMsat: 'msat?', paymentHash: 'hash?' },
  ),
  'mcp serve': one({ kind: 'text', url: 'text', network: 'text' }),
  'mcp install': one({ host: 'text', file: 'text', copy: 'text?', changed: 'boolean' }),
  serve: many(
    { ...listening, introspectionUrl: 'text?', healthUrl: 'text?', metricsUrl: 'text?', adminUrl: 'text?', workers: 'number?' },
    {
      ...{ kind: 'text', at: 'time', method: 'text', path: 'text', route: 'text?', status: 'number', ended: 'text', durationMs: 'number', worker: 'number?' },
      ...{ level: 'text?', id: 'text?', bytes: 'number?', client: 'text?', payment: 'text?', chargedMsat: 'msat?', token: 'text?', error: 'text?' },
    },
    { kind: 'text', at: 'time', what: 'text', message: 'text', level: 'text?', code: 'text?' },
    { kind: 'text', at: 'time', isDone: 'boolean', routes: 'number?', message: 'text?', level: 'text?' },
    { kind: 'text', at: 'time', route: 'text?', amountMsat: 'msat?', paymentHash: 'hash?' },
  ),
  init: one({ file: 'text', service: 'text' }),
  check: one({ file: 'text', mistakes: 'list?' }, { routes: 'list' }),
  get: {
    stdout: 'bytes',
    withJson: {
      lines: 'many',
      shapes: [
        { url: 'text', status: 'number', headers: 'object', payment: 'object?', body: 'text?', bodyBase64: 'text?', file: 'text?', refused: 'object?' },
        { url: 'text', payment: 'object?', error: 'object', exitCode: 'number' },
        ...quote,
      ],
    },
  },
  quote: many(...quote),
  call: { stdout: 'bytes', withJson: { lines: 'one', shapes: [{ provider: 'text', payment: 'object?', passedOver: 'list', answer: 'object' }] } },
  pay: one({ paymentHash: 'hash', amountMsat: 'msat', feeMsat: 'msat', network: 'text', reused: 'boolean', description: 'text?' }),
  topup: one({ toppedUp: 'boolean?', credit: 'amount?', units: 'text?', account: 'hash', payment: 'object?' }),
  'wallet connect': one({ name: 'text', product: 'text', network: 'text', alias: 'text', spendable: 'amount' }),
  'wallet list': one({ '[]': 'object' }),
  'wallet remove': words,
  'budget show': many(...budget),
  'budget set': many(...budget),
  'budget remove': many(...budget),
  'budget stop': many(...budget),
  'budget allow': many(...budget),
  'budget branch': many(branch),
  'budget pull': many(branch),
  'budget tree': many(branch),
  'journal list': many({ kind: 'text', ...payment }),
  'journal show': one(payment),
  'journal resolve': one(payment),
  'journal resume': many({ kind: 'text', ...payment }),
  'tokens list': many({ kind: 'text', ...token }),
  'tokens show': one(token),
  'tokens remove': one(token),
  'tokens attenuate': { stdout: 'bytes' },
  'tokens import': many({ file: 'text', origin: 'text', kind: 'text', why: 'text' }),
  'receipts list': many(receipt),
  'receipts show': one({ ...receipt, verified: 'text' }),
  'receipts export': { stdout: 'bytes' },
  'receipts verify': many(
    {
      ...{
        paymentHash: 'hash',
        kind: 'text',
        why: 'text?',
        missing: 'text?',
        amountMsat: 'msat?',
        payee: 'text?',
        description: 'text?',
        invoicedAt: 'seconds?',
      },
    },
    {
      ...{ kind: 'text', why: 'text?', paymentHash: 'hash', amountMsat: 'msat', service: 'text', route: 'text', terms: 'text', network: 'text' },
      ...{ realm: 'text', issuedAt: 'seconds', kid: 'text' },
    },
  ),
  doctor: many({ wallet: 'text', findings: 'list' }),
  'drivers list': many({ driver: 'text', sells: 'boolean', buys: 'boolean', triedAgainst: 'text' }),
  'drivers verify': many(
    { driver: 'text', network: 'text', seller: 'text', buyer: 'text', alias: 'text', spendable: 'amount?', atMost: 'amount' },
    { case: 'text', verdict: 'text', reason: 'text?', needs: 'text?' },
    { driver: 'text', holds: 'number', fails: 'number', leftOut: 'number', isWhole: 'boolean' },
  ),
  sales: many(
    { kind: 'text', network: 'text?', settledMsat: 'msat', settled: 'number', receivedMsat: 'msat', earnedMsat: 'msat', payments: 'number', sales: 'number' },
    { kind: 'text', at: 'time', amountMsat: 'msat', paymentHash: 'hash', service: 'text', route: 'text', note: 'text', seq: 'number' },
  ),
  'webhooks list': many({ kind: 'text', name: 'text', origin: 'text', events: 'list', told: 'number?', left: 'number?', isAsked: 'boolean' }),
  'webhooks replay': one({ kind: 'text', name: 'text', after: 'number' }),
  'store verify': many(
    { kind: 'text', network: 'text', store: 'text', at: 'time', balanced: 'boolean', found: 'number', sandbox: 'text' },
    { kind: 'text', discrepancy: 'text', paymentHash: 'hash', sentence: 'text' },
    { kind: 'text', paymentHash: 'hash', amountMsat: 'msat', at: 'time' },
  ),
  'store migrate': one({ kind: 'text', store: 'text', from: 'number?', to: 'number' }),
  'store export': { stdout: 'bytes' },
  'store import': one({ kind: 'text', store: 'text', rows: 'number', balanced: 'boolean', received: 'object', earned: 'object' }),
  'token inspect': one({ kind: 'text', network: 'text', realm: 'text', services: 'list', paymentHash: 'hash?', mintedAt: 'time?', signature: 'text' }),
  'token attenuate': { stdout: 'bytes', withJson: { lines: 'one', shapes: [{ token: 'text?', credential: 'text?', added: 'list', warnings: 'list' }] } },
  'token tree': many({
    kind: 'text',
    name: 'hash',
    above: 'hash?',
    unit: 'text',
    of: 'msat?',
    spent: 'msat?',
    underWay: 'msat?',
    left: 'msat?',
    topUps: 'number?',
    revoked: 'boolean',
  }),
  'keys list': one(keys),
  'keys new': one({ file: 'text', fingerprint: 'text', role: 'text', sealed: 'boolean' }),
  'keys rotate': one({ file: 'text', fingerprint: 'text', mintsFrom: 'time', minting: 'text?', keys: 'number' }),
  'keys retire': one({ file: 'text', retired: 'text', revoked: 'boolean', keys: 'number' }),
  'keys seal': one({ file: 'text', sealed: 'boolean' }),
  'keys unseal': one({ file: 'text', sealed: 'boolean' }),
  revoke: many(denial),
  'revoke list': many(denial),
  'sandbox run': one({ kind: 'text', network: 'text', url: 'text', books: 'text' }),
  'sandbox status': one({ network: 'text', url: 'text', nodes: 'list', payments: 'list', faults: 'list', balanced: 'boolean' }),
  'sandbox fund': one({ network: 'text', name: 'text', spendableMsat: 'msat', receivableMsat: 'msat' }),
  'sandbox fault': one({ network: 'text', node: 'text', kind: 'text', payments: 'number?' }),
  'sandbox clear': one({ network: 'text', cleared: 'list' }),
  'sandbox delay': one({ network: 'text', delayMs: 'number' }),
  lie: one({ kind: 'text', url: 'text', wallet: 'object', limits: 'object', ways: 'list' }),
  'lying-server': one({ kind: 'text', url: 'text', limits: 'object?', ways: 'list?' }),
  audit: many(
    { name: 'text', group: 'text', asks: 'text', severity: 'text' },
    { kind: 'text', what: 'text', exitCode: 'number', requests: 'number', payments: 'number', spentMsat: 'msat', counts: 'object', findings: 'list' },
  ),
  schema: { stdout: 'bytes' },
  completion: { stdout: 'bytes' },
};
