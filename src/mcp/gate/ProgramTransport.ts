/**
 * A program that serves over its stdio, started here. Unlike the SDK's, it holds no message against a schema that the two sides hold it against anyway, which is
 * most of what a message costs on its way.
 *
 * @see Model Context Protocol 2025-11-25, "Transports", "stdio"; "Lifecycle", "Shutdown"
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { atMost, type Clock, systemClock } from '../../core/Clock.ts';
import { LineTransport } from './LineTransport.ts';

/** What is started, with these variables and those that every program needs, and no others. */
export type Program = { readonly command: string; readonly args: readonly string[]; readonly env: { readonly [name: string]: string } };

/** How long it may take to end, each time that it is told to. */
const patienceMs = 2000;

/** See the head of this file. */
export class ProgramTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: <T extends JSONRPCMessage>(message: T) => void;
  readonly #program: Program;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #ended = Promise.withResolvers<void>();
  #child: ChildProcess | undefined;
  #lines: LineTransport | undefined;
  #closing: Promise<void> | undefined;

  /** @param maxBytes - of a message; a longer one ends the program */
  constructor(program: Program, maxBytes: number, clock: Clock = systemClock) {
    this.#program = program;
    this.#maxBytes = maxBytes;
    this.#clock = clock;
  }

  /** @throws Error – there is no such program, or it may not be started */
  async start(): Promise<void> {
    const { command, args, env } = this.#program;
    const child = spawn(command, [...args], { env: { ...getDefaultEnvironment(), ...env }, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    const spawned = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.on('error', (error) => this.onerror?.(error));
    // Where there is no room for one more file, there are no streams either, and the error comes a moment later.
    if ((child.stdin as Writable | null | undefined) == null) return spawned;
    // Somebody whom it has started may hold its output for longer than it lives.
    child.once('exit', () => void this.close());
    child.once('close', () => {
      this.#ended.resolve();
      this.onclose?.();
    });
    child.stdin.on('error', (error) => this.onerror?.(error));
    const lines = new LineTransport(child.stdout, child.stdin, this.#maxBytes);
    lines.onmessage = (message) => this.onmessage?.(message);
    lines.onerror = (error) => this.onerror?.(error);
    // It says no more, or said too much.
    lines.onclose = () => void this.close();
    this.#lines = lines;
    await spawned;
    await lines.start();
  }

  send(message: JSONRPCMessage): Promise<void> {
    return this.#lines === undefined ? Promise.reject(new Error('the program has not been started')) : this.#lines.send(message);
  }

  /** Says that nothing more comes; whoever does not end then is asked to, and at last made to. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const child = this.#child;
    if (child?.pid === undefined) return;
    child.stdin?.end();
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await atMost(this.#clock, patienceMs, this.#ended.promise);
      if (child.exitCode !== null || child.signalCode !== null) break;
      child.kill(signal);
    }
    await this.#lines?.close();
    // Whoever else holds the other end keeps us no longer.
    child.stdout?.destroy();
  }
}
