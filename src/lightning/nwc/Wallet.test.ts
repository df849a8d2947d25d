/**
 * What relays may do to a question and its answer: everything but change them. All of it over real sockets.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { openScene as open, type Scene, type SceneOptions, until } from '../../../test/lightning/nwc/Scene.ts';
import { grants, secrets } from '../../../test/lightning/nwc.ts';
import { systemRandom } from '../../core/Clock.ts';
import { fromHex } from '../../core/internal/bytes.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { Receiver } from '../Lightning.ts';
import { ciphersBetween } from './Encryption.ts';
import { type Event, publicKeyOf, sign } from './Event.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const openScene = (options?: SceneOptions) => open(closing, options);
const hex = (text: string) => fromHex(text) as Uint8Array;
const hash = Preimage.parseHash('ab'.repeat(32));
const ask = (receiver: Receiver) => receiver.lookupInvoice(hash);
const isAnswer = ({ kind }: Event) => kind === 23195;
const isQuestion = ({ kind }: Event) => kind === 23194;
const questions = (scene: Scene, relay = scene.relays[0]) => relay.handed.filter(isQuestion);
const client = publicKeyOf(hex(secrets.sell));

/** Lets time pass until the driver has lost its patience. */
async function outOfPatience(scene: Scene, asked: Promise<unknown>): Promise<void> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  asked.then(end, end);
  await scene.asked(1);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  expect(isOver).toBe(false);
  scene.clock.advance(10_000);
}

const unavailable = (words: RegExp | string) => ({ code: 'LIGHTNING_UNAVAILABLE', message: expect.stringMatching(words) });

describe('an answer', () => {
  const forge = (event: Event, by: string, tags = event.tags) => {
    const cipher = ciphersBetween(hex(by), hex(client), systemRandom).nip44_v2;
    const content = cipher.encrypt(JSON.stringify({ result_type: 'lookup_invoice', error: { code: 'NOT_FOUND', message: '' } }));
    return sign({ created_at: event.created_at, kind: event.kind, tags, content }, hex(by), systemRandom(32));
  };
  const withTags = (event: Event, tags: readonly (readonly string[])[]) => forge(event, secrets.wallet, tags);

  test.each<[string, (event: Event) => unknown]>([
    ['is signed by another key', (event) => forge(event, secrets.stranger)],
    ['says that it is the wallet’s, and is signed by another key', (event) => ({ ...forge(event, secrets.stranger), pubkey: event.pubkey })],
    ['was changed on its way', (event) => ({ ...event, content: forge(event, secrets.wallet).content })],
    ['has another signature', (event) => ({ ...event, sig: forge(event, secrets.wallet).sig })],
    ['has another id', (event) => ({ ...event, id: 'ab'.repeat(32) })],
    ['is to another client', (event) => withTags(event, [['p', 'ab'.repeat(32)], ...event.tags.filter(([name]) => name === 'e')])],
    [
      'is to nobody',
      (event) =>
        withTags(
          event,
          event.tags.filter(([name]) => name === 'e'),
        ),
    ],
    [
      'is about another question',
      (event) =>
        withTags(event, [
          ['p', client],
          ['e', 'ab'.repeat(32)],
        ]),
    ],
    ['is about no question', (event) => withTags(event, [['p', client]])],
    ['is of another kind', (event) => forge({ ...event, kind: 23197 }, secrets.wallet)],
    ['is no event', () => ({ hello: 'world' })],
  ])('that %s is passed over', async (_, change) => {
    const scene = await openScene();
    scene.relays[0].lie({ carry: (event) => (isAnswer(event) ? [change(event)] : undefined) });
    const asked = ask(scene.receiver());
    const rejected = expect(asked).rejects.toMatchObject(unavailable('did not answer in time'));
    await outOfPatience(scene, asked);
    await rejected;
    // The genuine one counts, though what is none came before it.
    scene.relays[0].lie({ carry: (event) => (isAnswer(event) ? [change(event), event] : undefined) });
    expect(await ask(scene.receiver())).toEqual({ kind: 'absent' });
  });

  /** It would do, were it not about another method. */
  const other = JSON.stringify({ result_type: 'get_info', result: { type: 'incoming', state: 'expired', payment_hash: hash, amount: 1, created_at: 1 } });

  test('to an earlier question is none to this one, however often it is shown', async () => {
    const scene = await openScene({ instead: async ({ method }) => (method === 'get_info' ? null : undefined) });
    const receiver = scene.receiver();
    let old: Event | undefined;
    scene.relays[0].lie({
      carry: (event) => {
        if (isAnswer(event)) old ??= event;
        return undefined;
      },
    });
    await ask(receiver);
    scene.relays[0].lie({ carry: (event) => (isQuestion(event) ? [event, old, old, old] : undefined) });
    const asked = receiver.info();
    const rejected = expect(asked).rejects.toMatchObject(unavailable('did not answer in time'));
    await scene.asked(2);
    scene.clock.advance(10_000);
    await rejected;
  });

  test.each(['<html>', '[]', '{}', other, '{"result_type":"lookup_invoice"}', '{"result_type":"lookup_invoice","result":[]}'])(
    'that says %s is the wallet’s, and is none',
    async (said) => {
      const scene = await openScene({ instead: async () => said });
      await expect(ask(scene.receiver())).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    },
  );

  test('that the wallet encrypted to somebody else cannot be read, which is not the same as no', async () => {
    const scene = await openScene();
    const cipher = ciphersBetween(hex(secrets.wallet), hex(publicKeyOf(hex(secrets.stranger))), systemRandom).nip44_v2;
    scene.relays[0].lie({
      carry: (event) => (isAnswer(event) ? [scene.service.write(23195, event.tags, cipher.encrypt('{"error":{"code":"NOT_FOUND"}}'))] : undefined),
    });
    await expect(ask(scene.receiver())).rejects.toMatchObject(unavailable('cannot be decrypted'));
  });
});

