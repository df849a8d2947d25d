/**
 * Admin beside a gateway that the command line runs, where its configuration says `admin`. What it needs is loaded then alone.
 */
import { nowAt, systemClock, systemRandom } from '../../core/Clock.ts';
import type { GatewayConfig, GatewayOptions } from '../../gateway/index.ts';
import type { Payer } from '../../lightning/Lightning.ts';
import type { RootKeys } from '../../server/RootKeys.ts';
import type { CliContext } from '../Context.ts';
import { requireSandbox } from '../SandboxLink.ts';
import { type ConfigSource, joinTexts, splitTexts } from '../serve/ConfigSource.ts';
import type { Part } from '../workers/worker.ts';

/** What admin stands on. */
export type AdminGround = {
  readonly config: GatewayConfig;
  readonly keys: RootKeys;
  /** Where the configuration comes from; undefined where nothing of it can be changed. */
  readonly source: ConfigSource | undefined;
  /** One of several processes: all of them take a change when their supervisor has seen it. */
  readonly part: Pick<Part, 'withPorts'> | undefined;
};

/** What `createGateway` is handed for it; undefined where there is to be none. */
export async function adminBeside(context: CliContext, { config, keys, source, part }: AdminGround): Promise<GatewayOptions['beside']> {
  const { admin } = config;
  if (admin === undefined) return undefined;
  const { clock = systemClock } = context;
  const { createAdmin, createPages, createAuditLog, createConfigChanging, noChanging } = await import('../../admin/index.ts');
  const pages = createPages();
  const buyer = config.network === 'sandbox' ? () => openBuyer(context) : undefined;
  return (surroundings) => {
    const changing =
      source?.file === undefined
        ? noChanging
        : createConfigChanging({
            file: source.file,
            read: async () => splitTexts(await source.read()),
            understand: (texts) => source.readAside(joinTexts(texts)),
            prepare: (next) => surroundings.prepare(part?.withPorts(next) ?? next),
            takesNow: part === undefined,
          });
    const audit = createAuditLog({ file: admin.audit, store: surroundings.store, clock, random: systemRandom });
    return [createAdmin({ config: admin, keys, surroundings, changing, audit, pages, buyer })];
  };
}

/** Where the pages are opened, signed in: a secret, good once. Undefined without a store, which knows whether it was used. */
export async function linkTo({ clock = systemClock }: CliContext, config: GatewayConfig, keys: RootKeys, adminUrl: string): Promise<string | undefined> {
  if (config.store.kind === 'none') return undefined;
  const { mintLink } = await import('../../admin/index.ts');
  return `${config.admin?.url ?? adminUrl.replace(/\/$/, '')}/#${mintLink(keys, systemRandom(12), 'admin', nowAt(clock))}`;
}

/** A wallet of play money that is the operator's own. */
async function openBuyer(context: CliContext): Promise<Payer> {
  const link = await requireSandbox(context.home());
  const payer = link.sandbox.payer('operator');
  const close = async () => {
    await payer.close();
    await link.close();
  };
  return { ...payer, close };
}
