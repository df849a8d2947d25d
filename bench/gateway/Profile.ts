/**
 * Where a process spent its time, by function, from a profile of V8's.
 */
import type { Profiler } from 'node:inspector/promises';

/** What one function took. */
export type Hit = {
  /** Such as `verifyToken Verifier.ts:90`. */
  readonly where: string;
  /** Microseconds in its own lines, without what it called. */
  readonly self: number;
  /** With what it called. */
  readonly total: number;
};

/** Functions by what they took themselves, most first. Time in which there was nothing to do is no part of it, nor what profiling took. */
export function hitsOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): readonly Hit[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const selfById = new Map<number, number>();
  for (const [index, id] of samples.entries()) selfById.set(id, (selfById.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  const hits = new Map<string, { self: number; total: number }>();
  const visit = (id: number, above: ReadonlySet<string>): number => {
    const node = byId.get(id);
    if (node === undefined) return 0;
    const where = nameOf(node);
    const self = isOutside(node) ? 0 : (selfById.get(id) ?? 0);
    const within = new Set(above).add(where);
    const total = (node.children ?? []).reduce((sum, child) => sum + visit(child, within), self);
    const hit = hits.get(where) ?? { self: 0, total: 0 };
    hits.set(where, { self: hit.self + self, total: hit.total + (above.has(where) ? 0 : total) });
    return total;
  };
  visit(nodes[0]?.id ?? 0, new Set());
  return [...hits].map(([where, { self, total }]) => ({ where, self, total })).sort((one, other) => other.self - one.self);
}

function isOutside({ callFrame: { functionName, url } }: Profiler.ProfileNode): boolean {
  return functionName === '(idle)' || url.startsWith('node:inspector');
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: Profiler.ProfileNode): string {
  const file = url.split('/').slice(-2).join('/');
  return `${functionName || '(anonymous)'}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`;
}