describe('a relay', () => {
  /** Says it again to every connection that is made anew, until there is none. */
  async function sayToAll({ relays: [relay] }: Scene, text: () => string): Promise<void> {
    for (let waited = relay.waited(); waited <= 4; waited++) {
      await until(() => relay.waited() === waited);
      relay.say(text());
    }
  }

  test.each<[string, string]>([
    ['garbage', 'garbage'],
    ['what is no message', '{"EVENT":1}'],
    ['numbers', '[1,2,3]'],
    ['what is no event', '["EVENT","answers",{}]'],
  ])('that sends %s is left after some, and asked anew', async (_, text) => {
    const scene = await openScene();
    const receiver = scene.receiver();
    await scene.service.setSlow(true);
    const asked = ask(receiver);
    await until(() => scene.service.worked.length === 1);
    for (let sent = 0; sent < 16; sent++) scene.relays[0].say(text);
    await until(() => scene.relays[0].waited() === 2);
    await scene.service.setSlow(false);
    expect(await asked).toEqual({ kind: 'absent' });
  });

  test.each<[string, string, RegExp]>([
    ['sends a message without an end', `["NOTICE","${'x'.repeat(1024 * 1024)}"]`, /broke off.*too long/],
    ['ends the subscription', '["CLOSED","answers","auth-required: pay first"]', /broke off.*auth-required: pay first/],
  ])('that %s is left, and not for ever asked anew', async (_, text, words) => {
    const scene = await openScene({ instead: async () => null });
    const asked = ask(scene.receiver());
    const rejected = expect(asked).rejects.toMatchObject(unavailable(words));
    await scene.asked(1);
    await sayToAll(scene, () => text);
    await rejected;
    expect(scene.relays[0].waited()).toBe(4);
  });

  test('that makes answers up is left after some', async () => {
    const scene = await openScene({ instead: async () => null });
    const asked = ask(scene.receiver());
    const rejected = expect(asked).rejects.toMatchObject(unavailable('what nobody wrote'));
    await scene.asked(1);
    const tags = [
      ['p', client],
      ['e', questions(scene)[0]?.id ?? ''],
    ];
    const stranger = sign({ created_at: 1, kind: 23195, tags, content: 'x' }, hex(secrets.stranger), systemRandom(32));
    const forged = JSON.stringify(['EVENT', 'answers', { ...stranger, pubkey: scene.service.publicKey }]);
    for (let waited = 1; waited <= 4; waited++) {
      await until(() => scene.relays[0].waited() === waited);
      for (let sent = 0; sent < 16; sent++) scene.relays[0].say(forged);
    }
    await rejected;
  });

  test('that says nothing does not hurt beside one that does, and alone is out of reach: nothing was sent', async () => {
    const scene = await openScene({ relayCount: 2, walletOn: [1] });
    scene.relays[0].lie({ isMute: true });
    expect(await ask(scene.receiver())).toEqual({ kind: 'absent' });
    await scene.relays[1]?.setDown(true);
    const asked = ask(scene.receiver());
    const rejected = expect(asked).rejects.toMatchObject({ ...unavailable('in time'), details: { sent: false } });
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    scene.clock.advance(10_000);
    await rejected;
    await scene.relays[1]?.setDown(false);
  });

  test('that is down does not hurt beside one that is not', async () => {
    const scene = await openScene({ relayCount: 2, walletOn: [1] });
    await scene.relays[0].setDown(true);
    expect(await ask(scene.receiver())).toEqual({ kind: 'absent' });
    await scene.relays[0].setDown(false);
  });

  test('that takes nothing is told apart from one that was not heard: nothing was sent where all say so', async () => {
    const scene = await openScene({ relayCount: 2 });
    const refuse = { verdict: (event: Event) => (isQuestion(event) ? { isTaken: false, why: 'blocked: not here' } : undefined) };
    scene.relays[0].lie(refuse);
    expect(await ask(scene.receiver())).toEqual({ kind: 'absent' });
    scene.relays[1]?.lie(refuse);
    await expect(ask(scene.receiver())).rejects.toMatchObject({
      ...unavailable(/no relay takes.*blocked: not here.*blocked: not here/),
      details: { sent: false },
    });
  });
});

