/**
 * A gateway with its admin, from a configuration in a folder of its own, as `farebox serve` would put it together; without a wallet that pays.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Admin, AdminClient, ConfigChanging } from '../../src/admin/index.ts';
import { AdminToken, createAdmin, createAdminClient, createAuditLog, createConfigChanging, mintLink, type Scope } from '../../src/admin/index.ts';
import { fromFile, joinTexts, splitTexts } from '../../src/cli/serve/ConfigSource.ts';
import { nowAt } from '../../src/core/Clock.ts';
import { createGateway, type Gateway } from '../../src/gateway/index.ts';
import type { Receiver } from '../../src/lightning/Lightning.ts';
import { createEvents, type PaywallEvent } from '../../src/server/Events.ts';
import { createRootKeys, type KeyRing } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';

/** A gateway that an operator may see. */
export type House = {
  readonly folder: string;
  readonly clock: FixedClock.FixedClock;
  readonly keys: KeyRing;
  readonly store: Store;
  readonly gateway: Gateway;
  readonly admin: Admin;
  readonly events: readonly PaywallEvent[];
  /** Where its changes go. */
  readonly changing: ConfigChanging;
  /** A file's text in its folder. */
  readonly read: (file: string) => string;
  /** Writes one. */
  readonly write: (file: string, text: string) => void;
  /** A token; default: of everything, for an hour. */
  readonly token: (wishes?: Partial<AdminToken.AdminTokenWishes>) => string;
  /** What stands behind `#` in a sign-in link. */
  readonly link: (scope?: Scope) => string;
  /** Asks the app as the machine itself would, by `Host: 127.0.0.1:8406`. */
  readonly ask: (path: string, init?: RequestInit & { readonly peer?: string; readonly version?: string }) => Promise<Response>;
  /** Operations over HTTP, without a socket. */
  readonly client: (token?: string) => AdminClient;
};

/** The configuration where a test names nothing else. */
export const yaml = `listen: 127.0.0.1:0
store: memory
admin: { listen: 127.0.0.1:8406 }
services:
  - name: api
    upstream: http://127.0.0.1:9
    title: An API
    bucket: { units: 100, price: 50 sat }
    routes:
      - { path: /a, price: 10 sat } # the first
      - { path: /b, methods: [GET, POST], price: 20 sat, terms: "pass: 1h" }
      - { path: /free, free: true }
  - name: other
    upstream: http://127.0.0.1:9
    host: other.example
    routes:
      - { path: /a, price: 1 sat }
`;

const master = new Uint8Array(32).fill(7);

/** Opens one that is closed with everything else. @param text - of its `farebox.yaml` */
export async function openHouse(closing: (() => unknown)[], text: string = yaml): Promise<House> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-admin-'));
  closing.push(() => rmSync(folder, { recursive: true, force: true }));
  const write = (file: string, content: string) => writeFileSync(join(folder, file), content);
  write('farebox.yaml', text);
  const clock = FixedClock.create();
  const source = fromFile(join(folder, 'farebox.yaml'), {});
  const config = source.parse(await source.read());
  const keys = createRootKeys({ masters: [master], network: 'sandbox', realm: config.realm });
  const store = createMemoryStore({ clock });
  const events = createEvents();
  const told: PaywallEvent[] = [];
  events.on((event) => told.push(event));
  let drawn = 0;
  const random = (length: number) => new Uint8Array(length).fill(++drawn);
  let admin: Admin | undefined;
  let changing: ConfigChanging | undefined;
  const gateway = await createGateway({
    config,
    receiver: { name: 'nobody', network: 'sandbox' } as Receiver,
    keys,
    store,
    clock,
    random,
    events,
    beside: (surroundings) => {
      changing = createConfigChanging({
        file: join(folder, 'farebox.yaml'),
        read: async () => splitTexts(await source.read()),
        understand: (texts) => source.readAside(joinTexts(texts)),
        prepare: surroundings.prepare,
        takesNow: true,
      });
      const audit = createAuditLog({ file: join(folder, 'farebox.audit.jsonl'), store, clock, random });
      admin = createAdmin({ config: config.admin as NonNullable<typeof config.admin>, keys, surroundings, changing, audit, random });
      return [admin];
    },
  });
  closing.push(() => gateway.close());
  const { app } = admin as unknown as Admin;
  const now = () => nowAt(clock);
  const token: House['token'] = (wishes = {}) =>
    AdminToken.mint(keys, keys.mintingAt(now()), random(16), { label: 'test', scope: 'admin', expiresAt: now() + 3600, ...wishes });
  return {
    folder,
    clock,
    keys,
    store,
    gateway,
    admin: admin as unknown as Admin,
    events: told,
    changing: changing as unknown as ConfigChanging,
    read: (file) => readFileSync(join(folder, file), 'utf8'),
    write,
    token,
    link: (scope = 'admin') => mintLink(keys, random(12), scope, now()),
    ask: async (path, { peer = '127.0.0.1', version = '1.1', ...init } = {}) => {
      const request = new Request(`http://127.0.0.1:8406${path}`, init);
      if (!request.headers.has('host')) request.headers.set('host', '127.0.0.1:8406');
      return app(request, { version, peer });
    },
    client: (shown = token()) =>
      createAdminClient({
        url: 'http://127.0.0.1:8406',
        token: shown,
        fetch: async (request) => {
          request.headers.set('host', '127.0.0.1:8406');
          return app(request, { version: '1.1', peer: '127.0.0.1' });
        },
      }),
  };
}

/** Closes everything, the last first. */
export async function closeAll(closing: (() => unknown)[]): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}
