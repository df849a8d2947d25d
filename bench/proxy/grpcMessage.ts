/** A message of gRPC with so many bytes in it, not compressed. @see gRPC over HTTP/2, "Length-Prefixed-Message" */
export function grpcMessage(length: number): Buffer {
  const message = Buffer.alloc(5 + length, 'farebox ');
  message.writeUInt8(0, 0);
  message.writeUInt32BE(length, 1);
  return message;
}