describe('several relays', () => {
  test('get one and the same event, and the first answer counts', async () => {
    const scene = await openScene({ relayCount: 3 });
    expect(await ask(scene.receiver())).toEqual({ kind: 'absent' });
    await until(() => scene.relays.every((relay) => questions(scene, relay).length === 1));
    expect(new Set(scene.relays.flatMap((relay) => questions(scene, relay)).map(({ id }) => id)).size).toBe(1);
    expect(scene.service.worked).toHaveLength(1);
  });

  test('of which one alone has the answer do', async () => {
    const scene = await openScene({ relayCount: 2 });
    scene.relays[0].lie({ carry: (event) => (isAnswer(event) ? [] : undefined) });
    expect(await ask(scene.receiver())).toEqual({ kind: 'absent' });
  });

  test('of which one is ready later than the others get the same question as soon as they are', async () => {
    const scene = await openScene({ relayCount: 2 });
    const [early, late] = scene.relays as readonly [(typeof scene.relays)[0], (typeof scene.relays)[0]];
    early.lie({ carry: () => [] });
    late.lie({ isMute: true });
    const asked = ask(scene.receiver());
    await scene.asked(1);
    late.lie({});
    expect(await asked).toEqual({ kind: 'absent' });
    expect(questions(scene, late)).toEqual(questions(scene, early));
  });
});

describe('a connection that is lost', () => {
  test('while an answer is waited for is made anew, and the answer is heard', async () => {
    const scene = await openScene();
    const receiver = scene.receiver();
    await scene.service.setSlow(true);
    const asked = ask(receiver);
    await until(() => scene.service.worked.length === 1);
    scene.relays[0].drop();
    await until(() => scene.relays[0].waited() === 2);
    await scene.service.setSlow(false);
    expect(await asked).toEqual({ kind: 'absent' });
    expect(scene.service.worked).toHaveLength(1);
  });

  test('and cannot be made anew has not said that nothing was sent', async () => {
    const scene = await openScene();
    await scene.service.setSlow(true);
    const asked = ask(scene.receiver());
    const rejected = expect(asked).rejects.toSatisfy((error: { details: object }) => !('sent' in error.details));
    await until(() => scene.service.worked.length === 1);
    await scene.relays[0].setDown(true);
    await rejected;
    await scene.relays[0].setDown(false);
  });

  test('is made anew by the next question', async () => {
    const scene = await openScene();
    const receiver = scene.receiver();
    await ask(receiver);
    scene.relays[0].drop();
    expect(await ask(receiver)).toEqual({ kind: 'absent' });
  });

  test('before the relay had taken the question gets it once more, and one that had taken it does not', async () => {
    const scene = await openScene();
    const receiver = scene.receiver();
    await ask(receiver);
    const [relay] = scene.relays;
    relay.drop();
    const asked = ask(receiver);
    expect(await asked).toEqual({ kind: 'absent' });
    expect(questions(scene)).toHaveLength(2);
    await scene.service.setSlow(true);
    const again = ask(receiver);
    await until(() => scene.service.worked.length === 3);
    // What comes behind the verdict over the same connection has come after it.
    relay.say(JSON.stringify(['CLOSED', 'answers', 'error: restarting']));
    await until(() => relay.waited() === 3);
    await scene.service.setSlow(false);
    await again;
    await ask(receiver);
    expect(questions(scene)).toHaveLength(4);
  });
});

