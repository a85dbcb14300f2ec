/** The recipes of published documents: each is one that is taken, and runs. */
import sharp from 'sharp';
import { checkRecipe } from '../../../lib/experiments/recipe.js';
import {
  type Dataset,
  datasets,
  type PictureOptions,
  type PicturePair,
  type Recipe,
  recipes,
  runRecipe,
} from '../../../lib/index.js';
import { randomImages } from '../../support/randomModel.js';
import { temporaryFolder } from '../../support/temporaryFolder.js';

const inFolder = temporaryFolder();

describe.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s', (_, recipe) => {
  test('is taken, and says what it is of', () => {
    expect(checkRecipe(recipe)).toEqual(recipe);
    expect(recipe.name).toMatch(/^[a-z0-9-]+$/);
    expect(recipe.source.length).toBeGreaterThan(20);
  });

  test('two of its rows run', async () => {
    const { rows } = await runRecipe(
      { ...recipe, rows: [recipe.rows[0]!, recipe.rows.at(-1)!] },
      {
        ...{ data: tinyDataOf(recipe), steps: 1, seeds: 1, device: 'cpu' },
        ...(recipe.test?.type === 'pairs' && { pairs: await somePairs(inFolder) }),
      },
    );
    const measure = recipe.test === undefined ? 'accuracy' : 'eer';
    expect(rows.map((row) => row[measure]!.values.length)).toEqual([1, 1]);
  });
});

/** Random images of the size that the recipe's data has, of 12 classes. */
function tinyDataOf({ name, data, dataOptions }: Recipe): Dataset {
  const { size = name.includes('imagenet') ? 64 : data.startsWith('CIFAR') ? 32 : 28, channels } =
    (dataOptions ?? {}) as PictureOptions;
  const [H, W] = typeof size === 'number' ? [size, size] : size;
  const C = channels ?? (data === 'MNIST' ? 1 : 3);
  const labels = Int32Array.from({ length: 24 }, (_unused, index) => index % 12);
  return datasets.fromArrays({
    ...{ images: randomImages(24, [H, W, C]), labels },
    test: { images: randomImages(12, [H, W, C], 2), labels: labels.slice(0, 12) },
  });
}

test('names are unique', () => {
  expect(new Set(recipes.map(({ name }) => name)).size).toBe(recipes.length);
});

/** Four pictures of two persons, as files. */
async function somePairs(inTestFolder: (name: string) => string): Promise<PicturePair[]> {
  const files = await Promise.all(
    ['a1', 'a2', 'b1', 'b2'].map(async (name, index) => {
      const path = inTestFolder(`${name}.png`);
      const { data: bytes } = randomImages(1, [30, 30, 3], index + 1);
      await sharp(bytes, { raw: { width: 30, height: 30, channels: 3 } }).toFile(path);
      return path;
    }),
  );
  const [a1, a2, b1, b2] = files as [string, string, string, string];
  return [
    { a: a1, b: a2, same: true, fold: 0 },
    { a: b1, b: b2, same: true, fold: 0 },
    { a: a1, b: b1, same: false, fold: 0 },
    { a: a2, b: b2, same: false, fold: 0 },
  ];
}
