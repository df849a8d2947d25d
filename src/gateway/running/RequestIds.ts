/**
 * A name for every request, by which upstream, client and log mean the same one.
 *
 *     X-Request-Id: 5f0c3a91b2d4e6f8-1a
 *
 * One that a trusted proxy has given is kept; anybody else's is a claim that nobody has checked, and could be somebody else's.
 */
import type { Random } from '../../core/Clock.ts';
import { toHex } from '../../core/internal/bytes.ts';
import { linesOf } from '../../http/NodeRequest.ts';

/** Its name on the wire. */
export const requestIdHeader = 'X-Request-Id';

/** The id of a request. */
export type RequestIds = (rawHeaders: readonly string[], isTrusted: boolean) => string;

/** Ids that begin with what is random for each process, and count. */
export function createRequestIds(random: Random): RequestIds {
  const start = toHex(random(8));
  let count = 0;
  return (rawHeaders, isTrusted) => {
    const said = isTrusted ? linesOf(rawHeaders, 'x-request-id') : [];
    const [one] = said;
    if (said.length === 1 && one !== undefined && wellFormed.test(one)) return one;
    count += 1;
    return `${start}-${count.toString(36)}`;
  };
}

/** Takes whatever stands in headers for an id out of them, and puts this one there. @param headers - names and values in turn */
export function setRequestId(headers: readonly string[], id: string): string[] {
  const set: string[] = [];
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index] as string;
    if (name.length !== requestIdHeader.length || !/^x[-_]request[-_]id$/i.test(name)) set.push(name, headers[index + 1] as string);
  }
  set.push(requestIdHeader, id);
  return set;
}

/** What can stand in a log and a header without a second thought. */
const wellFormed = /^[A-Za-z0-9._~:+/=@-]{1,128}$/;
