/**
 * Real nodes on this machine: a chain of their own (btcd, regtest), and three lnd nodes with channels between them, so that a payment from
 * the first to the last is forwarded and costs a fee.
 *
 *     alice (buys) ── 5,000,000 sat ── carol (forwards) ── 5,000,000 sat ── bob (sells)
 *
 * Everything listens on loopback, at ports from the system, in a folder that goes with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { bech32 } from '@scure/base';
import type { Binaries } from './Binaries.ts';

/** A node of the three. */
export type Node = {
  readonly name: string;
  /** Its REST address. */
  readonly url: string;
  readonly certificatePath: string;
  readonly adminMacaroonPath: string;
  readonly nodeId: string;
  /** Calls its REST API as its administrator. @throws Error – another status than 200 */
  readonly call: (path: string, body?: unknown) => Promise<Json>;
  /** Connects it to another one, now and whenever somebody waits for it to be at rest: lnd takes its time with that by itself. */
  readonly connect: (to: Node) => Promise<void>;
  /** Where other nodes reach it. */
  readonly host: string;
  /** Makes a macaroon that may do so much, in hex; each permission is written `entity:action`. */
  readonly bake: (...permissions: readonly string[]) => Promise<string>;
  /** Ends it at once, as a power cut does. */
  readonly kill: () => Promise<void>;
  /** Starts it again and waits until it can pay and be paid. */
  readonly start: () => Promise<void>;
  /** Waits until its channels are active and nothing is under way in them, and forgets which ways failed while somebody was away. */
  readonly atRest: () => Promise<void>;
  /** Holds the process, or lets it go on: a node that is there and does not answer. */
  readonly hold: (isHeld: boolean) => void;
};

/** What a node answers. */
export type Json = { readonly [name: string]: unknown };

