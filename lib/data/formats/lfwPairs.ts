/**
 * Labeled Faces in the Wild's protocol of verification (http://vis-www.cs.umass.edu/lfw): pairs.txt has, after a line with the number
 * of folds and of pairs, in each fold so many pairs of one person and then as many of two.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPath } from '../../base/check.js';
import { readBytes, unreadable } from '../../files/readBytes.js';
import { refused } from './refused.js';

/** Two photographs, and whether they show the same person. */
export interface PicturePair {
  readonly a: string;
  readonly b: string;
  readonly same: boolean;
  /** From 0 */
  readonly fold: number;
}

/**
 * The pairs of `pairs.txt`, or of pairsDevTrain.txt and pairsDevTest.txt, which are one fold; photographs are
 * `root/Name/Name_0001.jpg`. Rejects with FILE_CORRUPT for a file of another form or length, and with FILE_NOT_FOUND for a photograph that
 * is not there.
 */
export async function lfwPairs(root: string, pairsFile: string): Promise<PicturePair[]> {
  const folder = checkPath(root, 'the folder of LFW');
  const path = checkPath(pairsFile, 'pairs.txt');
  const lines = (await readBytes(path)).toString().trimEnd().split(/\r?\n/);
  const [folds, each] = sizesOf(path, lines[0]!);
  const expected = 1 + folds * 2 * each;
  if (lines.length !== expected) throw refused('FILE_CORRUPT', path, `${expected} lines`, `${lines.length}`);
  const pairs = lines.slice(1).map((text, index): PicturePair => {
    const fold = Math.floor(index / (2 * each));
    const same = index % (2 * each) < each;
    return { ...pairOf(path, text, index + 2, same, folder), same, fold };
  });
  await expectFiles(new Set(pairs.flatMap(({ a, b }) => [a, b])));
  return pairs;
}

function sizesOf(path: string, text: string): [folds: number, pairs: number] {
  const numbers = text.trim().split(/\s+/).map(Number);
  const [folds, each] = numbers.length === 1 ? [1, numbers[0]!] : (numbers as [number, number]);
  if (numbers.length <= 2 && [folds, each].every((number) => Number.isSafeInteger(number) && number > 0)) {
    return [folds, each];
  }
  throw refused(
    'FILE_CORRUPT',
    path,
    'the numbers of folds and of pairs in line 1',
    JSON.stringify(text.slice(0, 60)),
  );
}

function pairOf(
  path: string,
  text: string,
  line: number,
  same: boolean,
  root: string,
): { a: string; b: string } {
  const fields = text.trim().split('\t');
  const [nameA, numberA, ...rest] = fields;
  const [nameB, numberB] = same ? [nameA, rest[0]] : rest;
  const isWhole =
    fields.length === (same ? 3 : 4) &&
    [nameA, nameB].every((name) => name !== undefined && /^[^/]+$/.test(name) && name !== '..') &&
    [numberA, numberB].every((number) => /^\d{1,4}$/.test(number ?? ''));
  if (!isWhole) {
    const expected = `${same ? 'a name and two numbers' : 'a name and a number, twice,'} in line ${line}`;
    throw refused('FILE_CORRUPT', path, expected, JSON.stringify(text.slice(0, 60)));
  }
  const file = (name: string, number: string) => join(root, name, `${name}_${number.padStart(4, '0')}.jpg`);
  return { a: file(nameA!, numberA!), b: file(nameB!, numberB!) };
}

async function expectFiles(files: ReadonlySet<string>): Promise<void> {
  for (const file of files) {
    await stat(file).catch((error) => {
      throw unreadable(file, error);
    });
  }
}
