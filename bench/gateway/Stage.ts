/**
 * Everything that is needed to measure a gateway: upstream, gateway, load and perhaps a sandbox, each a process of its own on this machine.
 */
import { randomBytes } from 'node:crypto';
import type { SandboxAddress } from '../../src/lightning/sandbox.ts';
import { type Load, startLoad } from '../harness/Load.ts';
import { commandArguments, type Program, start } from '../harness/Program.ts';
import type { GatewayAnswer, GatewayProgramOptions, GatewayQuestion } from './gatewayProgram.ts';
import { keysOf } from './Tokens.ts';

/** A gateway under load. */
export type Stage = {
  readonly load: Load;
  /** Its port, and those of the others in its process. */
  readonly gateway: Program<{ readonly port: number; readonly others: readonly number[] }>;
  readonly keys: ReturnType<typeof keysOf>;
  readonly ask: <Question extends GatewayQuestion>(question: Question) => Promise<GatewayAnswer[Question]>;
  readonly stop: () => Promise<void>;
};

/** What may be otherwise than in memory, among clients that are not believed, on invoices made beforehand. */
export type StageOptions = Partial<Pick<GatewayProgramOptions, 'store' | 'trustsLoad' | 'others'>> & { readonly onSandbox?: boolean };

/** Starts them. */
export async function openStage({ store = 'memory', trustsLoad = false, others = [], onSandbox = false }: StageOptions = {}): Promise<Stage> {
  const programs: { readonly stop: () => Promise<void> }[] = [];
  const stop = async () => {
    for (const program of programs.splice(0).reverse()) await program.stop();
  };
  try {
    const upstream = await start<{ readonly port: number }>(new URL('./upstreamProgram.ts', import.meta.url), undefined);
    programs.push(upstream);
    const master = new Uint8Array(randomBytes(32));
    const sandbox = onSandbox ? await start<SandboxAddress>(new URL('./sandboxProgram.ts', import.meta.url), undefined) : undefined;
    if (sandbox) programs.push(sandbox);
    const options: GatewayProgramOptions = { upstreamPort: upstream.ready.port, master, store, trustsLoad, others, sandbox: sandbox?.ready };
    const gateway = await start<Stage['gateway']['ready']>(new URL('./gatewayProgram.ts', import.meta.url), options, {
      nodeArguments: ['--expose-gc', ...commandArguments()],
    });
    programs.push(gateway);
    const load = await startLoad();
    programs.push(load);
    return { load, gateway, keys: keysOf(master), ask: (question) => gateway.ask(question) as Promise<never>, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
