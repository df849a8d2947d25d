/**
 * The cases of RFC 9112 with servers behind the gateway that others wrote: nginx, which hands on what it has read, and Python's http.server. What
 * the gateway understood and what they did is the same, or the request was refused.
 */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { type Closing, closeAll, openStage, openUpstream, type Stage } from '../../gateway/harness.ts';
import { cases, type Recorder, tryCase } from '../../gateway/rfc9112/cases.ts';
import * as Nginx from './Nginx.ts';
import * as Python from './PythonServer.ts';

function tryAll(openRecorder: (closing: Closing) => Promise<Recorder & { readonly port: number }>): void {
  const closing: Closing = [];
  let stage: Stage;
  let recorder: Recorder;

  beforeAll(async () => {
    const opened = await openRecorder(closing);
    recorder = opened;
    stage = await openStage(closing, { upstream: opened.port });
  });

  afterAll(() => closeAll(closing));

  test.each(cases)('$what', (one) => tryCase(closing, stage.port, recorder, one));
}

describe.skipIf(Nginx.whyNot())('nginx', () => {
  tryAll(async (closing) => {
    const behind = await openUpstream(closing);
    const nginx = await Nginx.startNginx(
      `location / { proxy_pass http://127.0.0.1:${behind.port}; proxy_http_version 1.1; proxy_set_header Connection ""; client_max_body_size 0; }`,
    );
    closing.push(nginx.close);
    // It asks by itself, and keeps to itself what belongs to a connection.
    return { port: nginx.port, seen: () => behind.seen, hides: (name) => name === 'te' };
  });
});

describe.skipIf(whyNoPython())('Python', () => {
  tryAll(async (closing) => {
    const python = await Python.startPython();
    closing.push(python.close);
    return python;
  });
});

function whyNoPython(): boolean {
  const why = Python.missing();
  if (why !== undefined) process.stderr.write(`SKIPPED, NOT RUN: ${why}.\n`);
  return why !== undefined;
}
