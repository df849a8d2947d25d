import { describe, expect, test } from 'vitest';
import { createRouter, type RouteKey } from './Router.ts';

const route = (pattern: string, methods?: readonly string[], host?: string): RouteKey => ({ pattern, methods, host });

describe('Router', () => {
  test('what no route names is not found', () => {
    const router = createRouter([route('/a'), route('/b/*', ['GET'])]);
    for (const path of ['/', '/A', '/a/', '/a/b', '/b', '/bc', '/ab']) expect(router.find(undefined, 'GET', path)).toBeUndefined();
    expect(router.find(undefined, 'POST', '/b/c')).toBeUndefined();
    expect(router.find(undefined, 'GET', '/b/')?.pattern).toBe('/b/*');
  });

  test('HEAD goes where GET goes', () => {
    const router = createRouter([route('/a', ['GET']), route('/*')]);
    expect(router.find(undefined, 'HEAD', '/a')?.pattern).toBe('/a');
  });

  test('a method that the exact path does not take falls to a wider route that takes it', () => {
    const router = createRouter([route('/api/x', ['GET']), route('/api/*', ['POST'])]);
    expect(router.find(undefined, 'POST', '/api/x')?.pattern).toBe('/api/*');
  });

  test('two routes for the same method are a mistake', () => {
    expect(() => createRouter([route('/a', ['GET', 'POST']), route('/a', ['POST'])])).toThrow(RangeError);
    expect(() => createRouter([route('/a/*'), route('/a/*')])).toThrow(RangeError);
    expect(() => createRouter([route('/a'), route('/a', ['GET']), route('/a', undefined, 'h')])).not.toThrow();
  });

  test('what trails nothing is not looked at again and again: a path of dots costs no more than another', () => {
    const router = createRouter([route('/api/*'), route('/api/x')]);
    const many = 100_000;
    for (const tail of ['.', '%20', '%20.', '/', '/.']) {
      expect(router.find(undefined, 'GET', `/api/y${tail.repeat(many)}z`)?.pattern).toBe('/api/*');
      expect(router.find(undefined, 'GET', `/api/x${tail.repeat(many)}`)).toBeUndefined();
    }
  });

  test('a look-up does not walk the routes', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => route(`/r${index}/x`, ['GET']));
    let read = 0;
    const watched = many.map((one) => ({
      ...one,
      get pattern() {
        read++;
        return one.pattern;
      },
    }));
    const router = createRouter(watched);
    read = 0;
    expect(router.find(undefined, 'GET', '/r19999/x')?.methods).toEqual(['GET']);
    expect(router.find(undefined, 'GET', '/r19999/y')).toBeUndefined();
    expect(read).toBe(0);
  });
});
