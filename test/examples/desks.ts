/**
 * The examples as their READMEs start them: a seller's desk and a buyer's, each with its own folder and settings.
 */
import { fileURLToPath } from 'node:url';
import { type Desk, openDesk, type Running } from '../e2e/processes.ts';

const program = fileURLToPath(new URL('../../examples/run.ts', import.meta.url));

/** Settings, as the environment has them. */
export type Settings = { readonly [name: string]: string };

/** An example's server, running, and what its client is started with. */
export type Shop = {
  readonly url: string;
  readonly server: Running;
  /** Ends the server and starts it again, at the same address. */
  readonly startAgain: () => Promise<void>;
  /** Runs the client to its end: what it printed, a line each, or the reason that it gave. */
  readonly buy: (path: string, more?: Settings) => Promise<readonly string[]>;
  readonly close: () => Promise<void>;
};

/** Starts the server of an example, `lnd` or `cln`, at any port. */
export async function openShop(name: string, sell: Settings, pay: Settings): Promise<Shop> {
  const desks: Desk[] = [];
  const open = (environment: Settings) => {
    const desk = openDesk({ program, environment });
    desks.push(desk);
    return desk;
  };
  const close = async () => {
    for (const desk of desks) await desk.close();
  };
  try {
    const till = open({}).folder;
    const purse = open({}).folder;
    const start = async (port: string) => {
      const server = open({ ...sell, FAREBOX_HOME: till, PORT: port }).start(`${name}/server`);
      const [, url = ''] = await server.prints(/^Paid into .*: (http:\S+)$/);
      return { server, url };
    };
    const { server, url } = await start('0');
    const startAgain = async () => {
      await server.stop();
      await start(new URL(url).port);
    };
    const buy = async (path: string, more: Settings = {}) => {
      const { stdout, stderr } = await open({ ...pay, FAREBOX_HOME: purse, ...more }).run(`${name}/client`, url + path);
      return (stdout + stderr).trim().split('\n');
    };
    return { url, server, startAgain, buy, close };
  } catch (error) {
    await close();
    throw error;
  }
}
