/**
 * Kinds of values that operations take and answer with, as schemas.
 */
import { z } from 'zod';

/** Money: millisatoshis as a decimal string. */
export const msat = z
  .string()
  .regex(/^\d{1,20}$/)
  .describe('Millisatoshis.');

/** The same, which may be below nothing. */
export const signedMsat = z
  .string()
  .regex(/^-?\d{1,20}$/)
  .describe('Millisatoshis.');

/** A point in time: Unix seconds. */
export const at = z.int().min(0).max(253_402_300_799).describe('Unix seconds.');

/** A payment hash, a token id, the name of an account or of a part: 64 hex digits. */
export const digest = z.string().regex(/^[0-9a-f]{64}$/, 'has 64 hex digits');

/** A line of text from an operator. */
export const line = z.string().min(1).max(600);

/** How many of something are answered at most. */
export const limit = z.int().min(1).max(1000).optional().describe('How many at most; default 100.');
