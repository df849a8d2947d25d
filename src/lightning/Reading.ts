/**
 * What a product answers, read field by field: what is not there, or not of its kind, is no answer.
 *
 *     const invoice = new Reading('lnd', body);
 *     invoice.text('payment_request');   invoice.whole('value_msat');   invoice.list('htlcs');
 */
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';

/** A JSON object of a product. Each reader throws LIGHTNING_UNAVAILABLE where the field is missing or of another kind. */
export class Reading {
  readonly #product: string;
  readonly #fields: { readonly [name: string]: unknown };

  /** @throws LIGHTNING_UNAVAILABLE – no JSON object */
  constructor(product: string, value: unknown) {
    this.#product = product;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#unreadable('it is no object');
    this.#fields = value as { readonly [name: string]: unknown };
  }

  /** Whether the field is there and not null. */
  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  text(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== 'string') throw this.#unreadable(`${name} is no text`);
    return value;
  }

  /** A whole number, also where it stands as decimal text. */
  whole(name: string): bigint {
    const value = this.#fields[name];
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    if (typeof value === 'string' && /^-?\d{1,20}$/.test(value)) return BigInt(value);
    throw this.#unreadable(`${name} is no whole number`);
  }

  /** An amount in msat. */
  msat(name: string): Amount.Msat {
    const value = this.whole(name);
    if (value < 0n || value > Amount.maxMsat) throw this.#unreadable(`${name} is no amount`);
    return Amount.fromMsat(value);
  }

  /** An amount in whole satoshis. */
  sat(name: string): Amount.Msat {
    const value = this.whole(name) * 1000n;
    if (value < 0n || value > Amount.maxMsat) throw this.#unreadable(`${name} is no amount`);
    return Amount.fromMsat(value);
  }

  /** Unix seconds, or a length in seconds. */
  seconds(name: string): number {
    const value = Number(this.whole(name));
    if (!Number.isSafeInteger(value) || value < 0) throw this.#unreadable(`${name} is no time`);
    return value;
  }

  /** A point in time as text (ISO 8601, in UTC where it names no zone) or as Unix seconds, in whole Unix seconds. */
  time(name: string): number {
    const value = this.#fields[name];
    if (typeof value !== 'string') return this.seconds(name);
    const ms = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`);
    if (!Number.isFinite(ms)) throw this.#unreadable(`${name} is no time`);
    return Math.floor(ms / 1000);
  }

  flag(name: string): boolean {
    const value = this.#fields[name];
    if (typeof value !== 'boolean') throw this.#unreadable(`${name} is neither true nor false`);
    return value;
  }

  object(name: string): Reading {
    return new Reading(this.#product, this.#fields[name]);
  }

  list(name: string): readonly Reading[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) throw this.#unreadable(`${name} is no list`);
    return value.map((item) => new Reading(this.#product, item));
  }

  strings(name: string): readonly string[] {
    const value = this.#fields[name];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw this.#unreadable(`${name} is no list of texts`);
    return value;
  }

  #unreadable(what: string): FareboxError {
    return new FareboxError('LIGHTNING_UNAVAILABLE', `${this.#product} answered something that cannot be read: ${what}.`);
  }
}
