/**
 * `<service>_method=GET`, minted; `method=GET` or `method=GET,POST` from holders: which methods a token may be used with. `HEAD` counts
 * as `GET`, since it is priced as one.
 */
import * as Caveat from '../../core/Caveat.ts';
import type { Policy } from './Policy.ts';

/** The condition as minted. */
export function condition(service: string): string {
  return `${service}_method`;
}

/** The caveat as minted. */
export function write(service: string, method: string): string {
  return Caveat.format({ condition: condition(service), value: method });
}

/** The method that a request counts as. */
export function countsAs(method: string): string {
  return method === 'HEAD' ? 'GET' : method;
}

/** Holds where the request's method is listed. */
export const method: Policy = {
  check: (value, context) => {
    if (value === context.method && isMethod(value)) return undefined;
    const listed = read(value);
    if (listed === undefined) return 'unreadable';
    return listed.includes(context.method) ? undefined : 'elsewhere';
  },
  narrows: (earlier, later) => {
    const before = read(earlier) ?? [];
    return (read(later) ?? []).every((one) => before.includes(one));
  },
};

/** Whether a caveat can name this method. */
export function isMethod(method: string): boolean {
  return method === 'GET' || method === 'POST' || /^[A-Z][A-Z0-9-]*$/.test(method);
}

/** The methods of a list, or undefined where it names none. Case counts, as it does in HTTP. */
function read(value: string): readonly string[] | undefined {
  const listed = value.split(',').map((one) => countsAs(one.trim()));
  return listed.every(isMethod) ? listed : undefined;
}
