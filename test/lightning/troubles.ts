/**
 * Ways in which a wallet's API goes wrong, whatever it was asked. An `echo` sends back all that it was sent.
 */
import { type Asked, type Double, openDouble, type Told } from './Double.ts';
import type { Node } from './Node.ts';

export const troubles = ['another error', 'a page', 'nothing', 'an echo', 'an echo that is refused'] as const;

export type Trouble = (typeof troubles)[number];

/** How a product's API is opened over a node, or one of its kind that is in trouble. */
export type Open = (node: Node, trouble?: Trouble) => Promise<Double>;

/** An API over HTTP. */
export function http(answers: (node: Node) => (asked: Asked) => Promise<Told>): Open {
  return (node, trouble) => openDouble(trouble === undefined ? answers(node) : overHttp[trouble]);
}

const overHttp: Readonly<Record<Trouble, (asked: Asked) => Promise<Told>>> = {
  'another error': async () => ({ status: 500, body: { message: 'boom', detail: 'boom', error: 'boom' } }),
  'a page': async () => ({ status: 200, text: '<html>' }),
  nothing: async () => ({ status: 200, body: {} }),
  'an echo': async ({ headers, body }) => {
    const all = `${JSON.stringify(headers)} ${body}`;
    return { status: 500, body: { message: all, detail: all, error: all, reason: all } };
  },
  'an echo that is refused': async ({ headers }) => ({ status: 401, body: { code: 1501, message: JSON.stringify(headers), detail: JSON.stringify(headers) } }),
};
