/**
 * Processes of the gateway under measurement: one, or several with a part of the requests each.
 */
import type { GatewayProgramOptions } from '../gateway/gatewayProgram.ts';
import { commandArguments, type Program, start } from '../harness/Program.ts';

/** A proxy under measurement: one process, or several. */
export type Measured = {
  readonly ports: readonly number[];
  readonly pids: readonly number[];
  readonly cpuNs: () => Promise<number>;
  readonly stop: () => Promise<void>;
};

/** What they are made from. */
export type GatewaysOptions = Pick<GatewayProgramOptions, 'upstreamPort' | 'master' | 'upstreamClient' | 'upstreamKind'> & {
  readonly workers: number;
  /** Default: what the command `farebox` gives to Node. */
  readonly nodeArguments?: readonly string[];
};

/** Starts so many, each with a port of its own. */
export async function startGateways({ workers, nodeArguments = commandArguments(), ...rest }: GatewaysOptions): Promise<Measured> {
  const options: GatewayProgramOptions = { ...rest, store: 'none', trustsLoad: false, sandbox: undefined };
  const programs: Program<{ readonly port: number }>[] = [];
  for (let i = 0; i < workers; i++) programs.push(await start(new URL('../gateway/gatewayProgram.ts', import.meta.url), options, { nodeArguments }));
  return together(programs);
}

/** Several processes as one. */
export function together(programs: readonly Program<{ readonly port: number }>[]): Measured {
  return {
    ports: programs.map(({ ready }) => ready.port),
    pids: programs.map(({ pid }) => pid),
    cpuNs: async () => (await Promise.all(programs.map(({ cpuNs }) => cpuNs()))).reduce((sum, one) => sum + one, 0),
    stop: async () => {
      for (const { stop } of programs) await stop();
    },
  };
}
