/**
 * Everything that is true of the gateway over our own client is true of it over undici's, which a configuration can choose.
 */
import { reachUpstreamsBy } from '../../test/gateway/harness.ts';

reachUpstreamsBy('undici');
await import('./Forwarding.test.ts');
await import('./Listener.test.ts');
await import('./Proxy.test.ts');
await import('./ProxyClient.test.ts');
