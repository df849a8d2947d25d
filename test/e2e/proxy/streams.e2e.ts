/**
 * Large bodies, ranges, bodies that wait to be asked for, and WebSockets, with curl in front of the gateway and nginx behind it.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { type Check, type Closing, closeAll, openStage, openUpstream } from '../../gateway/harness.ts';
import { openDesk } from '../processes.ts';
import * as Nginx from './Nginx.ts';

const closing: Closing = [];
afterAll(() => closeAll(closing));

const run = promisify(execFile);
const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const hasCurl = spawnSync('curl', ['--version'], { stdio: 'ignore' }).status === 0;
if (!hasCurl) process.stderr.write('SKIPPED, NOT RUN: there is no curl on this machine.\n');

describe.skipIf(!hasCurl)('curl', () => {
  test('sees the 402 before it is asked for a body, and is asked for it once it may pass', async () => {
    const upstream = await openUpstream(closing);
    const toPay: Check = () => ({ kind: 'challenge', answer: { status: 402, headers: [], body: 'pay' } });
    const paid = await openStage(closing, { upstream: upstream.port });
    const unpaid = await openStage(closing, { upstream: upstream.port, check: toPay });
    const upload = (url: string) => run('curl', ['-sv', '-H', 'Expect: 100-continue', '--data-binary', 'x'.repeat(100_000), `${url}/a`]);
    const refused = await upload(unpaid.url);
    expect(refused.stderr).toMatch(/< HTTP\/1\.1 402/);
    expect(refused.stderr).not.toMatch(/100 Continue/);
    expect(upstream.seen).toEqual([]);
    const passed = await upload(paid.url);
    expect(passed.stderr).toMatch(/< HTTP\/1\.1 100 Continue[\s\S]*< HTTP\/1\.1 200/);
    expect(upstream.seen[0]?.body.length).toBe(100_000);
  });
});

describe.skipIf(!hasCurl || Nginx.whyNot())('curl and nginx', () => {
  let nginx: Nginx.Nginx;
  let url: string;
  const file = randomBytes(3_000_000);

  beforeAll(async () => {
    nginx = await Nginx.startNginx('root html;');
    closing.push(nginx.close);
    writeFileSync(join(nginx.folder, 'html', 'file'), file);
    url = (await openStage(closing, { upstream: nginx.port })).url;
  });

  const get = async (...args: readonly string[]) => {
    const { stdout } = await run('curl', ['-si', '--raw', ...args, `${url}/file`], { encoding: 'buffer', maxBuffer: 64 * 1024 * 1024 });
    const end = stdout.indexOf('\r\n\r\n');
    return { head: stdout.subarray(0, end).toString('latin1'), body: stdout.subarray(end + 4) };
  };

  test('a range, the rest of a file, and a range that is not there', async () => {
    const one = await get('-r', '1000-1999999');
    expect(one.head).toMatch(/^HTTP\/1\.1 206 [\s\S]*Content-Range: bytes 1000-1999999\/3000000/);
    expect(hashOf(one.body)).toBe(hashOf(file.subarray(1000, 2_000_000)));
    const rest = await get('-r', '2999000-');
    expect(hashOf(rest.body)).toBe(hashOf(file.subarray(2_999_000)));
    expect((await get('-r', '4000000-')).head).toMatch(/^HTTP\/1\.1 416 /);
  });

  test('several ranges in one answer', async () => {
    const { head, body } = await get('-r', '0-9,100-199');
    const boundary = /multipart\/byteranges; boundary=(\S+)/.exec(head)?.[1];
    const parts = body.toString('latin1').split(`--${boundary}`);
    expect(parts).toHaveLength(4);
    expect(parts[2]?.slice(parts[2].indexOf('\r\n\r\n') + 4, -2)).toBe(file.subarray(100, 200).toString('latin1'));
  });

  test('a range of what has not changed, and the whole of what has', async () => {
    const etag = /ETag: (\S+)/i.exec((await get()).head)?.[1] ?? '';
    expect((await get('-r', '0-9', '-H', `If-Range: ${etag}`)).head).toMatch(/ 206 /);
    const whole = await get('-r', '0-9', '-H', 'If-Range: "other"');
    expect([whole.head.split(' ')[1], hashOf(whole.body)]).toEqual(['200', hashOf(file)]);
  });

  test('a WebSocket through nginx, to a server behind it', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    server.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
    closing.push(() => server.close());
    const between = await Nginx.startNginx(
      `location / { proxy_pass http://127.0.0.1:${(server.address() as AddressInfo).port}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }`,
    );
    closing.push(between.close);
    const stage = await openStage(closing, { upstream: between.port });
    const socket = new WebSocket(`${stage.url.replace('http', 'ws')}/live`);
    await once(socket, 'open');
    socket.send(file);
    expect(hashOf((await once(socket, 'message'))[0])).toBe(hashOf(file));
    socket.close(4000, 'bye');
    expect((await once(socket, 'close')).map(String)).toEqual(['4000', 'bye']);
    expect((await stage.over(1))[0]?.ended).toBe('delivered');
  });
});

describe.skipIf(process.platform !== 'linux')('200 MB', () => {
  const size = 200_000_000;
  const desk = openDesk();
  let child: number;
  let url: string;

  beforeAll(async () => {
    const block = Buffer.alloc(1_000_000, 'abcdefgh');
    const server = createServer(async (request, response) => {
      const hash = createHash('sha256');
      let got = 0;
      for await (const chunk of request) {
        hash.update(chunk as Buffer);
        got += (chunk as Buffer).length;
      }
      if (request.method === 'POST') return void response.end(`${got} ${hash.digest('hex')}`);
      response.writeHead(200, { 'Content-Length': size });
      for (let sent = 0; sent < size; sent += block.length) if (!response.write(block)) await once(response, 'drain');
      response.end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => {
      server.closeAllConnections();
      server.close();
    });
    closing.push(desk.close);
    const config = join(desk.folder, 'farebox.yaml');
    writeFileSync(
      config,
      `listen: 127.0.0.1:0\nstore: none\nlimits: { body: 1 GB }\nservices: [{ name: api, upstream: 'http://127.0.0.1:${(server.address() as AddressInfo).port}', routes: [{ path: /*, free: true }] }]\n`,
    );
    const gateway = desk.start('serve', '--config', config);
    child = gateway.child.pid as number;
    url = String((await gateway.says((line) => line.url !== undefined)).url);
  });

  const residentMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1]) / 1000;
  const peakMb = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, 'utf8'))?.[1]) / 1000;

  test('down and up, whole, in constant memory', async () => {
    await (await fetch(`${url}/warm`, { method: 'POST', body: 'x' })).text();
    const before = residentMb();
    const expected = createHash('sha256');
    const got = createHash('sha256');
    let count = 0;
    for (let sent = 0; sent < size; sent += 1_000_000) expected.update(Buffer.alloc(1_000_000, 'abcdefgh'));
    const whole = expected.digest('hex');
    const answer = await fetch(`${url}/down`);
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      got.update(chunk);
      count += chunk.length;
    }
    expect([count, got.digest('hex')]).toEqual([size, whole]);
    const body = new ReadableStream({
      start: () => {},
      pull: (controller) => {
        if (count === 0) return controller.close();
        controller.enqueue(Buffer.alloc(1_000_000, 'abcdefgh'));
        count -= 1_000_000;
      },
    });
    const up = await fetch(`${url}/up`, { method: 'POST', body, duplex: 'half' } as RequestInit);
    expect(await up.text()).toBe(`${size} ${whole}`);
    // What went through is two hundred times as much as may be held.
    expect(peakMb() - before).toBeLessThan(100);
  });
});
