/**
 * What every example does that has nothing to do with being paid: settings from the environment, a folder for what outlives the program, an
 * orderly end.
 */
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { ResponsePayment } from '../src/client/index.ts';
import { Amount } from '../src/index.ts';

/** A setting that is missing or wrong; its message says what to do. */
export class WrongSetting extends Error {}

/**
 * A setting out of the environment.
 * @throws WrongSetting – it is not set, and has no default
 */
export function setting(name: string, what: string, fallback?: string): string {
  const value = process.env[name] || fallback;
  if (value === undefined) throw new WrongSetting(`${name} is not set: ${what}.`);
  return value;
}

/** Whose bitcoin a node is on. @throws WrongSetting – no network */
export function networkSetting(name: string) {
  const value = setting(name, 'the network of the node', 'bitcoin');
  const network = (['bitcoin', 'testnet', 'signet', 'regtest'] as const).find((one) => one === value);
  if (network === undefined) throw new WrongSetting(`${name} is "${value}": write bitcoin, testnet, signet or regtest.`);
  return network;
}

/** Where the sandbox of this machine is. @throws WrongSetting – none runs */
export function sandboxSetting(): { readonly url: string; readonly token: string } {
  const file = join(process.env.FAREBOX_HOME ?? join(homedir(), '.farebox'), 'sandbox.json');
  if (!existsSync(file)) throw new WrongSetting('No sandbox runs on this machine. A gateway on the sandbox runs one, and so does: farebox sandbox.');
  return JSON.parse(readFileSync(file, 'utf8')) as { readonly url: string; readonly token: string };
}

/** A file in `~/.farebox/examples`, or in `examples` of the folder that `FAREBOX_HOME` names. */
export function kept(name: string): string {
  const folder = join(process.env.FAREBOX_HOME ?? join(homedir(), '.farebox'), 'examples');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, name);
}

/** The key that every token is made and checked with, made at the first start. Without it nothing that was sold is good any more; whoever has it lets himself in. */
export function masterKey(name: string): Uint8Array {
  const path = kept(name);
  if (!existsSync(path)) writeFileSync(path, crypto.getRandomValues(new Uint8Array(32)), { mode: 0o600, flag: 'wx' });
  return new Uint8Array(readFileSync(path));
}

/** Serves on this machine, says so, and ends when it is asked to, as by Ctrl-C. */
export async function serve(app: RequestListener, what: string): Promise<void> {
  const server = createServer(app).listen(portSetting(), '127.0.0.1');
  await once(server, 'listening');
  console.log(`${what}: http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await untilStopped();
  server.close();
  server.closeIdleConnections();
  await once(server, 'close');
}

/** Waits until the program is asked to end, as by Ctrl-C. */
export async function untilStopped(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

/** What an answer cost, in words. */
export function inWords({ status }: Response, payment: ResponsePayment | undefined): string {
  if (payment === undefined) return `${status}, free`;
  if (payment.reused) return `${status}, nothing paid: what was bought before is still good`;
  const [paid, fee] = [payment.amountMsat, payment.feeMsat].map((msat) => Amount.format(Amount.fromMsat(msat)));
  return `${status}, paid ${paid} and a fee of ${fee}`;
}

/** Where to listen; 0: at any port that is free. @throws WrongSetting – no port */
export function portSetting(): number {
  const value = setting('PORT', 'where to listen', '3000');
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535) throw new WrongSetting(`PORT is "${value}": write a number, such as 3000.`);
  return Number(value);
}