describe('the wallet’s info', () => {
  const sent = (scene: Scene) => questions(scene).at(-1);

  test('names NIP-44, and that is what is spoken', async () => {
    const scene = await openScene();
    await ask(scene.receiver());
    expect(sent(scene)?.tags).toContainEqual(['encryption', 'nip44_v2']);
    expect(sent(scene)?.content).not.toContain('?iv=');
  });

  test.each<[string, SceneOptions]>([
    ['names NIP-04 alone', { schemes: ['nip04'] }],
    ['names nothing', { schemes: ['nip04'], namesSchemes: false }],
  ])('%s, and NIP-04 is what is spoken', async (_, options) => {
    const scene = await openScene(options);
    expect(await ask(scene.receiver())).toEqual({ kind: 'absent' });
    expect(sent(scene)?.tags).toContainEqual(['encryption', 'nip04']);
    expect(sent(scene)?.content).toContain('?iv=');
  });

  test('that is not there is not made up: nothing is sent', async () => {
    const scene = await openScene({ walletOn: [] });
    await expect(ask(scene.receiver())).rejects.toMatchObject({ ...unavailable('info event'), details: { sent: false } });
    expect(questions(scene)).toEqual([]);
  });

  test('of another key, or an older one, makes nothing worse', async () => {
    const scene = await openScene();
    const receiver = scene.receiver();
    await ask(receiver);
    const at = scene.clock.nowMs() / 1000;
    const older = sign({ created_at: at - 1, kind: 13194, tags: [], content: 'lookup_invoice' }, hex(secrets.wallet), systemRandom(32));
    const forged = sign({ created_at: at + 1, kind: 13194, tags: [], content: 'lookup_invoice' }, hex(secrets.stranger), systemRandom(32));
    for (const event of [older, forged, { ...forged, pubkey: older.pubkey }]) scene.relays[0].say(JSON.stringify(['EVENT', 'info', event]));
    // The first of these is under way before it has heard of them.
    await ask(receiver);
    await ask(receiver);
    expect(sent(scene)?.tags).toContainEqual(['encryption', 'nip44_v2']);
  });

  test('that is newer is believed', async () => {
    const scene = await openScene();
    const receiver = scene.receiver();
    await ask(receiver);
    const newer = { created_at: scene.clock.nowMs() / 1000 + 1, kind: 13194, tags: [['encryption', 'nip99']], content: 'lookup_invoice' };
    scene.relays[0].say(JSON.stringify(['EVENT', 'info', sign(newer, hex(secrets.wallet), systemRandom(32))]));
    const isUnsent = { ...unavailable('in no way that is known'), details: { sent: false } };
    await expect(ask(receiver).then(() => ask(receiver))).rejects.toMatchObject(isUnsent);
  });

  test('says what it offers: nothing else is asked for', async () => {
    const scene = await openScene({ without: ['lookup_invoice'] });
    await expect(ask(scene.receiver())).rejects.toMatchObject({ ...unavailable('does not offer lookup_invoice'), details: { sent: false } });
    expect(questions(scene)).toEqual([]);
  });
});

test('a question is for the wallet, says how it is encrypted and how long it is good for, and nobody else reads it', async () => {
  const scene = await openScene();
  await ask(scene.receiver());
  const [question] = questions(scene);
  const at = scene.clock.nowMs() / 1000;
  expect(question).toMatchObject({ kind: 23194, pubkey: client, created_at: at });
  expect(question?.tags).toEqual([
    ['p', scene.service.publicKey],
    ['encryption', 'nip44_v2'],
    ['expiration', String(at + 7210)],
  ]);
  expect(JSON.stringify(question)).not.toMatch(/lookup_invoice|abababab/);
});

test('so many questions wait for their answers, and no more', async () => {
  const scene = await openScene({ instead: async () => null });
  const receiver = scene.receiver();
  const all = Array.from({ length: 256 }, () => ask(receiver).catch(() => {}));
  await until(() => scene.service.worked.length === 256);
  await expect(ask(receiver)).rejects.toMatchObject({ ...unavailable('256 questions'), details: { sent: false } });
  await receiver.close();
  await Promise.all(all);
});

test('nothing is sent before the first question, and nothing is left running after the last', async () => {
  const scene = await openScene({ grants });
  const receiver = scene.receiver();
  const before = scene.clock.timers();
  expect(questions(scene)).toEqual([]);
  await ask(receiver);
  expect(scene.clock.timers()).toBe(before + 1);
  scene.clock.advance(60_000);
  expect(scene.clock.timers()).toBe(before);
  expect(await ask(receiver)).toEqual({ kind: 'absent' });
  await receiver.close();
  expect(scene.clock.timers()).toBe(before);
});
