/** lib/README.md says which room may know which: this reads the imports. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';

const lib = join(packageRoot(), 'lib');

/** A folder, or the name of a file at the root. */
const roomOf = (path: string) => path.split('/')[0]!.replace(/\.m?[tj]s$/, '');

/** The table of lib/README.md: what each room may know. */
function allowed(): Map<string, Set<string>> {
  const rows = readFileSync(join(lib, 'README.md'), 'utf8').matchAll(/^\| `([^|]*)` \|[^|]*\| ([^|]*) \|$/gm);
  const entries = Array.from(rows, ([, names, known]) => ({
    names: names!.split('`, `').map((name) => roomOf(name)),
    known: known!,
  }));
  const all = entries.flatMap(({ names }) => names);
  return new Map(
    entries.flatMap(({ names, known }) => {
      const named = Array.from(known.matchAll(/`([^`]+)`/g), ([, room]) => roomOf(room!));
      const set = new Set(
        known.startsWith('every room but') ? all.filter((room) => !named.includes(room)) : named,
      );
      return names.map((name) => [name, set] as const);
    }),
  );
}

const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter((file) => /\.m?ts$/.test(file));

/** Files of lib that a file imports, types included. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(lib, file), 'utf8');
  const found = source.matchAll(/(?:from|import|require\()\s*'(\.{1,2}\/[^']+)'/g);
  return Array.from(found, ([, path]) => posix.normalize(posix.join(posix.dirname(file), path!)));
}

test('every room stands in the table', () => {
  expect([...new Set(files.map(roomOf))].filter((room) => !allowed().has(room))).toEqual([]);
});

test.each(files)('%s knows what its room may know', (file) => {
  const room = roomOf(file);
  const known = allowed().get(room)!;
  const strangers = importsOf(file).filter((path) => roomOf(path) !== room && !known.has(roomOf(path)));
  expect(strangers).toEqual([]);
});

test('no two rooms know each other, however far around', () => {
  const rooms = allowed();
  const reached = (room: string, seen = new Set<string>()): Set<string> => {
    for (const next of rooms.get(room) ?? []) if (!seen.has(next)) reached(next, seen.add(next));
    return seen;
  };
  // index and cli are above all: their lines leave out only each other.
  const below = [...rooms.keys()].filter((room) => !['index', 'cli'].includes(room));
  for (const room of below)
    expect([room, [...reached(room)]]).toEqual([room, expect.not.arrayContaining([room])]);
});
