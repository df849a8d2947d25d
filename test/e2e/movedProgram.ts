/**
 * The command line, with a clock that is as many milliseconds ahead as the file says which `MOVED_CLOCK` names; so that no test waits for a lease.
 */
import { readFileSync } from 'node:fs';

const { MOVED_CLOCK = '' } = process.env;
const machines = Date.now;
Date.now = () => machines() + Number(readFileSync(MOVED_CLOCK, 'utf8'));
await import('../../src/cli/bin.ts');
