/** The READMEs of lib and native say which room may know which: this reads imports and includes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { packageRoot } from '../../lib/base/packageRoot.js';

interface House {
  readonly folder: string;
  readonly source: RegExp;
  /** Paths, from the folder, of files of the house that a file names. */
  named(file: string, text: string): string[];
}

const HOUSES: readonly House[] = [
  {
    folder: 'lib',
    source: /\.m?ts$/,
    named: (file, text) =>
      Array.from(text.matchAll(/(?:from|import|require\()\s*'(\.{1,2}\/[^']+)'/g), ([, path]) =>
        posix.normalize(posix.join(posix.dirname(file), path!)),
      ),
  },
  {
    folder: 'native',
    source: /\.(h|cpp|cu)$/,
    // The simulated device's header stands where CUDA's would.
    named: (_, text) => Array.from(text.matchAll(/#include "(?!sim\/)([^"]+)"/g), ([, path]) => path!),
  },
];

/** A folder, or the name of a file at the root. */
const roomOf = (path: string) => path.split('/')[0]!.replace(/\.m?[tj]s$/, '');

/** The table of the README: what each room may know. */
function allowedIn(folder: string): Map<string, Set<string>> {
  const text = readFileSync(join(packageRoot(), folder, 'README.md'), 'utf8');
  const entries = Array.from(text.matchAll(/^\| `([^|]*)` \|[^|]*\| ([^|]*) \|$/gm), ([, names, known]) => ({
    names: names!.split('`, `').map(roomOf),
    known: known!,
  }));
  const all = entries.flatMap(({ names }) => names);
  return new Map(
    entries.flatMap(({ names, known }) => {
      const named = Array.from(known.matchAll(/`([^`]+)`/g), ([, room]) => roomOf(room!));
      const isRest = known.startsWith('every room but');
      const set = new Set(isRest ? all.filter((room) => !named.includes(room)) : named);
      return names.map((name) => [name, set] as const);
    }),
  );
}

describe.each(HOUSES)('$folder', ({ folder, source, named }) => {
  const allowed = allowedIn(folder);
  const root = join(packageRoot(), folder);
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => source.test(file));

  test('every room stands in the table', () => {
    expect([...new Set(files.map(roomOf))].filter((room) => !allowed.has(room))).toEqual([]);
  });

  test('there are files, and they name one another', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(
      files.flatMap((file) => named(file, readFileSync(join(root, file), 'utf8'))).length,
    ).toBeGreaterThan(200);
  });

  test.each(files)('%s knows what its room may know', (file) => {
    const room = roomOf(file);
    const strangers = named(file, readFileSync(join(root, file), 'utf8')).filter(
      (path) => roomOf(path) !== room && !allowed.get(room)!.has(roomOf(path)),
    );
    expect(strangers).toEqual([]);
  });

  test('no two rooms know each other, however far around', () => {
    const reached = (room: string, seen = new Set<string>()): Set<string> => {
      for (const next of allowed.get(room) ?? []) if (!seen.has(next)) reached(next, seen.add(next));
      return seen;
    };
    // lib's index and cli are above all: their lines leave out only each other.
    for (const room of [...allowed.keys()].filter((name) => !['index', 'cli'].includes(name))) {
      expect([room, [...reached(room)]]).toEqual([room, expect.not.arrayContaining([room])]);
    }
  });
});
