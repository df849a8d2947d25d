import { describe, expect, test } from 'vitest';
import * as Outgoing from './Outgoing.ts';

const url = 'https://api.example.com/v1/translate?text=hello';

/** The request as a server would see it. */
async function sent(outgoing: Outgoing.Outgoing, credential?: string) {
  let seen: Request | undefined;
  const fetch: Outgoing.Fetch = async (input, init) => {
    seen = new Request(input, init);
    return new Response();
  };
  await Outgoing.send(outgoing, fetch, credential);
  const { method, headers, redirect, url: at } = seen as Request;
  return { at, method, headers: [...headers], redirect, body: await (seen as Request).text() };
}

const cases: readonly { readonly what: string; readonly init?: RequestInit }[] = [
  { what: 'nothing but an address' },
  { what: 'no headers', init: { headers: {} } },
  { what: 'plain headers', init: { headers: { Accept: 'text/plain', 'X-A': '1' } } },
  {
    what: 'headers in pairs',
    init: {
      headers: [
        ['Accept', 'text/plain'],
        ['X-A', '1'],
        ['X-A', '2'],
      ],
    },
  },
  { what: 'Headers', init: { headers: new Headers({ Accept: 'text/plain' }) } },
  { what: 'a text to post', init: { method: 'POST', body: 'text=hallo' } },
  { what: 'an empty text to post', init: { method: 'POST', body: '' } },
  { what: 'a text with half a surrogate', init: { method: 'POST', body: '\ud800' } },
  { what: 'JSON to put', init: { method: 'put', body: '{}', headers: { 'content-type': 'application/json' } } },
  { what: 'bytes', init: { method: 'POST', body: Uint8Array.of(1, 2) } },
  { what: 'a form', init: { method: 'POST', body: new URLSearchParams({ a: 'b' }) } },
  { what: 'a method in small letters', init: { method: 'delete' } },
  { what: 'a method of its own', init: { method: 'patch', body: 'x' } },
  { what: 'a null body', init: { method: 'POST', body: null } },
];

describe.each(cases)('$what', ({ init }) => {
  test('is sent as fetch would send it, any number of times', async () => {
    const outgoing = await Outgoing.from(url, init, 1000);
    const expected = new Request(url, init);
    const { method, headers } = expected;
    const whole = { at: url, method, headers: [...headers], redirect: 'manual', body: await expected.text() };
    expect(await sent(outgoing)).toEqual(whole);
    expect(await sent(outgoing)).toEqual(whole);
  });

  test('goes out with a credential beside everything else', async () => {
    const outgoing = await Outgoing.from(url, init, 1000);
    const expected = new Headers(new Request(url, init).headers);
    expected.set('Authorization', 'L402 x:y');
    expect((await sent(outgoing, 'L402 x:y')).headers).toEqual([...expected]);
    expect((await sent(outgoing)).headers.map(([name]) => name)).not.toContain('authorization');
  });

  test('is the same resource as by way of a Request', async () => {
    const byRequest = await Outgoing.from(new Request(url, init), undefined, 1000);
    expect((await Outgoing.from(`${url}#there`, init, 1000)).resource).toBe(byRequest.resource);
    expect((await Outgoing.from(new URL(url), init, 1000)).resource).toBe(byRequest.resource);
  });
});

test('what the caller changes later is not sent', async () => {
  const init = { method: 'POST', body: 'one', headers: { 'X-A': '1' } };
  const outgoing = await Outgoing.from(url, init, 1000);
  Object.assign(init, { method: 'DELETE', body: 'two' });
  init.headers['X-A'] = '2';
  expect(await sent(outgoing)).toMatchObject({ method: 'POST', body: 'one', headers: expect.arrayContaining([['x-a', '1']]) });
});

test('settings that only the transport knows are the caller’s at the time of the call', async () => {
  const init: RequestInit = { cache: 'no-store' };
  const outgoing = await Outgoing.from(url, init, 1000);
  init.cache = 'reload';
  let cache: string | undefined;
  await Outgoing.send(outgoing, async (_, given) => {
    cache = given.cache;
    return new Response();
  });
  expect(cache).toBe('no-store');
});

test('a redirect leads to the same resource whatever part of it is named', async () => {
  const outgoing = await Outgoing.from('https://api.example.com/old', undefined, 1000);
  const to = (location: string) => Outgoing.redirected(outgoing, new Response(null, { status: 302, headers: { Location: location } }))?.resource;
  expect(to('/new#part')).toBe(to('/new'));
  expect(to('/new')).toBe((await Outgoing.from('https://api.example.com/new', undefined, 1000)).resource);
});

