/**
 * A seller on the sandbox of a home, and commands of that home that buy from it.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exitCodeOf } from '../../src/cli/exit.ts';
import type { Home } from '../../src/cli/Home.ts';
import { openSandbox, type SandboxLink } from '../../src/cli/SandboxLink.ts';
import { systemClock } from '../../src/core/Clock.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { createFake, type Fake, type FakeOptions } from './fakeContext.ts';

/** A command that has ended. */
export type Ran = Fake & {
  readonly code: number;
  /** What it ended with, in words; '' where it did not fail. */
  readonly error: string;
};

/** A command that runs. */
export type Runs = Fake & { readonly ended: Promise<Ran> };

/** See the head of this file. */
export type Market = {
  /** The gateway; everything costs 10 sat a request, but what is below `/free`, `/dear` (5000 sat), `/least` (1 msat) and `/pass` (an hour for 10 sat). */
  readonly url: string;
  /** The same host without a gateway in front. */
  readonly bare: string;
  readonly link: SandboxLink;
  readonly home: Home;
  /** A file's name in a folder that goes with the market. */
  readonly path: (name: string) => string;
  readonly start: (register: Parameters<typeof createFake>[0], args: readonly string[], options?: FakeOptions) => Runs;
  readonly run: (register: Parameters<typeof createFake>[0], args: readonly string[], options?: FakeOptions) => Promise<Ran>;
  /** How many payments the seller has received. */
  readonly payments: () => Promise<number>;
  readonly close: () => Promise<void>;
};

/** Opens one in front of an upstream. */
export async function openMarket(handle: RequestListener): Promise<Market> {
  const first = createFake(() => {});
  const closing: (() => Promise<void> | void)[] = [first.remove];
  const upstream = createServer(handle).listen(0, '127.0.0.1');
  await new Promise((resolve) => upstream.once('listening', resolve));
  const bare = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const link = await openSandbox(first.home);
  const store = createMemoryStore();
  const routes = [
    { path: '/free/*', free: true },
    { path: '/dear/*', price: '5000 sat' },
    { path: '/least/*', price: '1 msat', exactMsat: true },
    { path: '/pass/*', price: '10 sat', terms: 'pass: 1h' },
    { path: '/*', price: '10 sat' },
  ];
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
  const config = createConfig({ listen: '127.0.0.1:0', store: 'memory', services: [{ name: 'api', title: 'Files', upstream: bare, routes }] });
  const gateway = await createGateway({ config, receiver: link.sandbox.receiver('seller'), keys, store });
  closing.push(
    () => link.close(),
    store.close,
    () =>
      new Promise((resolve) => {
        upstream.closeAllConnections();
        upstream.close(() => resolve());
      }),
    gateway.close,
  );
  const { url } = await gateway.listen();
  const start: Market['start'] = (register, args, options = {}) => {
    const fake = createFake(register, {
      interactive: false,
      clock: systemClock,
      ...options,
      environment: { FAREBOX_HOME: first.home.folder, ...options.environment },
    });
    closing.push(fake.remove);
    const ended = fake.run(...args).then(
      () => ({ ...fake, code: 0, error: '' }),
      (error: unknown) => ({ ...fake, code: exitCodeOf(error), error: wordsOf(error) }),
    );
    return { ...fake, ended };
  };
  return {
    url,
    bare,
    link,
    home: first.home,
    path: first.path,
    start,
    run: (register, args, options) => start(register, args, options).ended,
    payments: async () => (await store.totals()).payments,
    close: async () => {
      for (const close of closing.reverse()) await close();
    },
  };
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const label = 'label' in error ? error.label : 'code' in error ? error.code : error.name;
  return `${String(label)} ${error.message}`;
}
