/**
 * A double of a Redis server, as far as a store asks it on the way to its first step: what comes then, a test answers.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** What the double answers; undefined: nothing at all. `error`: as the server words it. */
export type Answer = string | number | null | readonly Answer[] | { readonly error: string } | undefined;

/** Answers a command, or leaves it to what a good server would. */
export type Answering = (command: readonly string[], socket: Socket) => Answer | 'as usual';

/** See the head of this file. */
export type RespServer = {
  readonly port: number;
  /** Every command that came, in order, but for those of the handshake. */
  readonly commands: () => readonly (readonly string[])[];
  /** Resolves with the next connection that asks whose store it is. */
  readonly nextLook: () => Promise<void>;
  readonly answer: (answering: Answering) => void;
  readonly close: () => Promise<void>;
};

/** Starts one on loopback. */
export async function startRespServer(): Promise<RespServer> {
  const sockets = new Set<Socket>();
  const commands: (readonly string[])[] = [];
  let looking: (() => void)[] = [];
  let answering: Answering = () => 'as usual';
  let store: string | null = null;

  function usual([name = '', ...args]: readonly string[]): Answer {
    switch (name.toLowerCase()) {
      case 'info':
        return 'redis_version:7.0.15\r\nrole:master\r\nloading:0\r\ncluster_enabled:0\r\n';
      case 'config':
        return ['appendonly', 'yes', 'appendfsync', 'always', 'no-appendfsync-on-rewrite', 'no', 'maxmemory-policy', 'noeviction'];
      case 'exists':
        return 0;
      case 'set':
        store = args[1] ?? null;
        return 'OK';
      case 'get':
        return store;
      default:
        return 'OK';
    }
  }

  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    let rest = '';
    socket.on('data', (data) => {
      rest += data.toString('latin1');
      for (let read = readCommand(rest); read; read = readCommand(rest)) {
        rest = rest.slice(read.length);
        const { command } = read;
        if (!/^(auth|select|client|hello|script|info|config)$/i.test(command[0] ?? '')) commands.push(command);
        if (command[0]?.toLowerCase() === 'get') for (const look of looking.splice(0)) look();
        const answer = answering(command, socket);
        const value = answer === 'as usual' ? usual(command) : answer;
        if (value !== undefined) socket.write(format(value));
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    commands: () => commands,
    nextLook: () => new Promise((resolve) => looking.push(resolve)),
    answer: (next) => {
      answering = next;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      looking = [];
      server.close();
      await once(server, 'close');
    },
  };
}

/** The first command of a text, and how long it is; undefined where it has not come whole. */
function readCommand(text: string): { readonly command: readonly string[]; readonly length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (!head) return undefined;
  const command: string[] = [];
  let at = head[0].length;
  for (let i = 0; i < Number(head[1]); i++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at, at + 16));
    if (!size) return undefined;
    const from = at + size[0].length;
    at = from + Number(size[1]) + 2;
    if (text.length < at) return undefined;
    command.push(text.slice(from, at - 2));
  }
  return { command, length: at };
}

function format(answer: Exclude<Answer, undefined>): string {
  if (answer === null) return '$-1\r\n';
  if (typeof answer === 'number') return `:${answer}\r\n`;
  if (typeof answer === 'string') return `$${Buffer.byteLength(answer)}\r\n${answer}\r\n`;
  if ('error' in answer) return `-${answer.error}\r\n`;
  return `*${answer.length}\r\n${answer.map((one) => format(one ?? null)).join('')}`;
}
