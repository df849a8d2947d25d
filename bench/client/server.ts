/**
 * Sellers for the client's bench, each at a port of its own: `/free` for nothing, anything else for a pass whose credential is not looked
 * into. What that costs here is none of the client's.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PaymentHash } from '../../src/core/Preimage.ts';
import { makeOffer } from '../../src/testing/Offers.ts';
import { serve } from '../harness/Program.ts';

const body = JSON.stringify({ translation: 'Bonjour le monde', source: 'en', target: 'fr' });
const caveats = ['services=api:0', 'api_method=GET', 'api_path=/paid/*', 'api_valid_until=4102444800', 'api_price=50000', 'api_terms=pass'];

serve(async ({ sellers }: { readonly sellers: number }) => {
  const preimages = new Map<PaymentHash, string>();
  const answer: RequestListener = (request, response) => {
    if (request.url === '/free' || request.headers.authorization !== undefined) {
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body);
      return;
    }
    const offer = makeOffer({ caveats }, Math.floor(Date.now() / 1000));
    preimages.set(offer.paymentHash, offer.preimage);
    response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${offer.token}", invoice="${offer.invoice}"` }).end();
  };
  const servers = Array.from({ length: sellers }, () => createServer({ keepAliveTimeout: 600_000 }, answer));
  await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))));
  return {
    ready: servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    answer: (paymentHash: PaymentHash) => preimages.get(paymentHash),
    close: () => {
      for (const server of servers) server.closeAllConnections();
    },
  };
});
