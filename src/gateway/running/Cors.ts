/**
 * What pages of other origins may ask, and read of the answers. Where the configuration says so, the gateway answers every preflight itself, before
 * anything is sold or asked behind it, and says on every answer who may read it; what an upstream says of that is left out.
 *
 * @see Fetch Standard, "CORS protocol"
 */
import type { Answer, RequestView } from '../../http/RequestView.ts';
import { exposedHeaders } from '../../server/Answers.ts';
import type { CorsConfig } from '../config/Running.ts';

/** See the head of this file. */
export type Cors = {
  /** Answers a browser that asks whether it may ask: to an origin that may not, without a word that it might. */
  readonly preflight: (request: RequestView) => Answer;
  /** What stands on an answer to a page of this origin: names and values in turn. `isOurs`: the answer names the headers that a page may read by itself. */
  readonly headersFor: (origin: string | undefined, isOurs: boolean) => readonly string[];
  /** Whether that is not an upstream's to say any more. */
  readonly isSaidHere: (name: string) => boolean;
};

/** As configured. */
export function createCors({ origins, credentials, maxAgeSeconds }: CorsConfig): Cors {
  const forAll = origins.includes('*');
  const allowed = new Set(origins);
  const allow = (origin: string | undefined): readonly string[] => {
    if (forAll) return ['Access-Control-Allow-Origin', '*'];
    // Caches must not hand one origin's answer to another.
    if (origin === undefined || !allowed.has(origin)) return ['Vary', 'Origin'];
    return ['Access-Control-Allow-Origin', origin, 'Vary', 'Origin', ...(credentials ? ['Access-Control-Allow-Credentials', 'true'] : [])];
  };
  const mayAsk = (origin: string | undefined) => forAll || (origin !== undefined && allowed.has(origin));
  return {
    preflight: (request) => {
      const headers: [string, string][] = [['Vary', 'Access-Control-Request-Method, Access-Control-Request-Headers']];
      if (mayAsk(request.header('origin'))) {
        const asked = request.header('access-control-request-headers');
        headers.push(['Access-Control-Allow-Methods', request.header('access-control-request-method') ?? '']);
        if (asked !== undefined) headers.push(['Access-Control-Allow-Headers', asked]);
        headers.push(['Access-Control-Max-Age', String(maxAgeSeconds)]);
      }
      return { status: 204, headers, body: '' };
    },
    headersFor: (origin, isOurs) => (isOurs || !mayAsk(origin) ? allow(origin) : [...allow(origin), 'Access-Control-Expose-Headers', exposedHeaders]),
    isSaidHere: (name) => saidHere.has(name.toLowerCase()),
  };
}

const saidHere: ReadonlySet<string> = new Set(['access-control-allow-origin', 'access-control-allow-credentials']);
