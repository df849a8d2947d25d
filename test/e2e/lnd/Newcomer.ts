/**
 * A newcomer's path as `docs/wallets.md` prints it: the commands and the configuration are taken out of the guide, and run word for word but for what
 * is different on every machine (addresses, files, the network).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Desk, Ended, Running } from '../processes.ts';
import type { Node } from './Nodes.ts';

/** One step: what the guide says to type, and doing it. */
export type Step = { readonly name: string; readonly run: () => Promise<void> };

/** Somebody on the path: steps in their order, and what came of it. */
export type Newcomer = {
  readonly steps: readonly Step[];
  /** What each command printed, by the name of its step. */
  readonly printed: ReadonlyMap<string, Ended>;
  /** The gateway, once it has been started. */
  readonly gateway: () => Running | undefined;
};

/** Where a newcomer stands: an API of their own at this address, and a desk without anything on it. */
export type Start = { readonly desk: Desk; readonly api: string };

/** From nothing to the first sale into a node of one's own, paid out of another. */
export function withNodes(start: Start, seller: Node, buyer: Node): Newcomer {
  const guide = readGuide();
  const { step, type, serve, steps, printed, gateway } = begin(start, [
    ['http://localhost:3000', start.api],
    ['--macaroon', '--network regtest --macaroon'],
    ['https://127.0.0.1:8080', buyer.url],
    ['~/.lnd/tls.cert', buyer.certificatePath],
  ]);
  const bake = (node: Node, command: string) => {
    const [, permissions = '', file = ''] = /^lncli bakemacaroon (.+) --save_to (\S+)$/.exec(command) ?? [];
    // lncli asks the node for it, and writes it down; so do we.
    step(command, async () => writeFileSync(join(start.desk.folder, file), Buffer.from(await node.bake(...permissions.split(' ')), 'hex')));
  };
  bake(seller, guide.command(/^lncli bakemacaroon .* --save_to farebox-invoices\.macaroon$/));
  type(guide.command(/^farebox init /));
  step('farebox.yaml', async () => {
    const lightning = guide
      .yaml(/^lightning:\n {2}network: regtest\n {2}ready: \d+\n {2}lnd:\n/)
      .replace('https://127.0.0.1:8080', seller.url)
      .replace('~/.lnd/tls.cert', seller.certificatePath);
    configure(start, lightning);
  });
  type(guide.command(/^farebox doctor$/));
  serve(guide.command(/^farebox serve$/));
  bake(buyer, guide.command(/^lncli bakemacaroon .* --save_to farebox-pay\.macaroon$/));
  type(guide.command(/^farebox wallet connect lnd /));
  type(guide.command(/^farebox get /));
  return { steps, printed, gateway };
}

/** The same path on the sandbox, where nothing is baked and nothing connected. */
export function onSandbox(start: Start): Newcomer {
  const guide = readGuide();
  const { step, type, serve, steps, printed, gateway } = begin(start, [['http://localhost:3000', start.api]]);
  type(guide.command(/^farebox init /));
  step('farebox.yaml', async () => configure(start, 'lightning: sandbox\n'));
  type(guide.command(/^farebox doctor$/));
  serve(guide.command(/^farebox serve$/));
  type(guide.command(/^farebox get /));
  return { steps, printed, gateway };
}

/** Puts the wallet into the file that `farebox init` wrote; and any port, as 8402 may be somebody else's. */
function configure({ desk }: Start, lightning: string): void {
  const file = join(desk.folder, 'farebox.yaml');
  const written = readFileSync(file, 'utf8');
  for (const line of ['\nlightning: sandbox\n', '127.0.0.1:8402\n'])
    if (!written.includes(line)) throw new Error(`farebox init no longer writes "${line.trim()}"`);
  writeFileSync(file, written.replace('\nlightning: sandbox\n', `\n${lightning}`).replace('127.0.0.1:8402', '127.0.0.1:0'));
}

/** A list of steps that is being written; `theirs`: what stands in the guide, and what stands for it here. */
function begin({ desk }: Start, theirs: readonly (readonly [string, string])[]) {
  const steps: Step[] = [];
  const printed = new Map<string, Ended>();
  let running: Running | undefined;
  let url = '';
  const words = (command: string) => {
    const ours = theirs.reduce((text, [from, to]) => text.replace(from, to), command).replace('http://127.0.0.1:8402', url);
    return [...ours.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '').slice(1);
  };
  const step = (name: string, run: Step['run']) => void steps.push({ name, run });
  const type = (command: string) =>
    step(command, async () => {
      const ended = await desk.run(...words(command));
      printed.set(command, ended);
      if (ended.code !== 0) throw new Error(`${command} ended with ${ended.code}: ${ended.stdout}${ended.stderr}`);
    });
  const serve = (command: string) =>
    step(command, async () => {
      running = desk.start(...words(command));
      url = (await running.says(({ kind }) => kind === 'listening')).url as string;
    });
  return { steps, printed, step, type, serve, gateway: () => running };
}

/** What the guide prints: its commands, and its pieces of configuration. */
function readGuide() {
  const text = readFileSync(fileURLToPath(new URL('../../../docs/wallets.md', import.meta.url)), 'utf8');
  const commands = [...text.matchAll(/^ {4}(.+)$/gm)].map(([, command = '']) => command);
  const pieces = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, piece = '']) => piece);
  const only = (what: readonly string[], pattern: RegExp) => {
    const [found, ...others] = what.filter((one) => pattern.test(one));
    if (found === undefined || others.length > 0) throw new Error(`docs/wallets.md has ${others.length + (found ? 1 : 0)} of ${pattern}`);
    return found;
  };
  return { command: (pattern: RegExp) => only(commands, pattern), yaml: (pattern: RegExp) => only(pieces, pattern) };
}
