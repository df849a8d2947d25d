/**
 * Operations: what an operator may see and change. Each stands once, in the table of `operations/index.ts`, and everything else is made of it: the
 * call over HTTP, its part of the OpenAPI document, `farebox admin <noun> <verb>`, and the tool of `farebox mcp admin`.
 *
 *     routes.list      GET  /v1/routes/list?service=api        farebox admin routes list --service api        tool routes_list
 *     routes.change    POST /v1/routes/change   {"route":…}    farebox admin routes change --route …          tool routes_change
 *
 * To add one: write it in a file of `operations/` with {@link defineRead}, {@link defineChange} or {@link defineStream}, and put it into the table there.
 *
 *     export const listRoutes = defineRead({
 *       name: 'routes.list',                       // noun.verb: path, command and tool follow from it
 *       scope: 'read',                             // the least that a token must say
 *       summary: 'List the routes.',               // one sentence
 *       description: 'Each with its price …',      // for those who read on; may be ''
 *       input: z.object({ service: z.string().optional().describe('Of this service alone.') }),
 *       output: z.object({ routes: z.array(route) }),
 *       run: async ({ service }, { config }) => ({ routes: … config().routes … }),
 *     });
 *
 * - Input is an object without nesting where that can be: from a query and from flags every value comes as text, and is read as its schema says (numbers,
 *   `true`, lists as repeated or comma-separated values; an object as JSON). Every field has a `.describe('…')`: it is the help of its flag.
 * - Output is checked before it goes out: what the schema does not name is left out, and what breaks it is an error of ours (500).
 * - Money is a decimal string of millisatoshis whose name ends in `Msat`, a time is Unix seconds whose name ends in `At`: see `Fields.ts`.
 * - Nothing that is secret goes out: no preimage, no signature, no key.
 * - Errors are `FareboxError`s. `ADMIN_TARGET_UNKNOWN` (404) for what is not there, `REQUEST_MALFORMED` (400) for input that makes no sense.
 * - A change is planned first and applied afterwards, by whoever runs it: so that a dry run, the differences and the record in the audit log are there
 *   without the operation's doing, and no change can be made past them.
 * - A stream answers with one item after the other: `events` as Server-Sent Events, `rows` as JSON lines, or CSV where `format=csv` is asked for.
 */
import { z } from 'zod';
import type { Clock, Random } from '../core/Clock.ts';
import type { GatewayConfig, Snapshot } from '../gateway/index.ts';
import type { Payer } from '../lightning/Lightning.ts';
import type { Events } from '../server/Events.ts';
import type { Introspect } from '../server/Introspection.ts';
import type { RootKeys } from '../server/RootKeys.ts';
import type { Store } from '../store/Store.ts';
import type { AuditLog } from './audit/AuditLog.ts';
import type { Scope } from './auth/Scope.ts';
import type { Recent } from './books/Recent.ts';
import type { ConfigChanging } from './ConfigChanging.ts';

/** What every operation is handed. */
export type AdminContext = {
  readonly clock: Clock;
  readonly random: Random;
  /** Undefined where the configuration says `store: none`. */
  readonly store: Store | undefined;
  readonly keys: RootKeys;
  readonly events: Events;
  /** As it runs now. */
  readonly config: () => GatewayConfig;
  /** Where changes of it go. */
  readonly changing: ConfigChanging;
  readonly audit: AuditLog;
  /** What all processes have counted; empty where the configuration does not ask for metrics. */
  readonly measured: () => Promise<Snapshot>;
  /** What this process saw of payments, and the ledger does not keep. */
  readonly recent: Recent;
  /** A wallet of play money to buy with; whoever asks for it closes it. Undefined where there is none. */
  readonly buyer?: (() => Promise<Payer>) | undefined;
  /** What can be said of a credential that was sold. @throws STORE_UNAVAILABLE */
  readonly introspect: Introspect;
  /** Refuses an operator's token or session by its id. */
  readonly endAccess: (id: string, expiresAt: number) => Promise<void>;
  /** What the paywall knows of its store: whether it serves now. Undefined where there is none. */
  readonly isStoreServing: (() => boolean) | undefined;
};

/** Who asks. */
export type Caller = {
  /** Of the token or session: public, 32 hex digits. */
  readonly id: string;
  /** What it was called when it was made, and by whoever narrowed it: `ci`, `ci/nightly`. */
  readonly label: string;
  readonly kind: 'token' | 'session';
  readonly scope: Scope;
  /** The only ones that it may call; undefined: all of its scope. */
  readonly operations: ReadonlySet<string> | undefined;
};

