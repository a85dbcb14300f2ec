/**
 * Tiny ImageNet as published (cs231n, tiny-imagenet-200): wnids.txt, words.txt, train/<wnid>/images/, val/images/ and
 * val/val_annotations.txt. Its test images have no labels, so that val is what is tested on.
 */
import { basename, join, resolve } from 'node:path';
import { checkPath } from '../../base/check.js';
import { checkOptions } from '../../base/optionTable.js';
import { readBytes } from '../../files/readBytes.js';
import type { Loading } from '../loading.js';
import { none, picturesIn } from '../pictureFiles.js';
import { loadPictures } from '../pictures/loadPictures.js';
import { PICTURE_OPTIONS, type PictureOptions, withLoading } from '../pictures/options.js';
import type { LabelledFile, PictureList } from '../pictures/pictureList.js';
import type { Dataset } from '../types.js';
import type { FolderFormat } from './format.js';
import { refused } from './refused.js';

/** Classes are in the order of wnids.txt, and have the first of their words in words.txt as names. */
export async function tinyImageNet(
  path: string,
  options: PictureOptions = {},
  loading: Loading = {},
): Promise<Dataset> {
  const folder = checkPath(path, 'the folder of Tiny ImageNet');
  const settings = checkOptions(withLoading(options, loading), undefined, PICTURE_OPTIONS);
  return loadPictures(await listTinyImageNet(folder), settings, loading.progress);
}

export const tinyImageNetFormat: FolderFormat = {
  files: 'Tiny ImageNet (wnids.txt, words.txt, train, val)',
  fits: ({ files }) => files.has('wnids.txt'),
  load: (folder, loading) => tinyImageNet(folder, loading.options, loading),
  list: (folder, options) => {
    checkOptions(options, undefined, PICTURE_OPTIONS);
    return listTinyImageNet(folder);
  },
};

export async function listTinyImageNet(root: string): Promise<PictureList> {
  const wnids = (await linesOf(join(root, 'wnids.txt'))).map(({ text }) => text.trim());
  const labels = new Map(wnids.map((wnid, label) => [wnid, label]));
  if (labels.size < 2 || labels.size < wnids.length) {
    const found = `${wnids.length}, ${labels.size} of them different`;
    throw refused('FILE_CORRUPT', join(root, 'wnids.txt'), 'two or more names, each once', found);
  }
  const train: LabelledFile[] = [];
  for (const [wnid, label] of labels) {
    const folder = join(root, 'train', wnid, 'images');
    const files = await picturesIn(folder);
    if (files.length === 0) throw none(folder, 'has no pictures');
    for (const file of files) train.push({ file, label });
  }
  return {
    ...{ name: basename(resolve(root)), root, classNames: await namesOf(root, wnids) },
    ...{ train, test: await validation(root, labels), notes: [] },
  };
}

/** Every annotation has its picture, and every picture its annotation. */
async function validation(root: string, labels: ReadonlyMap<string, number>): Promise<LabelledFile[]> {
  const annotations = join(root, 'val', 'val_annotations.txt');
  const folder = join(root, 'val', 'images');
  const labelOf = new Map<string, number>();
  for (const { text, line } of await linesOf(annotations)) {
    const [name = '', wnid = ''] = text.split('\t');
    const label = labels.get(wnid);
    if (label === undefined) {
      const expected = `a picture and one of wnids.txt in line ${line}`;
      throw refused('FILE_CORRUPT', annotations, expected, JSON.stringify(text.slice(0, 60)));
    }
    labelOf.set(join(folder, name), label);
  }
  const files = await picturesIn(folder);
  const unknown = files.find((file) => !labelOf.has(file));
  if (unknown !== undefined)
    throw refused('INVALID_DATA', annotations, `a line for ${basename(unknown)}`, 'none');
  const present = new Set(files);
  const missing = [...labelOf.keys()].find((file) => !present.has(file));
  if (missing !== undefined)
    throw refused('FILE_NOT_FOUND', missing, `a picture, as ${annotations} names it`, 'none');
  return files.map((file) => ({ file, label: labelOf.get(file)! }));
}

async function namesOf(root: string, wnids: readonly string[]): Promise<string[]> {
  const path = join(root, 'words.txt');
  const words = new Map<string, string>();
  for (const { text } of await linesOf(path)) {
    const [wnid = '', names = ''] = text.split('\t');
    words.set(wnid, names.split(',')[0]!.trim());
  }
  const first = wnids.map((wnid) => {
    const name = words.get(wnid);
    if (!name) throw refused('FILE_CORRUPT', path, `words for ${wnid}`, 'none');
    return name;
  });
  // 'crane' is a bird and a machine.
  return first.map((name, label) =>
    first.indexOf(name) === first.lastIndexOf(name) ? name : `${name} (${wnids[label]})`,
  );
}

async function linesOf(path: string): Promise<{ text: string; line: number }[]> {
  const lines = (await readBytes(path)).toString().split(/\r?\n/);
  return lines.map((text, index) => ({ text, line: index + 1 })).filter(({ text }) => text.trim() !== '');
}
