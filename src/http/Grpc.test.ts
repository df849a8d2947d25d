import { describe, expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import * as Grpc from './Grpc.ts';
import * as Problem from './Problem.ts';

describe('which requests are calls', () => {
  test.each([
    ['application/grpc', true],
    ['application/grpc+proto', true],
    ['application/grpc+json', true],
    ['Application/GRPC', true],
    ['application/grpc; charset=utf-8', true],
    ['application/grpc-web', false],
    ['application/grpc-web+proto', false],
    ['application/grpcx', false],
    ['text/html, application/grpc', false],
    ['', false],
  ])('%s: %s', (type, is) => {
    expect(Grpc.isCall('2', 'POST', ['content-type', type])).toBe(is);
  });

  test('a POST over HTTP/2', () => {
    const lines = ['Content-Type', 'application/grpc'];
    expect([Grpc.isCall('2', 'POST', lines), Grpc.isCall('1.1', 'POST', lines), Grpc.isCall('2', 'GET', lines), Grpc.isCall('2', 'POST', [])]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('a status among headers', () => {
  test.each([
    [['grpc-status', '0'], 0],
    [['x', 'y', 'Grpc-Status', '14'], 14],
    [['grpc-status', ''], undefined],
    [['grpc-status', 'OK'], undefined],
    [['grpc-status', '-1'], undefined],
    [['grpc-status', '0x0'], undefined],
    [['grpc-status', '0', 'grpc-status', '14'], undefined],
    [[], undefined],
  ])('%j: %s', (lines, status) => {
    expect(Grpc.statusOf(lines)).toBe(status);
  });
});

test('statuses of HTTP in gRPC’s words; 13 is for payments alone', () => {
  const all = [200, 204, 400, 401, 402, 403, 404, 405, 409, 410, 413, 422, 429, 431, 500, 501, 502, 503, 504, 505, 599];
  expect(all.map(Grpc.statusFor)).toEqual([0, 0, 3, 16, 13, 7, 12, 12, 14, 9, 8, 9, 8, 8, 2, 12, 14, 14, 4, 2, 2]);
  for (let status = 100; status < 600; status++) if (status !== 402) expect(Grpc.statusFor(status)).not.toBe(13);
});

test('a message goes as it is where it can, and by its bytes where it cannot', () => {
  expect(Grpc.formatMessage('plain, "quoted" ~')).toBe('plain, "quoted" ~');
  expect(Grpc.formatMessage('100 % größer\r\nx: y – \u{1f600}\x7f')).toBe('100 %25 gr%C3%B6%C3%9Fer%0D%0Ax: y %E2%80%93 %F0%9F%98%80%7F');
  expect(decodeURIComponent(Grpc.formatMessage('größer – 100 %'))).toBe('größer – 100 %');
});

test('a refusal: its headers as metadata, its code and its text, and nothing of its body', () => {
  const refused = Problem.answer(new FareboxError('STORE_UNAVAILABLE', 'Größer – später.'), [['Retry-After', '5']]);
  expect(Grpc.answerOf(refused)).toEqual({
    status: 200,
    headers: [
      ['Content-Type', 'application/grpc'],
      ['Grpc-Status', '14'],
      ['Grpc-Message', 'Gr%C3%B6%C3%9Fer %E2%80%93 sp%C3%A4ter.'],
      ['Farebox-Error', 'STORE_UNAVAILABLE'],
      ['Retry-After', '5'],
    ],
    body: '',
  });
});