test('a redirect to an address with a user in it, or to no web address, is not followed', async () => {
  const outgoing = await Outgoing.from(url, undefined, 1000);
  for (const to of ['https://user@b.example/', 'https://:secret@b.example/', 'file:///etc/passwd', 'https://']) {
    expect(() => Outgoing.redirected(outgoing, new Response(null, { status: 302, headers: { Location: to } }))).toThrow(TypeError);
  }
});

test('an Authorization of the caller is seen in any form of headers', async () => {
  for (const headers of [{ AUTHORIZATION: 'a' }, [['authorization', 'a']], new Headers({ Authorization: 'a' })] as RequestInit['headers'][]) {
    expect(Outgoing.hasHeader(await Outgoing.from(url, { headers: headers as Headers }, 1000), 'authorization')).toBe(true);
  }
  expect(Outgoing.hasHeader(await Outgoing.from(url, { headers: { 'X-Authorization': 'a' } }, 1000), 'authorization')).toBe(false);
});

test('a text that is too long to be held is refused before anything is sent', async () => {
  const tooLong = async () => Outgoing.from(url, { method: 'POST', body: 'ä'.repeat(6) }, 11);
  await expect(tooLong()).rejects.toMatchObject({ code: 'REQUEST_UNREPEATABLE' });
  await expect(Outgoing.from(url, { method: 'POST', body: 'ä'.repeat(5) }, 11)).toBeTruthy();
});

test('what fetch refuses is refused as it does', async () => {
  for (const init of [{ method: 'TRACE' }, { method: 'GET', body: 'x' }, { redirect: 'away' }] as RequestInit[]) {
    await expect(async () => Outgoing.from(url, init, 1000)).rejects.toThrow(TypeError);
  }
  await expect(async () => Outgoing.from('http://user:secret@host/', undefined, 1000)).rejects.toThrow(TypeError);
  await expect(async () => Outgoing.from('/relative', undefined, 1000)).rejects.toThrow(TypeError);
});

test('an origin that was asked before is not taken for another one', async () => {
  const texts = [
    'http://a.example/',
    'http://a.example',
    'http://a.examplex',
    'http://a.example:80/',
    'http://a.example.b/',
    'http://a.example?/',
    'http://a.exampl',
  ];
  for (const text of [...texts, ...texts]) {
    const { origin, pathname } = await Outgoing.from(text, undefined, 0);
    expect([origin, pathname]).toEqual([new URL(text).origin, new URL(text).pathname]);
  }
});

test('a credential goes over TLS, or to this machine alone', async () => {
  const isSafe = async (text: string) => (await Outgoing.from(text, undefined, 0)).isSafe;
  for (const text of ['https://a.example/', 'http://localhost:1/', 'http://127.0.0.1/', 'http://127.1:8080/x', 'http://[::1]:2/'])
    expect(await isSafe(text)).toBe(true);
  for (const text of ['http://a.example/', 'http://localhost.example/', 'http://127.0.0.1.example/', 'http://10.0.0.1/'])
    expect(await isSafe(text)).toBe(false);
});

test('a Request as the second argument is what is asked for', async () => {
  const init = new Request(url, { method: 'POST', body: 'text', headers: { 'X-A': '1' } });
  expect(await sent(await Outgoing.from(url, init as RequestInit, 1000))).toMatchObject({
    method: 'POST',
    body: 'text',
    headers: expect.arrayContaining([['x-a', '1']]),
  });
});

test('a fetch of the caller’s own may change what it is handed', async () => {
  const outgoing = await Outgoing.from(url, undefined, 1000);
  const changing: Outgoing.Fetch = async (_, init) => {
    init.headers = { 'X-Trace': '1' };
    return new Response();
  };
  await Outgoing.send(outgoing, changing);
  expect((await sent(outgoing)).headers).toEqual([]);
});

test.each(['Authorization', 'Cookie', 'L402-Authorization', 'Macaroon', 'Grpc-Metadata-Macaroon'])(
  '%s does not follow a redirect to another origin',
  async (name) => {
    const outgoing = await Outgoing.from(url, { headers: { [name]: 'secret' } }, 1000);
    const to = (location: string) => Outgoing.redirected(outgoing, new Response(null, { status: 302, headers: { Location: location } })) as Outgoing.Outgoing;
    expect(Outgoing.hasHeader(to('https://elsewhere.example/'), name.toLowerCase())).toBe(false);
    expect(Outgoing.hasHeader(to('/here'), name.toLowerCase())).toBe(true);
  },
);
