/**
 * A service behind a Lightning address over nodes of the sandbox.
 *
 * @see LUD-06, LUD-12, LUD-16 and LUD-21 (https://github.com/lnurl/luds)
 */
import { createHash } from 'node:crypto';
import type { Asked, Told } from './Double.ts';
import type { Node } from './Node.ts';

const metadata = JSON.stringify([
  ['text/identifier', 'seller@wallet.example'],
  ['text/plain', 'to the seller'],
]);

/** Its answers. `verify`: whether it offers LUD-21. */
export function lnurl(node: Node, verify = true): (asked: Asked) => Promise<Told> {
  return async ({ method, path, query, headers }) => {
    const origin = `http://${headers.host}`;
    if (method !== 'GET') return { status: 405, text: 'Method not allowed' };
    if (path === '/.well-known/lnurlp/seller') {
      return {
        status: 200,
        body: { tag: 'payRequest', callback: `${origin}/pay?user=seller`, minSendable: 1, maxSendable: 100_000_000_000, metadata, commentAllowed: 144 },
      };
    }
    if (path === '/pay' && query.get('user') === 'seller') return pay(node, query, origin, verify);
    const hash = /^\/verify\/([0-9a-f]{64})$/.exec(path)?.[1];
    const found = hash === undefined ? undefined : await node.invoice(hash);
    if (!verify || found === undefined) return { status: 404, body: { status: 'ERROR', reason: 'Not found' } };
    const settled = found.state.kind === 'paid';
    return { status: 200, body: { status: 'OK', settled, preimage: settled ? node.preimageOf(found.paymentHash) : null, pr: found.text } };
  };
}

async function pay(node: Node, query: URLSearchParams, origin: string, verify: boolean): Promise<Told> {
  const amount = query.get('amount') ?? '';
  if (!/^[1-9]\d*$/.test(amount)) return { status: 200, body: { status: 'ERROR', reason: 'Amount is no whole number of millisatoshis' } };
  if ((query.get('comment') ?? '').length > 144) return { status: 200, body: { status: 'ERROR', reason: 'Comment is too long' } };
  const made = await node.create(BigInt(amount), createHash('sha256').update(metadata).digest('hex'), 600);
  return { status: 200, body: { pr: made.text, routes: [], ...(verify ? { verify: `${origin}/verify/${made.paymentHash}` } : {}) } };
}
