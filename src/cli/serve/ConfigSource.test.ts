import { expect, test } from 'vitest';
import { fromFile } from './ConfigSource.ts';

const source = fromFile('/srv/farebox.yaml', { PORT: '3000' });
const withRoutes = (count: number, more = '') =>
  [
    'services:',
    '  - name: api',
    `    upstream: "http://localhost:$\{PORT}"`,
    '    routes:',
    ...Array.from({ length: count }, (_, index) => `      - { path: /api/${index}, price: ${index + 1} sat }`),
    more,
  ].join('\n');

const everything = `
      - { path: "regex:/items/[0-9]+", price: 2500 msat, exactMsat: true, rate: 5/s }
      - { path: "/users/{id}", price: 1 sat, terms: "pass: 1h", requestHeaders: { set: { X-A: b } }, stripPrefix: /users }
  - name: others
    upstreams: [http://localhost:1, http://localhost:2]
    bucket: { units: 10, price: 5 sat }
    routes: [{ path: /bucket, terms: bucket }]
logs: {}
health: {}`;

test.each([1, 500])('of %i routes, what is read aside is what is read at once', async (count) => {
  const text = withRoutes(count, everything);
  expect(await source.parseAside(text)).toEqual(source.parse(text));
});

test.each([1, 500])('of %i routes, mistakes are told with their places all the same', async (count) => {
  const text = withRoutes(count, 'limit: {}');
  const message = `/srv/farebox.yaml:${5 + count}:1: unknown key \`limit\`: did you mean \`limits\`?`;
  await expect(source.parseAside(text)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message, details: { mistakes: [message] } });
});

test('a long one is waited for by nobody else', async () => {
  const text = withRoutes(2000);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await source.parseAside(text);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(10);
});