/** One call. */
export type Call = AdminContext & {
  readonly caller: Caller;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
};

/** One field before and after a change, as text; null where it is not there. */
export type Difference = { readonly field: string; readonly before: string | null; readonly after: string | null };

/** What a change would do. */
export type Plan<Output> = {
  /** What is changed, such as `route GET /api/*`. */
  readonly target: string;
  readonly differences: readonly Difference[];
  /** Answered, whether it is applied or not. */
  readonly output: Output;
  /** Does it. Called at most once, and not in a dry run or where nothing differs. */
  readonly apply: () => Promise<void>;
};

/** See the head of this file; input and output are what their schemas say. */
export type Operation = {
  readonly name: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly description: string;
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
} & (
  | { readonly kind: 'read'; readonly secrets: readonly string[]; readonly run: (input: unknown, call: Call) => Promise<unknown> }
  | { readonly kind: 'change'; readonly secrets: readonly string[]; readonly plan: (input: unknown, call: Call) => Promise<Plan<unknown>> }
  | { readonly kind: 'stream'; readonly form: 'events' | 'rows'; readonly items: (input: unknown, call: Call) => AsyncIterable<unknown> }
);

type Common<Input extends z.ZodObject, Output extends z.ZodObject> = {
  readonly name: string;
  readonly scope: Scope;
  readonly summary: string;
  readonly description?: string;
  readonly input: Input;
  readonly output: Output;
};

/** An operation that changes nothing. `secrets`: fields of the input that have no place in a URL; it is asked with POST then. */
export function defineRead<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: Common<Input, Output> & { readonly secrets?: readonly string[]; readonly run: (input: z.output<Input>, call: Call) => Promise<z.input<Output>> },
): Operation {
  const { run, secrets = [] } = definition;
  return { ...commonOf(definition), kind: 'read', secrets, run: run as (input: unknown, call: Call) => Promise<unknown> };
}

/**
 * An operation that changes something. Its input gets a `dryRun`; its answer `applied`, `target` and `differences`, and what `output` names.
 * `secrets`: fields of the input that the audit log does not get.
 */
export function defineChange<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: Common<Input, Output> & {
    readonly secrets?: readonly string[];
    readonly plan: (input: z.output<Input>, call: Call) => Promise<Plan<z.input<Output>>>;
  },
): Operation {
  const { plan, secrets = [], input, output } = definition;
  return {
    ...commonOf(definition),
    kind: 'change',
    input: input.extend(dryRun),
    output: output.extend(outcome),
    secrets,
    plan: plan as (input: unknown, call: Call) => Promise<Plan<unknown>>,
  };
}

/** An operation that answers with one item after the other; `output` is an item's. It ends when `signal` aborts, or when there are no more. */
export function defineStream<Input extends z.ZodObject, Output extends z.ZodObject>(
  definition: Common<Input, Output> & {
    readonly form: 'events' | 'rows';
    readonly items: (input: z.output<Input>, call: Call) => AsyncIterable<z.input<Output>>;
  },
): Operation {
  const { form, items, input } = definition;
  const asked = form === 'rows' ? input.extend(format) : input;
  return { ...commonOf(definition), kind: 'stream', input: asked, form, items: items as (input: unknown, call: Call) => AsyncIterable<unknown> };
}

/** Where it is called over HTTP: `/v1/routes/list`. */
export function pathOf({ name }: Pick<Operation, 'name'>): string {
  return `/v1/${name.replace('.', '/')}`;
}

/** How it is called over HTTP: what changes nothing with GET and a query; a change, or what is asked about something secret, with POST and JSON. */
export function methodOf(operation: Operation): 'GET' | 'POST' {
  return operation.kind === 'change' || (operation.kind === 'read' && operation.secrets.length > 0) ? 'POST' : 'GET';
}

const dryRun = { dryRun: z.boolean().optional().describe('Say what would change, and change nothing.') };

const format = { format: z.enum(['jsonl', 'csv']).optional().describe('JSON lines (the default), or CSV with a line of names first.') };

const outcome = {
  applied: z.boolean().describe('Whether it was done: not in a dry run, and not where nothing differs.'),
  target: z.string(),
  differences: z.array(z.object({ field: z.string(), before: z.string().nullable(), after: z.string().nullable() })),
};

function commonOf<Input extends z.ZodObject, Output extends z.ZodObject>({ name, scope, summary, description = '', input, output }: Common<Input, Output>) {
  if (!/^[a-z]+\.[a-z]+$/.test(name)) throw new TypeError(`an operation is called noun.verb, not "${name}"`);
  return { name, scope, summary, description, input, output };
}
