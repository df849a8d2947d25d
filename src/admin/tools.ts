/**
 * Operations as tools of an agent: those that its token may call, and no streams, which do not end.
 */
import { FareboxError } from '../core/Errors.ts';
import type { AdminClient } from './AdminClient.ts';
import { holds, type Scope } from './auth/Scope.ts';
import { schemaOf } from './OpenApi.ts';
import type { Operation } from './Operation.ts';

/** One tool. */
export type AdminTool = {
  /** `routes_change` for `routes.change`. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** JSON Schema. */
  readonly inputSchema: object;
  readonly outputSchema: object;
  readonly readOnly: boolean;
  /** It takes something away. */
  readonly destructive: boolean;
  readonly run: (given: object, context: { readonly signal: AbortSignal }) => Promise<AdminToolAnswer>;
};

/** What a tool answers. */
export type AdminToolAnswer = { readonly text: string; readonly structured: object; readonly isError: boolean };

/** Who the tools are for. */
export type AdminRights = { readonly scope: Scope; readonly operations: readonly string[] | null };

/** The tools of a token. */
export function toolsOf(operations: readonly Operation[], client: AdminClient, { scope, operations: only }: AdminRights): readonly AdminTool[] {
  return operations
    .filter((operation) => operation.kind !== 'stream' && holds(scope, operation.scope) && (only === null || only.includes(operation.name)))
    .map((operation) => ({
      name: operation.name.replace('.', '_'),
      title: operation.summary,
      description: [operation.summary, operation.description].filter(Boolean).join(' '),
      inputSchema: schemaOf(operation.input.strict(), 'input'),
      outputSchema: schemaOf(operation.output, 'output'),
      readOnly: operation.kind === 'read',
      destructive: /\.(?:remove|revoke|drop)$/.test(operation.name),
      run: async (given, { signal }) => {
        try {
          const value = await client.call(operation, given, signal);
          return { text: JSON.stringify(value), structured: value, isError: false };
        } catch (error) {
          if (!FareboxError.is(error)) throw error;
          const { code, message, details } = error;
          return { text: `${code}: ${message}`, structured: { error: { code, detail: message, ...details } }, isError: true };
        }
      },
    }));
}