/** The chain and its nodes. */
export type Nodes = {
  readonly alice: Node;
  readonly bob: Node;
  readonly carol: Node;
  readonly folder: string;
  readonly mine: (blocks: number) => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** What each channel holds, and what of it stands at its far end from the beginning. */
const channelSat = 5_000_000;
const pushedSat = 1_000_000;

/** btcd's regtest activates segwit by votes in windows of 144 blocks, three of which it takes. */
const blocksUntilSegwit = 450;

/** Starts them, funds alice, opens both channels and waits until alice knows a way to bob. About half a minute. */
export async function startNodes(binaries: Binaries): Promise<Nodes> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-nodes-'));
  const programs = new Set<ChildProcess>();
  const stop = async () => {
    await Promise.all([...programs].map((program) => end(program, 'SIGKILL')));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const launch = (name: string, file: string, options: readonly string[]) => {
      const program = spawn(file, options, { stdio: ['ignore', 'pipe', 'pipe'] });
      const log = createWriteStream(join(folder, `${name}.log`), { flags: 'a' });
      program.stdout.pipe(log, { end: false });
      program.stderr.pipe(log, { end: false });
      programs.add(program);
      program.once('exit', () => programs.delete(program));
      return program;
    };
    return { ...(await build(binaries, folder, launch)), folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Launch = (name: string, file: string, options: readonly string[]) => ChildProcess;

async function build(binaries: Binaries, folder: string, launch: Launch): Promise<Omit<Nodes, 'folder' | 'stop'>> {
  const chain = await startChain(binaries.btcd, folder, launch, nobodysAddress());
  await chain.mine(1);
  const make = (name: string) => createNode(name, binaries.lnd, folder, launch, chain);
  const [alice, carol, bob] = await Promise.all([make('alice'), make('carol'), make('bob')]);
  const buyers = [alice, carol];
  await Promise.all(buyers.map((node) => node.start()));
  // btcd mines to the addresses that it was started with, and begins its chain anew whenever it starts: the nodes are not to see that happen.
  const addresses = await Promise.all(buyers.map(addressOf));
  await Promise.all(buyers.map((node) => node.kill()));
  await chain.restart(addresses);
  await chain.mine(blocksUntilSegwit);
  await Promise.all([alice, carol, bob].map((node) => node.start()));
  await Promise.all(
    [alice, carol].map((node) =>
      until(`${node.name} has money`, async () => Number((await node.call('/v1/balance/blockchain')).confirmed_balance) > 2 * channelSat),
    ),
  );
  await open(alice, carol, chain.mine);
  await open(carol, bob, chain.mine);
  for (const node of [alice, bob]) await node.connect(carol);
  for (const node of [alice, bob]) await carol.connect(node);
  await until('alice knows the way to bob', async () => {
    const { routes } = await alice.call(`/v1/graph/routes/${bob.nodeId}/1000`).catch(() => ({ routes: [] }));
    return (routes as readonly unknown[]).length > 0;
  });
  return { alice, bob, carol, mine: chain.mine };
}

async function addressOf(node: Node): Promise<string> {
  return (await node.call('/v1/newaddress?type=0')).address as string;
}

/** A channel from one node to another, active on both sides. */
async function open(from: Node, to: Node, mine: Nodes['mine']): Promise<void> {
  for (const node of [from, to]) await until(`${node.name} has the whole chain`, async () => (await node.call('/v1/getinfo')).synced_to_chain === true);
  await from.connect(to);
  await until(`${from.name} is connected to ${to.name}`, async () =>
    ((await from.call('/v1/peers')).peers as readonly Json[]).some(({ pub_key }) => pub_key === to.nodeId),
  );
  await from.call('/v1/channels', { node_pubkey_string: to.nodeId, local_funding_amount: String(channelSat), push_sat: String(pushedSat), sat_per_vbyte: '2' });
  const isActive = async (one: Node, other: Node) =>
    ((await one.call('/v1/channels')).channels as readonly Json[]).some(({ remote_pubkey, active }) => remote_pubkey === other.nodeId && active === true);
  await until(`the channel from ${from.name} to ${to.name}`, async () => {
    await mine(1);
    return (await isActive(from, to)) && isActive(to, from);
  });
  // Six confirmations, and it is announced.
  await mine(6);
}

type Chain = { readonly mine: Nodes['mine']; readonly restart: (addresses: readonly string[]) => Promise<void>; readonly options: readonly string[] };

async function startChain(file: string, folder: string, launch: Launch, address: string): Promise<Chain> {
  const home = join(folder, 'btcd');
  mkdirSync(home);
  const [listen, rpc] = await Promise.all([freePort(), freePort()]);
  const certificatePath = join(home, 'rpc.cert');
  const access = { user: 'suite', pass: 'suite' };
  const start = (addresses: readonly string[]) =>
    launch('btcd', file, [
      '--regtest',
      `--datadir=${home}`,
      `--logdir=${home}`,
      `--configfile=${join(home, 'none.conf')}`,
      `--rpccert=${certificatePath}`,
      `--rpckey=${join(home, 'rpc.key')}`,
      `--rpcuser=${access.user}`,
      `--rpcpass=${access.pass}`,
      `--rpclisten=127.0.0.1:${rpc}`,
      `--listen=127.0.0.1:${listen}`,
      '--nodnsseed',
      '--txindex',
      '--debuglevel=warn',
      ...addresses.map((one) => `--miningaddr=${one}`),
    ]);
  const ask = async (method: string, ...params: readonly unknown[]): Promise<unknown> => {
    const text = JSON.stringify({ jsonrpc: '1.0', id: 1, method, params });
    const authorization = `Basic ${Buffer.from(`${access.user}:${access.pass}`).toString('base64')}`;
    const answer = await send(`https://127.0.0.1:${rpc}/`, certificatePath, { authorization }, text);
    const { result, error } = JSON.parse(answer.text) as { readonly result: unknown; readonly error: unknown };
    if (error) throw new Error(`btcd: ${JSON.stringify(error)}`);
    return result;
  };
  const ready = () => until('btcd answers', async () => (await ask('getblockcount')) !== undefined);
  let program = start([address]);
  await ready();
  return {
    mine: async (blocks) => void (await ask('generate', blocks)),
    restart: async (addresses) => {
      // At once: asked to end, btcd sometimes waits for ever for connections whose other ends were killed. The chain goes anyway.
      await end(program, 'SIGKILL');
      program = start(addresses);
      await ready();
    },
    options: [
      '--bitcoin.node=btcd',
      `--btcd.rpchost=127.0.0.1:${rpc}`,
      `--btcd.rpcuser=${access.user}`,
      `--btcd.rpcpass=${access.pass}`,
      `--btcd.rpccert=${certificatePath}`,
    ],
  };
}

async function createNode(name: string, file: string, folder: string, launch: Launch, chain: Chain): Promise<Node> {
  const home = join(folder, name);
  const [listen, rpc, rest] = await Promise.all([freePort(), freePort(), freePort()]);
  const options = [
    `--lnddir=${home}`,
    '--bitcoin.regtest',
    ...chain.options,
    `--listen=127.0.0.1:${listen}`,
    `--externalip=127.0.0.1:${listen}`,
    `--rpclisten=127.0.0.1:${rpc}`,
    `--restlisten=127.0.0.1:${rest}`,
    `--alias=${name}`,
    '--noseedbackup',
    '--nobootstrap',
    '--bitcoin.defaultchanconfs=1',
    '--trickledelay=50',
    '--gossip.sub-batch-delay=5ms',
    '--caches.rpc-graph-cache-duration=100ms',
    '--debuglevel=info',
  ];
  const url = `https://127.0.0.1:${rest}`;
  const certificatePath = join(home, 'tls.cert');
  const adminMacaroonPath = join(home, 'data', 'chain', 'bitcoin', 'regtest', 'admin.macaroon');
  const host = `127.0.0.1:${listen}`;
  const neighbours = new Set<Node>();
  let program: ChildProcess | undefined;
  let nodeId = '';
  const call = async (path: string, body?: unknown): Promise<Json> => {
    const macaroon = readFileSync(adminMacaroonPath).toString('hex');
    const answer = await send(url + path, certificatePath, { 'grpc-metadata-macaroon': macaroon }, body === undefined ? undefined : JSON.stringify(body));
    if (answer.status !== 200) throw new Error(`${name} ${path.slice(0, 40)}: ${answer.status} ${answer.text.slice(0, 300)}`);
    return JSON.parse(answer.text) as Json;
  };
  const dial = async (to: Node) => {
    // A connection that is there already is refused in words.
    await call('/v1/peers', { addr: { pubkey: to.nodeId, host: to.host }, perm: false, timeout: '5' }).catch(() => undefined);
  };
  return {
    name,
    url,
    host,
    connect: async (to) => {
      neighbours.add(to);
      await dial(to);
    },
    certificatePath,
    adminMacaroonPath,
    get nodeId() {
      return nodeId;
    },
    call,
    bake: async (...permissions) => {
      const listed = permissions.map((one) => ({ entity: one.split(':')[0], action: one.split(':')[1] }));
      return (await call('/v1/macaroon', { permissions: listed })).macaroon as string;
    },
    kill: async () => {
      if (program) await end(program, 'SIGKILL');
    },
    start: async () => {
      program = launch(name, file, options);
      await until(`${name} answers`, async () => {
        nodeId = (await call('/v1/getinfo')).identity_pubkey as string;
        return (await call('/v1/state')).state === 'SERVER_ACTIVE';
      });
    },
    atRest: () =>
      until(`nothing is under way at ${name}`, async () => {
        const peers = (await call('/v1/peers')).peers as readonly Json[];
        for (const one of neighbours) if (!peers.some(({ pub_key }) => pub_key === one.nodeId)) await dial(one);
        const channels = (await call('/v1/channels')).channels as readonly Json[];
        await call('/v2/router/mc/reset', {});
        return channels.every(({ active, pending_htlcs }) => active === true && (pending_htlcs as readonly unknown[]).length === 0);
      }),
    hold: (isHeld) => void program?.kill(isHeld ? 'SIGSTOP' : 'SIGCONT'),
  };
}

/** What each node has in its channels, in msat. */
export async function balances({ alice, bob, carol }: Nodes): Promise<{ readonly [name in 'alice' | 'bob' | 'carol']: bigint }> {
  const of = async (node: Nodes['alice']) => {
    const { local_balance } = (await node.call('/v1/balance/channels')) as { readonly local_balance: { readonly msat: string } };
    return BigInt(local_balance.msat);
  };
  return { alice: await of(alice), bob: await of(bob), carol: await of(carol) };
}

/** Asks until it is so. What throws is not so yet. @throws Error – not within three minutes: a machine that has more to do starts nodes slowly */
export async function until(what: string, isSo: () => Promise<boolean>, withinMs = 180_000): Promise<void> {
  const endsAt = Date.now() + withinMs;
  let last: unknown;
  for (;;) {
    try {
      if (await isSo()) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > endsAt) throw new Error(`not within ${withinMs / 1000} s: ${what}${last instanceof Error ? ` (${last.message})` : ''}`, { cause: last });
    await pause(100);
  }
}

type Sent = { readonly status: number; readonly text: string };

function send(url: string, certificatePath: string, headers: Readonly<Record<string, string>>, body: string | undefined): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const ca = readFileSync(certificatePath);
    const options = { ca, checkServerIdentity: () => undefined, agent: false, headers, method: body === undefined ? 'GET' : 'POST', timeout: 20_000 };
    const sending = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text })).on('error', reject);
    });
    sending.on('error', reject).on('timeout', () => sending.destroy(new Error('no answer in time')));
    sending.end(body);
  });
}

function end(program: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (program.exitCode !== null || program.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    program.once('exit', () => resolve());
    // A process that is held does not hear of its end.
    program.kill('SIGCONT');
    program.kill(signal);
  });
}

/**
 * A port that nobody listens on now, below those that systems give to whoever asks for any: no connection of another suite takes it before its
 * program does.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_768);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** An address whose key nobody has, for the first block. */
function nobodysAddress(): string {
  return bech32.encode('bcrt', [0, ...bech32.toWords(new Uint8Array(20).fill(7))]);
}
