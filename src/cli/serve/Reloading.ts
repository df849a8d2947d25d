/**
 * Takes another configuration while a gateway runs: on SIGHUP, and when its file, or one that it names, has changed. All of it or nothing: whatever is
 * wrong with it is told, and the old one goes on.
 */
import { systemClock } from '../../core/Clock.ts';
import { Changes, filesOfConfig, followFiles, type GatewayConfig } from '../../gateway/index.ts';
import type { CliContext } from '../Context.ts';
import type { ConfigSource } from './ConfigSource.ts';
import type { Logs } from './Logs.ts';

/** What reloading needs. */
export type ReloadingOptions = {
  readonly context: CliContext;
  readonly source: ConfigSource;
  /** As it runs. */
  readonly config: GatewayConfig;
  readonly logs: Pick<Logs, 'note' | 'reopen'>;
  /** Takes it. @throws CONFIG_INVALID, CONFIG_FIXED – nothing of it was taken */
  readonly take: (config: GatewayConfig, text: string) => Promise<void> | void;
};

/** Until it is closed. */
export type Reloading = {
  /** Does something between two reloads, never beside one. */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
};

/** See the head of this file. A change is told, whatever comes of it. */
export function startReloading({ context, source, config, logs, take }: ReloadingOptions): Reloading {
  const clock = context.clock ?? systemClock;
  let running = config;
  let turn: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const acted = turn.then(act);
    turn = acted.catch(() => {});
    return acted;
  };
  const reload = async () => {
    try {
      const text = await source.read();
      const next = await source.parseAside(text);
      await take(next, text);
      running = next;
      logs.note('info', { kind: 'reloaded', isDone: true, routes: next.routes.length }, `The configuration has been taken: ${next.file}`);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const words = `The configuration has not been taken, and the old one goes on:\n${message}`;
      logs.note('error', { kind: 'reloaded', isDone: false, message }, context.terminal.tone('bad', words));
    }
  };
  const { file } = source;
  const files = () => [...filesOfConfig(running), ...(file === undefined ? [] : [Changes.changesFileOf(file)])];
  const following = file === undefined ? undefined : followFiles({ files, clock, onChange: () => inTurn(reload) });
  const forget = context.onHangUp?.(() => {
    logs.reopen();
    if (source.file === undefined) return logs.note('info', { kind: 'reloaded', isDone: false }, 'There is no configuration file to read again.');
    void inTurn(async () => {
      await following?.mark();
      await reload();
    });
  });
  return {
    inTurn,
    close: async () => {
      forget?.();
      await following?.close();
      await turn;
    },
  };
}
