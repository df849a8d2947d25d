/**
 * What operations answer with, as far as pages read it; the whole of it stands in `/openapi.json`.
 */

export type Sums = {
  readonly receivedMsat: string;
  readonly payments: number;
  readonly earnedMsat: string;
  readonly sales: number;
  readonly reversedMsat: string;
  readonly reversals: number;
  readonly settledMsat: string;
  readonly settled: number;
  readonly repeats: number;
};

export type Statistics = {
  readonly fromAt: number;
  readonly toAt: number;
  readonly countedFromAt: number;
  readonly stepSeconds: number;
  readonly totals: Sums;
  readonly series: readonly (Sums & { readonly at: number })[];
  readonly routes: readonly (Sums & { readonly service: string; readonly route: string })[];
};

export type PaymentState = 'arrived' | 'received' | 'earned' | 'reversed';

export type Payment = {
  readonly paymentHash: string;
  readonly state: PaymentState;
  readonly service: string;
  readonly route: string;
  readonly terms: string;
  readonly amountMsat: string;
  readonly earnedMsat: string;
  readonly sales: number;
  readonly repeats: number;
  readonly firstAt: number;
  readonly lastAt: number;
};

export type Payments = { readonly payments: readonly Payment[]; readonly nextBefore: number | null };

export type Entry = {
  readonly seq: number;
  readonly at: number;
  readonly kind: 'settled' | 'received' | 'earned' | 'reversed' | 'repeated';
  readonly amountMsat: string;
  readonly route: string;
  readonly note: string;
  readonly sentence: string;
};

export type Step = { readonly at: number; readonly kind: string; readonly sentence: string };

export type Story = {
  readonly payment: Payment & { readonly isRevoked: boolean };
  readonly entries: readonly Entry[];
  readonly seen: readonly Step[];
};

export type Happening = {
  readonly kind: string;
  readonly at: number;
  readonly seq: number | null;
  readonly paymentHash: string | null;
  readonly amountMsat: string | null;
  readonly service: string | null;
  readonly route: string | null;
  readonly note: string;
};

export type Health = {
  readonly status: 'ok' | 'store-away';
  readonly network: string;
  readonly realm: string;
  readonly store: string;
  readonly routes: number;
};

export type Timing = { readonly count: number; readonly failed: number; readonly meanSeconds: number | null; readonly p95Seconds: number | null };

export type Measured = {
  readonly isMeasured: boolean;
  readonly challenges: number;
  readonly paid: number;
  readonly refusals: readonly { readonly code: string; readonly count: number }[];
  readonly troubles: readonly { readonly what: string; readonly count: number }[];
  readonly upstreamsLeftOut: readonly string[];
  readonly latency: { readonly whole: Timing; readonly node: Timing; readonly upstream: Timing; readonly store: Timing };
};

export type Route = {
  readonly name: string;
  readonly service: string;
  readonly path: string;
  readonly methods: readonly string[] | null;
  readonly upstream: string;
  readonly priceMsat: string | null;
  readonly requestMsat: string | null;
  readonly terms: 'per-request' | 'pass' | 'bucket' | 'credit' | null;
  /** What one payment buys, in words. */
  readonly units: string | null;
  readonly description: string | null;
  readonly disabled: boolean;
  readonly added: boolean;
  readonly changed: readonly string[];
};

/** What every change answers with. */
export type Changed = {
  readonly applied: boolean;
  readonly target: string;
  readonly differences: readonly { readonly field: string; readonly before: string | null; readonly after: string | null }[];
};

export type RouteChanged = Changed & { readonly route: Route | null; readonly file: string; readonly takesEffect: 'now' | 'within-seconds' };

export type Service = { readonly name: string; readonly upstream: string; readonly routes: number };

export type Access = { readonly id: string; readonly label: string; readonly kind: 'token' | 'session'; readonly scope: 'read' | 'operate' | 'admin' };

export type AuditRecord = {
  readonly seq: number;
  readonly at: number;
  readonly by: string;
  readonly operation: string;
  readonly target: string;
  readonly outcome: 'done' | 'failed' | 'unknown';
  readonly differences: Changed['differences'];
};

export type AuditProof = { readonly ok: boolean; readonly records: number; readonly why: string | null; readonly file: string };

export type Configuration = { readonly file: string; readonly changesFile: string | null; readonly changes: number };

export type Inspected = {
  readonly known: boolean;
  readonly good: boolean;
  readonly code: string | null;
  readonly detail: string | null;
  readonly tokenId: string | null;
  readonly paymentHash: string | null;
  readonly mintedAt: number | null;
  readonly validUntilAt: number | null;
  readonly service: string | null;
  readonly terms: string | null;
  readonly paid: boolean;
  readonly revoked: boolean;
  readonly left: string | null;
  readonly allows: readonly string[];
};

export type Node = {
  readonly name: string;
  readonly above: string | null;
  readonly kind: string;
  readonly unit: 'uses' | 'msat';
  readonly units: string | null;
  readonly spent: string | null;
  readonly reserved: string | null;
  readonly revoked: boolean;
  readonly depth: number;
};

export type Revoked = { readonly kind: string; readonly value: string; readonly untilAt: number | null };

export type Lightning = {
  readonly network: string;
  readonly wallets: readonly { readonly place: string; readonly kind: string; readonly paidInto: string }[];
  readonly calls: readonly ({ readonly call: string } & Timing)[];
};
