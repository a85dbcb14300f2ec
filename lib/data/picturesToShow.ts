/** Some images of each class, for people to look at. */
import type { Loading } from './loading.js';
import { listPicturesNamed, loadDataNamed } from './sets/index.js';
import type { ImageArray } from './types.js';

export type ClassPictures = { readonly label: number } & (
  | { readonly files: readonly string[] }
  | { readonly images: ImageArray; readonly samples: readonly number[] }
);

/** At most `perClass` training images of each class, evenly spread over them, without those that are broken. */
export async function picturesToShow(
  name: string,
  broken: ReadonlySet<string>,
  { perClass, ...loading }: Loading & { perClass: number },
): Promise<ClassPictures[]> {
  const list = await listPicturesNamed(name, loading.options ?? {});
  if (list !== undefined) {
    const ofClass = grouped(
      list.train.filter(({ file }) => !broken.has(file)),
      ({ label }) => label,
    );
    return list.classNames.map((_, label) => ({
      label,
      files: spread(ofClass.get(label) ?? [], perClass).map(({ file }) => file),
    }));
  }
  const { train, classNames } = await loadDataNamed(name, loading);
  const ofClass = grouped(Array.from(train.labels.keys()), (sample) => train.labels[sample]!);
  return classNames.map((_, label) => ({
    label,
    images: train.images,
    samples: spread(ofClass.get(label) ?? [], perClass),
  }));
}

function grouped<T>(all: readonly T[], labelOf: (each: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const each of all) {
    const group = groups.get(labelOf(each));
    if (group === undefined) groups.set(labelOf(each), [each]);
    else group.push(each);
  }
  return groups;
}

function spread<T>(all: readonly T[], count: number): T[] {
  const size = Math.min(count, all.length);
  return Array.from({ length: size }, (_, index) => all[Math.floor((index * all.length) / size)]!);
}
