/**
 * `farebox token tree`: what was handed on of a token, and who has spent what of it, from the store of the gateways.
 *
 * A part is shown once something was asked for with it. Its name is a digest: it says which part is meant, to `farebox revoke --part` for one, and
 * is no way to use it.
 */
import * as Amount from '../../core/Amount.ts';
import type { Node, Wanted } from '../../server/DelegationTree.ts';
import { type Terminal, table } from '../Terminal.ts';

/** Prints a tree for a person, or a line of JSON for each part. */
export function print(terminal: Terminal, nodes: readonly Node[], wanted: Wanted): void {
  const { tone } = terminal;
  for (const node of nodes) terminal.data(toData(node));
  const rows = nodes.map((node) => {
    const { depth, kind, name, isRevoked } = node;
    const what = depth === 0 ? titles[kind] : `${kind} ${name.slice(0, 12)}`;
    const marks = [isRevoked ? tone('bad', 'revoked') : '', wanted.kind === 'token' && wanted.given === name ? tone('quiet', '← what was given') : ''];
    return [`${'  '.repeat(depth)}${depth === 0 ? tone('strong', what) : what}`, ...columnsOf(node), marks.filter(Boolean).join('  ')];
  });
  for (const row of table([['', 'of', 'spent', 'under way', 'left', ''].map((word) => tone('quiet', word)), ...rows], [1, 2, 3, 4])) terminal.line(row);
  if (nodes.length === 1) terminal.line(tone('quiet', 'Nothing that was handed on of it has been used.'));
}

const titles: { readonly [kind in Node['kind']]: string } = {
  credit: 'a credit',
  bucket: 'a bucket',
  pass: 'a token that is not counted',
  part: 'a part',
  carved: 'a part that was carved out',
};

function columnsOf({ counted, unit }: Node): readonly string[] {
  if (counted === undefined) return ['', '', '', ''];
  const { units, spent, reserved } = counted;
  return [units, spent, reserved, units - spent - reserved].map((number) => (unit === 'msat' ? moneyOf(number) : `${number}`));
}

function moneyOf(msat: bigint): string {
  return msat > Amount.maxMsat || msat < 0n ? `${msat} msat` : Amount.format(Amount.fromMsat(msat));
}

function toData({ name, above, kind, unit, counted, topUps, isRevoked }: Node): object {
  const left = counted && counted.units - counted.spent - counted.reserved;
  return { kind, name, above: above ?? null, unit, of: counted?.units, spent: counted?.spent, underWay: counted?.reserved, left, topUps, revoked: isRevoked };
}
