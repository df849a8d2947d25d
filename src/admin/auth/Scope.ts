/**
 * What a caller may do: `read` sees, `operate` does what an ordinary day needs, `admin` does everything. Each holds what stands before it.
 */

/** See the head of this file. */
export type Scope = (typeof scopes)[number];

export const scopes = ['read', 'operate', 'admin'] as const;

/** Whether it is one. */
export function isScope(text: string): text is Scope {
  return (scopes as readonly string[]).includes(text);
}

/** Whether a scope holds another. */
export function holds(scope: Scope, wanted: Scope): boolean {
  return scopes.indexOf(scope) >= scopes.indexOf(wanted);
}

/** The lesser of two. */
export function lesser(one: Scope, other: Scope): Scope {
  return holds(one, other) ? other : one;
}
