/**
 * Frames of HTTP/2 as a client writes them that means no good: by hand, for no library would.
 *
 * @see RFC 9113, sections 3.4, 4.1 and 6; RFC 7541, sections 6.1 and 6.2.2
 */

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

const types = { headers: 1, reset: 3, settings: 4, continuation: 9 } as const;

/** Flags of HEADERS. */
export const endStream = 0x1;
export const endHeaders = 0x4;

/** A frame. */
export function frame(type: keyof typeof types, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(types[type], 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** One setting, by its number. */
export function setting(number: number, value: number): Buffer {
  const payload = Buffer.alloc(6);
  payload.writeUInt16BE(number, 0);
  payload.writeUInt32BE(value, 2);
  return payload;
}

/** How much a server may send on a stream before it is told more. */
export const initialWindowSize = 4;

/** `GET` of a path over http: two fields of the static table, and two literals that no table remembers. */
export function getBlock(path: string, authority: string): Buffer {
  const literal = (index: number, value: string) => Buffer.concat([Buffer.from([index, value.length]), Buffer.from(value, 'latin1')]);
  return Buffer.concat([Buffer.from([0x82, 0x86]), literal(0x04, path), literal(0x01, authority)]);
}

/** A stream is given up. */
export function reset(stream: number): Buffer {
  return frame('reset', 0, stream, Buffer.from([0, 0, 0, 8]));
}
